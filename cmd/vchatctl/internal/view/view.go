// Package view is what all viewers have in common: it follows a feed, knows why there is no fresh frame, and paints.
//
//	daemon ── feed ──▶ Session's goroutine ─▶ Newest, one slot ─▶ decodeLoop's goroutine: decodes ─▶ Run: paints ─▶ Display
//	       ── events ▶ Session's goroutine ─▶ what is known of the device ─▶ Words ──────────────▲
//	       ◀─ hang up, answer, say … ─ goroutines of Press ◀── keys ◀── Run's goroutine ◀────────┘
//
// It promises that the feed is always read at once, so that no old frames wait in the socket; that a viewer which is slow
// loses frames and not time; that no more frames are decoded than are painted, and no larger than they are shown; that
// a frame which is old never looks as if it were not; and that a session outlives its daemon. A Display is written to
// from top to bottom and never read.
//
// A session waits in one of these states:
//
//	watching ──stream ends──▶ reopening ──opened──▶ watching
//	                          reopening ──the call is over──▶ ended, with Follow idle ──a call──▶ reopening
//	                          reopening ──no daemon for half a minute──▶ ended, with Follow never
//
// Session.Close returns when none of its goroutines runs, Run when none of its own does.
package view

import (
	"context"
	"sync"
	"time"

	"vchat/daemon/client"
)

// Source is a feed: client.Feed.
type Source interface {
	Next() (client.Frame, error)
}

// Frame is a frame and when it came.
type Frame struct {
	client.Frame
	Received time.Time
}

// Age is how old the frame is now.
func (p *Frame) Age() time.Duration { return p.Frame.Age + time.Since(p.Received) }

// Newest keeps the newest frame of a source. Take and Next are for one goroutine at a time.
type Newest struct {
	ready chan struct{}
	done  chan struct{}

	mu       sync.Mutex
	slot     *Frame   // not taken yet
	spare    []*Frame // memory to be used again; two at most
	err      error    // why the source has ended
	received uint64
	dropped  uint64
	bytes    uint64

	taken *Frame // the viewer's
}

// Follow begins to read a source, until that gives an error. The caller ends the source and then waits by Wait.
func Follow(src Source) *Newest {
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
			n.wake()
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
	// The source uses its memory again for the next frame, hence the copy.
	data := append(p.Data[:0], f.Data...)
	p.Frame, p.Received = f, time.Now()
	p.Data = data

	n.mu.Lock()
	n.received++
	n.bytes += uint64(len(data))
	if n.slot != nil {
		n.dropped++
		n.spare = append(n.spare, n.slot)
	}
	n.slot = p
	n.mu.Unlock()
	n.wake()
}

func (n *Newest) wake() {
	select {
	case n.ready <- struct{}{}:
	default:
	}
}

// Ready receives a value when Take may have something new, or the source has ended.
func (n *Newest) Ready() <-chan struct{} { return n.ready }

// Take gives the newest frame, valid until the next Take, or nil if there is none newer than the last. Once the source
// has ended and all is taken, it gives the source's error.
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
		n.wake() // whoever waits for Ready is to see the end too
	}
	return n.taken, nil
}

// Next waits for the newest frame. The error is that of ctx, or of the source.
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

// Counts says how many frames came, and how many of them the viewer was too slow for.
func (n *Newest) Counts() (received, dropped uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.received, n.dropped
}

// Totals says how many frames came, and of how many bytes.
func (n *Newest) Totals() (frames, bytes uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.received, n.bytes
}

// Wait waits until the source is read no more.
func (n *Newest) Wait() { <-n.done }
