package frame

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// ErrEnded is returned to the readers of an ended feed. It wraps the reason
// given to End.
var ErrEnded = errors.New("the feed has ended")

// Hub passes each published frame to all its readers. Publish must not be
// called concurrently. All other methods are safe for concurrent use.
type Hub struct {
	mu      sync.Mutex
	readers []*Reader
	newest  *Frame
	ended   error
	changed chan struct{}
}

// NewHub returns a hub without readers.
func NewHub() *Hub { return &Hub{changed: make(chan struct{}, 1)} }

// Publish takes over the caller's reference to f and makes f the newest frame
// of every reader. After End it releases f.
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

// Forget drops the newest frame, so that a later reader does not get an old
// frame as if it were live.
func (h *Hub) Forget() {
	h.mu.Lock()
	old := h.newest
	h.newest = nil
	h.mu.Unlock()
	if old != nil {
		old.Release()
	}
}

// End ends the feed. Readers get their last frame, then ErrEnded, which wraps
// why unless why is nil. Only the first call has an effect.
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

// Subscribe returns a new reader. The reader gets the newest frame at once, if
// there is one.
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

// Readers returns the number of readers.
func (h *Hub) Readers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.readers)
}

// Changed returns a channel that receives a value after the number of readers
// has changed. One value may stand for several changes. There is one channel,
// for one listener: the camera's supervisor.
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

// Reader is one subscription to a hub. Its methods must not be called
// concurrently, except Close.
type Reader struct {
	hub     *Hub
	slot    atomic.Pointer[Frame]
	ready   chan struct{}
	closed  atomic.Bool
	dropped atomic.Uint64
}

// put makes f the reader's frame and drops the previous one if it was not
// taken.
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

// Ready returns a channel that receives a value when Take may return a frame or
// the feed has ended.
func (r *Reader) Ready() <-chan struct{} { return r.ready }

// Take returns the newest frame, or nil if it was taken already. The caller
// releases the frame.
func (r *Reader) Take() *Frame { return r.slot.Swap(nil) }

// Next waits for the newest frame and returns it. The caller releases the
// frame. It returns ctx.Err(), or ErrEnded after End or Close.
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

// Dropped returns how many frames were replaced before this reader took them.
func (r *Reader) Dropped() uint64 { return r.dropped.Load() }

// Close ends the subscription. It may be called more than once.
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
