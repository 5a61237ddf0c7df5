package record

import (
	"sync"

	"vchat/daemon/client"
)

// Source is a feed, such as client.Feed. Next may reuse the memory of the frame
// before.
type Source interface {
	Next() (client.Frame, error)
}

// Buffer reads a feed while the disk is slow: an SD card may block for a
// second, and the daemon keeps only the newest frame for a reader. Next is for
// one goroutine at a time.
type Buffer struct {
	done chan struct{}

	mu      sync.Mutex
	changed *sync.Cond
	queue   []*client.Frame
	bytes   int // in the queue
	spare   []*client.Frame
	taken   *client.Frame // returned by Next last
	err     error         // why the source ended
	closed  bool
}

const (
	bufferFrames = 60       // two seconds at 30 fps
	bufferBytes  = 16 << 20 // a single frame may exceed it
)

// NewBuffer starts a goroutine that reads a source until it returns an error.
func NewBuffer(src Source) *Buffer {
	b := &Buffer{done: make(chan struct{})}
	b.changed = sync.NewCond(&b.mu)
	go b.read(src)
	return b
}

func (b *Buffer) read(src Source) {
	defer close(b.done)
	for {
		f, err := src.Next()
		if !b.put(f, err) {
			return
		}
	}
}

// put waits until there is room for a frame; meanwhile the daemon drops frames.
// It reports whether to continue reading.
func (b *Buffer) put(f client.Frame, err error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.changed.Broadcast()
	if err != nil {
		b.err = err
		return false
	}
	for !b.closed && len(b.queue) > 0 && (len(b.queue) >= bufferFrames || b.bytes+len(f.Data) > bufferBytes) {
		b.changed.Wait()
	}
	p := &client.Frame{}
	if k := len(b.spare); k > 0 {
		p, b.spare = b.spare[k-1], b.spare[:k-1]
	}
	// Copy the data: the source reuses its memory.
	data := append(p.Data[:0], f.Data...)
	*p = f
	p.Data = data
	b.queue, b.bytes = append(b.queue, p), b.bytes+len(data)
	return !b.closed
}

// Next waits for the next frame, which is valid until the call after. After the
// last frame it returns the error of the source.
func (b *Buffer) Next() (*client.Frame, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.changed.Broadcast()
	if b.taken != nil && len(b.spare) < 4 {
		b.spare = append(b.spare, b.taken)
	}
	b.taken = nil
	for len(b.queue) == 0 {
		if b.err != nil {
			return nil, b.err
		}
		b.changed.Wait()
	}
	p := b.queue[0]
	b.queue = append(b.queue[:0], b.queue[1:]...)
	b.bytes -= len(p.Data)
	b.taken = p
	return p, nil
}

// Close waits until the goroutine has ended. End the source before.
func (b *Buffer) Close() {
	b.mu.Lock()
	b.closed = true
	b.changed.Broadcast()
	b.mu.Unlock()
	<-b.done
}
