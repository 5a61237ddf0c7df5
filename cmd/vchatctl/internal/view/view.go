// Package view shows the frames of a feed, with the reason if there are none.
// All viewers share it: window, screen, terminal, pipe and web.
//
//	vchatd ─ frames ─▶ feed ─▶ Newest ─▶ decodeLoop ─▶ render ─▶ Display
//	       ─ events ─▶ Session (deviceState) ─▶ Overlay ─▲          │
//	       ◀ commands ─ Session.Do ◀────── keys, clicks ◀───────────┘
//
// A pipe reads Newest itself and writes to an Output.
//
// Guarantees:
//   - The feed is read at once, so no old frames wait in the socket.
//   - A slow viewer drops frames; it does not fall behind.
//   - No frame is decoded that is not painted, and none larger than needed.
//   - An old frame is dimmed and shows its age.
//   - A session survives a restart of the daemon.
//   - A Display is written row by row and never read.
//
// A session is in one of these states:
//
//	watching ─ stream ends ─▶ reopening ─ opened ─▶ watching
//	                          reopening ─ call over ─▶ ended
//	                          reopening ─ no daemon for 30 s ─▶ ended
//
// With Options.Follow it waits for the next call, or for the daemon, instead of
// ending.
//
// Goroutines: a Session runs one that reads frames, one that reads events, and
// one for each command in progress; Close waits for all of them. Run adds one
// for keys and one for each decodeLoop, and waits for them before it returns.
package view

import (
	"context"
	"sync"
	"time"

	"vchat/daemon/client"
)

// Source is a feed, such as client.Feed. Next may reuse the memory of the frame
// before.
type Source interface {
	Next() (client.Frame, error)
}

// Frame is a frame and the time at which it arrived.
type Frame struct {
	client.Frame
	Received time.Time
}

// Age returns the present age of the frame.
func (p *Frame) Age() time.Duration { return p.Frame.Age + time.Since(p.Received) }

// Newest holds the newest frame of a source. Take and Next are for one
// goroutine at a time; the other methods are safe for concurrent use.
type Newest struct {
	ready chan struct{}
	done  chan struct{}

	mu       sync.Mutex
	slot     *Frame   // not taken yet
	spare    []*Frame // for reuse; at most two
	err      error    // why the source ended
	received uint64
	bytes    uint64

	taken *Frame // in use by the caller of Take
}

// ReadNewest starts a goroutine that reads a source until it returns an error.
// To stop it, end the source; then call Wait.
func ReadNewest(src Source) *Newest {
	n := &Newest{ready: make(chan struct{}, 1), done: make(chan struct{})}
	go n.read(src)
	return n
}

func (n *Newest) read(src Source) {
	defer close(n.done)
	for {
		f, err := src.Next()
		if err != nil {
			n.mu.Lock()
			n.err = err
			n.mu.Unlock()
			notify(n.ready)
			return
		}
		n.put(f)
	}
}

func (n *Newest) put(f client.Frame) {
	n.mu.Lock()
	var p *Frame
	if k := len(n.spare); k > 0 {
		p, n.spare = n.spare[k-1], n.spare[:k-1]
	} else {
		p = &Frame{}
	}
	n.mu.Unlock()
	// Copy the data: the source reuses its memory.
	data := append(p.Data[:0], f.Data...)
	p.Frame, p.Received = f, time.Now()
	p.Data = data

	n.mu.Lock()
	n.received++
	n.bytes += uint64(len(data))
	if n.slot != nil {
		n.spare = append(n.spare, n.slot)
	}
	n.slot = p
	n.mu.Unlock()
	notify(n.ready)
}

// Ready receives a value when Take may return a new frame or an error.
func (n *Newest) Ready() <-chan struct{} { return n.ready }

// Take returns the newest frame, or nil if the caller already has it. The frame
// is valid until the next Take. After the last frame, Take returns the error of
// the source.
func (n *Newest) Take() (*Frame, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.slot == nil {
		return nil, n.err
	}
	if n.taken != nil {
		n.spare = append(n.spare, n.taken)
	}
	n.taken, n.slot = n.slot, nil
	if n.err != nil {
		notify(n.ready) // the caller still has to see the error
	}
	return n.taken, nil
}

// Next waits for a newer frame, which is valid until the call after. It returns
// the error of the source or the cause of ctx.
func (n *Newest) Next(ctx context.Context) (*Frame, error) {
	for {
		if p, err := n.Take(); p != nil || err != nil {
			return p, err
		}
		select {
		case <-n.ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Totals returns how many frames and bytes the source has delivered.
func (n *Newest) Totals() (frames, bytes uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.received, n.bytes
}

// Wait waits until the reading goroutine has ended.
func (n *Newest) Wait() { <-n.done }

// notify wakes the reader of a channel of capacity 1.
func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
