package control

import (
	"context"
	"sync"
	"time"

	"vchat/daemon/api"
)

// queued is how many events wait for one reader. A reader who is further behind than that is better served by the
// present state than by a history. It is twice what a peer may say at once.
const queued = 128

// Events hands what happens to all who listen. It starts no goroutine and never waits for a listener; it is safe for
// concurrent use.
type Events struct {
	present func() api.Status

	mu   sync.Mutex
	subs map[*Subscription]struct{}
}

// NewEvents makes the stream of a device. Present gives its state at this moment. It is called by listeners, without
// locks of this package held, so Publish may be called under the very lock that present needs.
func NewEvents(present func() api.Status) *Events {
	return &Events{present: present, subs: map[*Subscription]struct{}{}}
}

// Publish tells all listeners of e and stamps it if its Time is zero. What has changed must be in the present state
// already. What e points to is not to be changed afterwards.
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

// Heard says whether anybody listens.
func (ev *Events) Heard() bool {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	return len(ev.subs) > 0
}

// Subscribe adds a listener, which is to be closed.
func (ev *Events) Subscribe() *Subscription {
	s := &Subscription{events: ev, behind: true, ready: make(chan struct{}, 1)}
	ev.mu.Lock()
	ev.subs[s] = struct{}{}
	ev.mu.Unlock()
	return s
}

// Subscription is one listener. Next is for one goroutine at a time.
type Subscription struct {
	events *Events
	ready  chan struct{}

	// Guarded by events.mu.
	queue  []api.Event
	behind bool // the present state is owed: at the beginning, and where events were lost
}

// put is called with events.mu held.
func (s *Subscription) put(e api.Event) {
	if len(s.queue) == queued {
		s.queue, s.behind = s.queue[:0], true
	}
	s.queue = append(s.queue, e)
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// Next waits for the next event. The first one is the present state; a listener who was too slow gets it again in place
// of the events that it has lost. The error is that of ctx.
func (s *Subscription) Next(ctx context.Context) (api.Event, error) {
	for {
		s.events.mu.Lock()
		switch {
		case s.behind:
			// Whatever is queued until now is part of the state that is asked for after this.
			s.queue, s.behind = s.queue[:0], false
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

// Close takes the listener off the stream. It may be called more than once.
func (s *Subscription) Close() {
	s.events.mu.Lock()
	delete(s.events.subs, s)
	s.events.mu.Unlock()
}
