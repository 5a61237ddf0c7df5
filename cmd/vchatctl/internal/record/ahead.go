package record

import (
	"sync"

	"vchat/daemon/client"
)

// Source is a feed: client.Feed.
type Source interface {
	Next() (client.Frame, error)
}

// Ahead reads a feed while the disk is busy, which may take a second on an SD card, and the daemon keeps no more than the newest
// frame for us. Next is for one goroutine at a time.
type Ahead struct {
	done chan struct{}

	mu     sync.Mutex
	change *sync.Cond
	queue  []*client.Frame
	bytes  int // of what is in the queue
	spare  []*client.Frame
	taken  *client.Frame
	err    error // why the source has ended
	closed bool
}

const (
	aheadFrames = 60       // two seconds
	aheadBytes  = 16 << 20 // which a single frame may have by itself
)

// ReadAhead begins to read a source, until that gives an error.
func ReadAhead(src Source) *Ahead {
	a := &Ahead{done: make(chan struct{})}
	a.change = sync.NewCond(&a.mu)
	go a.read(src)
	return a
}

func (a *Ahead) read(src Source) {
	defer close(a.done)
	for {
		f, err := src.Next()
		if !a.put(f, err) {
			return
		}
	}
}

// put waits for room. Meanwhile the source's frames are overtaken where they come from.
func (a *Ahead) put(f client.Frame, err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.change.Broadcast()
	if err != nil {
		a.err = err
		return false
	}
	for !a.closed && len(a.queue) > 0 && (len(a.queue) >= aheadFrames || a.bytes+len(f.Data) > aheadBytes) {
		a.change.Wait()
	}
	p := &client.Frame{}
	if k := len(a.spare); k > 0 {
		p, a.spare = a.spare[k-1], a.spare[:k-1]
	}
	// The source uses its memory again for the next frame, hence the copy.
	data := append(p.Data[:0], f.Data...)
	*p = f
	p.Data = data
	a.queue, a.bytes = append(a.queue, p), a.bytes+len(data)
	return !a.closed
}

// Next waits for the next frame, which is valid until the call after. The error is the source's, once all is taken.
func (a *Ahead) Next() (*client.Frame, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.change.Broadcast()
	if a.taken != nil && len(a.spare) < 4 {
		a.spare = append(a.spare, a.taken)
	}
	a.taken = nil
	for len(a.queue) == 0 {
		if a.err != nil {
			return nil, a.err
		}
		a.change.Wait()
	}
	p := a.queue[0]
	a.queue = append(a.queue[:0], a.queue[1:]...)
	a.bytes -= len(p.Data)
	a.taken = p
	return p, nil
}

// Close waits until the source is read no more. Its caller has ended the source.
func (a *Ahead) Close() {
	a.mu.Lock()
	a.closed = true
	a.change.Broadcast()
	a.mu.Unlock()
	<-a.done
}
