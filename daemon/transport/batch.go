package transport

import (
	"bufio"
	"crypto/tls"
	"net"
	"sync"
)

// Batch lies between TLS and the connection. TLS hands over each record of 16 KiB by itself; a frame has several, and one
// system call for all of them costs less, here and, with fewer and larger segments, there.
type Batch struct {
	*Conn

	// Held while writing, too: the reading goroutine has to answer a key update, and records must not overtake one another.
	writing sync.Mutex
	holding bool
	held    []byte

	ahead *bufio.Reader // what was read of the connection beyond what was asked for; nil: nothing is
}

// batchSize is what is handed to the kernel at once: most cameras' frames.
const batchSize = 128 << 10

func NewBatch(c *Conn) *Batch { return &Batch{Conn: c} }

// ReadAhead makes few system calls of what TLS reads in small pieces, from now on. It is for the reading goroutine; a
// stranger's connection is not worth the memory.
func (b *Batch) ReadAhead() { b.ahead = bufio.NewReaderSize(b.Conn, readAheadSize) }

// readAheadSize holds four records.
const readAheadSize = 64 << 10

func (b *Batch) Read(p []byte) (int, error) {
	if b.ahead == nil {
		return b.Conn.Read(p)
	}
	return b.ahead.Read(p)
}

// Hold keeps back what is written until Release.
func (b *Batch) Hold() {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.holding = true
}

// Release writes what was kept back.
func (b *Batch) Release() error {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.holding = false
	return b.flush()
}

func (b *Batch) Write(p []byte) (int, error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	if !b.holding {
		return b.Conn.Write(p)
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
func (b *Batch) flush() error {
	if len(b.held) == 0 {
		return nil
	}
	_, err := b.Conn.Write(b.held)
	b.held = b.held[:0]
	return err
}

// Batched lets TLS fill its records from the first frame on instead of beginning with small ones after each pause.
func Batched(c *tls.Config) *tls.Config {
	c.DynamicRecordSizingDisabled = true
	return c
}

var _ net.Conn = (*Batch)(nil)
