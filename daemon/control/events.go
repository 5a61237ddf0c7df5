package control

import (
	"context"
	"sync"
	"time"

	"vchat/daemon/api"
)

// maxQueued bounds the events queued for one subscription. Beyond it the reader
// gets the present state instead. It is twice the burst of messages of a peer.
const maxQueued = 128

// Events distributes events to subscriptions. It starts no goroutine, never
// blocks on a subscription, and is safe for concurrent use.
type Events struct {
	present func() api.Status

	mu   sync.Mutex
	subs map[*Subscription]struct{}
}

// NewEvents returns the events of a device. The function present returns the
// state of the device. Subscription.Next calls it without any lock of this
// package, so Publish may be called under the lock that present takes.
func NewEvents(present func() api.Status) *Events {
	return &Events{present: present, subs: map[*Subscription]struct{}{}}
}

// Publish sends e to all subscriptions, with the current time if e.Time is
// zero. The present state must include the change already. The caller must not
// modify what e points to afterwards.
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

// Subscription is one reader of Events. Next is for one goroutine at a time.
type Subscription struct {
	events *Events
	ready  chan struct{}

	// Guarded by events.mu.
	queue    []api.Event
	stateDue bool // Next returns the state first: at the beginning, and after dropped events
}

// put requires events.mu.
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

// Next waits for the next event. The first one is the present state. A reader
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
			status := s.events.present()
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
