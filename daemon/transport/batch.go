package link

import (
	"bufio"
	"net"
	"sync"
)

// batch lies between TLS and the connection. TLS hands over each record of 16 KiB by itself; a frame has several, and one
// system call for all of them costs less, here and, with fewer and larger segments, there.
type batch struct {
	*conn

	// Held while writing, too: the reading goroutine has to answer a key update, and records must not overtake one another.
	writing sync.Mutex
	holding bool
	held    []byte

	ahead *bufio.Reader // what was read of the connection beyond what was asked for; nil: nothing is
}

// batchSize is what is handed to the kernel at once: most cameras' frames.
const batchSize = 128 << 10

func newBatch(c *conn) *batch { return &batch{conn: c} }

// readAhead makes few system calls of what TLS reads in small pieces, from now on. It is for the reading goroutine; a
// stranger's connection is not worth the memory.
func (b *batch) readAhead() { b.ahead = bufio.NewReaderSize(b.conn, readAheadSize) }

// readAheadSize holds four records.
const readAheadSize = 64 << 10

func (b *batch) Read(p []byte) (int, error) {
	if b.ahead == nil {
		return b.conn.Read(p)
	}
	return b.ahead.Read(p)
}

// hold keeps back what is written until release.
func (b *batch) hold() {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.holding = true
}

// release writes what was kept back.
func (b *batch) release() error {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.holding = false
	return b.flush()
}

func (b *batch) Write(p []byte) (int, error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	if !b.holding {
		return b.conn.Write(p)
	}
	if len(b.held)+len(p) > batchSize {
		if err := b.flush(); err != nil {
			return 0, err
		}
	}
	b.held = append(b.held, p...)
	return len(p), nil
}

// flush writes what is held. The caller holds writing.
func (b *batch) flush() error {
	if len(b.held) == 0 {
		return nil
	}
	_, err := b.conn.Write(b.held)
	b.held = b.held[:0]
	return err
}

var _ net.Conn = (*batch)(nil)
