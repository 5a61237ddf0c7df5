package control

import (
	"context"
	"sync"
	"time"

	"vchat/daemon/api"
)

// maxQueued bounds the events queued for one subscription. Beyond it the reader
// gets the current state instead. It is twice the burst of messages that a peer
// may send.
const maxQueued = 128

// Events distributes events to subscriptions. It starts no goroutine, never
// blocks on a subscription, and is safe for concurrent use.
type Events struct {
	status func() api.Status

	mu   sync.Mutex
	subs map[*Subscription]struct{}
}

// NewEvents returns the events of a device. The function status returns the
// current state of the device. Subscription.Next calls it without any lock of
// this package, so Publish may be called under the lock that status takes.
func NewEvents(status func() api.Status) *Events {
	return &Events{status: status, subs: map[*Subscription]struct{}{}}
}

// Publish sends e to all subscriptions, with the current time if e.Time is
// zero. The status of the device must already include the change. Afterwards
// the caller must not modify what e points to.
func (ev *Events) Publish(e api.Event) {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	for s := range ev.subs {
		s.put(e)
	}
}

// HasSubscribers reports whether there is a subscription.
func (ev *Events) HasSubscribers() bool {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	return len(ev.subs) > 0
}

// Subscribe returns a new subscription. The caller closes it.
func (ev *Events) Subscribe() *Subscription {
	s := &Subscription{events: ev, stateDue: true, ready: make(chan struct{}, 1)}
	ev.mu.Lock()
	ev.subs[s] = struct{}{}
	ev.mu.Unlock()
	return s
}

// Subscription is one reader of Events. Next must not be called concurrently.
type Subscription struct {
	events *Events
	ready  chan struct{}

	// Guarded by events.mu.
	queue    []api.Event
	stateDue bool // Next returns the state first: at the start, and after dropped events
}

// put adds e to the queue. The caller holds events.mu.
func (s *Subscription) put(e api.Event) {
	if len(s.queue) == maxQueued {
		s.queue, s.stateDue = s.queue[:0], true
	}
	s.queue = append(s.queue, e)
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// Next waits for the next event. The first one is the current state. A reader
// that was too slow gets the state again, in place of the dropped events. The
// error is ctx.Err().
func (s *Subscription) Next(ctx context.Context) (api.Event, error) {
	for {
		s.events.mu.Lock()
		switch {
		case s.stateDue:
			// The state read below includes all events queued so far.
			s.queue, s.stateDue = s.queue[:0], false
			s.events.mu.Unlock()
			e := api.Event{Time: time.Now(), Event: api.EventState}
			status := s.events.status()
			e.Status = &status
			return e, nil
		case len(s.queue) > 0:
			e := s.queue[0]
			s.queue = append(s.queue[:0], s.queue[1:]...)
			s.events.mu.Unlock()
			return e, nil
		}
		s.events.mu.Unlock()
		select {
		case <-s.ready:
		case <-ctx.Done():
			return api.Event{}, ctx.Err()
		}
	}
}

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {
	s.events.mu.Lock()
	delete(s.events.subs, s)
	s.events.mu.Unlock()
}
