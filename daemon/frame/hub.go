package frame

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// ErrEnded is what a reader gets when its feed is over; what End was given is wrapped beside it.
var ErrEnded = errors.New("the feed has ended")

// Hub hands each published frame to all its readers. Publish is for one goroutine at a time; everything else is safe for
// concurrent use.
type Hub struct {
	mu      sync.Mutex
	readers []*Reader
	newest  *Frame
	ended   error
	changed chan struct{}
}

// NewHub makes a hub without readers.
func NewHub() *Hub { return &Hub{changed: make(chan struct{}, 1)} }

// Publish takes over the caller's reference to f and makes f the newest frame of every reader.
func (h *Hub) Publish(f *Frame) {
	h.mu.Lock()
	if h.ended != nil {
		h.mu.Unlock()
		f.Release()
		return
	}
	old := h.newest
	h.newest = f
	for _, r := range h.readers {
		f.Retain()
		r.put(f)
	}
	h.mu.Unlock()
	if old != nil {
		old.Release()
	}
}

// Forget drops the newest frame, so that a reader who comes later does not take an old frame for a live one.
func (h *Hub) Forget() {
	h.mu.Lock()
	old := h.newest
	h.newest = nil
	h.mu.Unlock()
	if old != nil {
		old.Release()
	}
}

// End ends the feed: readers get their last frame and then ErrEnded, with why beside it if that is not nil.
func (h *Hub) End(why error) {
	if why == nil {
		why = ErrEnded
	} else {
		why = &ended{why}
	}
	h.mu.Lock()
	if h.ended == nil {
		h.ended = why
		for _, r := range h.readers {
			r.wake()
		}
	}
	h.mu.Unlock()
	h.Forget()
}

// Subscribe adds a reader. If there is a newest frame, it gets that at once.
func (h *Hub) Subscribe() *Reader {
	r := &Reader{hub: h, ready: make(chan struct{}, 1)}
	h.mu.Lock()
	h.readers = append(h.readers, r)
	if h.newest != nil {
		h.newest.Retain()
		r.put(h.newest)
	}
	if h.ended != nil {
		r.wake()
	}
	h.mu.Unlock()
	h.notify()
	return r
}

// Readers says how many look at the feed.
func (h *Hub) Readers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.readers)
}

// Changed receives a value after the number of readers has changed. Several changes may be told by one value.
// There is one such channel, for one listener: the owner of the camera.
func (h *Hub) Changed() <-chan struct{} { return h.changed }

func (h *Hub) notify() {
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

func (h *Hub) reason() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended
}

// Reader is one pair of eyes on a hub. Its methods are for one goroutine at a time, Close for any.
type Reader struct {
	hub     *Hub
	slot    atomic.Pointer[Frame]
	ready   chan struct{}
	closed  atomic.Bool
	dropped atomic.Uint64
}

// put makes f the reader's frame; one that was never looked at has to go for it.
func (r *Reader) put(f *Frame) {
	if old := r.slot.Swap(f); old != nil {
		old.Release()
		r.dropped.Add(1)
	}
	r.wake()
}

func (r *Reader) wake() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

// Ready receives a value when Take may have something new, or the feed has ended.
func (r *Reader) Ready() <-chan struct{} { return r.ready }

// Take returns the newest frame, which the caller releases, or nil if there is none newer than the last one taken.
func (r *Reader) Take() *Frame { return r.slot.Swap(nil) }

// Next waits for the newest frame, which the caller releases. Errors: that of ctx, or ErrEnded.
func (r *Reader) Next(ctx context.Context) (*Frame, error) {
	for {
		if f := r.Take(); f != nil {
			return f, nil
		}
		if err := r.hub.reason(); err != nil {
			return nil, err
		}
		if r.closed.Load() {
			return nil, ErrEnded
		}
		select {
		case <-r.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Dropped counts the frames that this reader was too slow for.
func (r *Reader) Dropped() uint64 { return r.dropped.Load() }

// Close takes the reader off its hub. It may be called more than once.
func (r *Reader) Close() {
	if r.closed.Swap(true) {
		return
	}
	h := r.hub
	h.mu.Lock()
	for i, x := range h.readers {
		if x == r {
			h.readers = append(h.readers[:i], h.readers[i+1:]...)
			break
		}
	}
	h.mu.Unlock()
	if f := r.slot.Swap(nil); f != nil {
		f.Release()
	}
	r.wake()
	h.notify()
}

type ended struct{ why error }

func (e *ended) Error() string   { return ErrEnded.Error() + ": " + e.why.Error() }
func (e *ended) Unwrap() []error { return []error{ErrEnded, e.why} }
