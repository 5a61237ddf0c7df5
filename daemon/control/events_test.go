package control

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"vchat/daemon/api"
	"vchat/daemon/daemontest/faketime"
)

// drain returns the pending events, each as its kind and peer.
func drain(t *testing.T, s *Subscription) (events []string) {
	t.Helper()
	for {
		ctx, cancel := context.WithCancel(context.Background())
		if len(s.ready) == 0 && len(s.queue) == 0 && !s.stateDue {
			cancel()
			return events
		}
		e, err := s.Next(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Status != nil:
			events = append(events, "state "+e.Status.Name)
		default:
			events = append(events, string(e.Event)+" "+e.Peer)
		}
		if len(s.queue) == 0 {
			select {
			case <-s.ready:
			default:
			}
		}
	}
}

func TestSubscription_beginsWithState(t *testing.T) {
	name := "before"
	ev := NewEvents(func() api.Status { return api.Status{Name: name} })
	ev.Publish(api.Event{Event: api.EventLink, Peer: "no subscription"})
	s := ev.Subscribe()
	defer s.Close()
	ev.Publish(api.Event{Event: api.EventLink, Peer: "part of the state"})
	name = "now"
	if diff := cmp.Diff([]string{"state now"}, drain(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	ev.Publish(api.Event{Event: api.EventLink, Peer: "workshop"})
	ev.Publish(api.Event{Event: api.EventText, Peer: "attic"})
	if diff := cmp.Diff([]string{"link workshop", "text attic"}, drain(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSubscription_slowReader(t *testing.T) {
	ev := NewEvents(func() api.Status { return api.Status{Name: "kitchen"} })
	slow, fast := ev.Subscribe(), ev.Subscribe()
	defer slow.Close()
	defer fast.Close()
	drain(t, slow)
	drain(t, fast)
	for i := range maxQueued + 3 {
		e := api.Event{Event: api.EventText, Peer: fmt.Sprint(i)}
		ev.Publish(e)
		if diff := cmp.Diff([]string{"text " + e.Peer}, drain(t, fast)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff([]string{"state kitchen"}, drain(t, slow)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	ev.Publish(api.Event{Event: api.EventText, Peer: "later"})
	if diff := cmp.Diff([]string{"text later"}, drain(t, slow)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSubscription_nextWaits(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		ev := NewEvents(func() api.Status { return api.Status{} })
		s := ev.Subscribe()
		defer s.Close()
		drain(t, s)
		got := make(chan api.Event, 1)
		go func() { e, _ := s.Next(t.Context()); got <- e }()
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal("Next: got a result without an event, want it to wait")
		}
		ev.Publish(api.Event{Event: api.EventCamera})
		if e := <-got; e.Event != api.EventCamera || e.Time.IsZero() {
			t.Errorf("got %+v, want a camera event with its time", e)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { _, err := s.Next(ctx); ended <- err }()
		synctest.Wait()
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
}
