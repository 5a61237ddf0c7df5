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

// told reads the events that are there, as short words.
func told(t *testing.T, s *Subscription) (words []string) {
	t.Helper()
	for {
		ctx, cancel := context.WithCancel(context.Background())
		if len(s.ready) == 0 && len(s.queue) == 0 && !s.behind {
			cancel()
			return words
		}
		e, err := s.Next(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Status != nil:
			words = append(words, "state "+e.Status.Name)
		default:
			words = append(words, string(e.Event)+" "+e.Peer)
		}
		if len(s.queue) == 0 {
			select {
			case <-s.ready:
			default:
			}
		}
	}
}

func TestEventsBeginWithThePresentState(t *testing.T) {
	name := "before"
	ev := NewEvents(func() api.Status { return api.Status{Name: name} })
	ev.Publish(api.Event{Event: api.EventLink, Peer: "nobody listens"})
	s := ev.Subscribe()
	defer s.Close()
	ev.Publish(api.Event{Event: api.EventLink, Peer: "in the state already"})
	name = "now"
	if diff := cmp.Diff([]string{"state now"}, told(t, s)); diff != "" {
		t.Error(diff)
	}
	ev.Publish(api.Event{Event: api.EventLink, Peer: "workshop"})
	ev.Publish(api.Event{Event: api.EventText, Peer: "attic"})
	if diff := cmp.Diff([]string{"link workshop", "text attic"}, told(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestASlowListenerGetsTheStateInPlaceOfWhatItLost(t *testing.T) {
	ev := NewEvents(func() api.Status { return api.Status{Name: "kitchen"} })
	slow, quick := ev.Subscribe(), ev.Subscribe()
	defer slow.Close()
	defer quick.Close()
	told(t, slow)
	told(t, quick)
	for i := range queued + 3 {
		e := api.Event{Event: api.EventText, Peer: fmt.Sprint(i)}
		ev.Publish(e)
		if diff := cmp.Diff([]string{"text " + e.Peer}, told(t, quick)); diff != "" {
			t.Fatal(diff)
		}
	}
	if diff := cmp.Diff([]string{"state kitchen"}, told(t, slow)); diff != "" {
		t.Error(diff)
	}
	ev.Publish(api.Event{Event: api.EventText, Peer: "later"})
	if diff := cmp.Diff([]string{"text later"}, told(t, slow)); diff != "" {
		t.Error(diff)
	}
}

func TestNextWaitsForAnEventOrItsContext(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		ev := NewEvents(func() api.Status { return api.Status{} })
		s := ev.Subscribe()
		defer s.Close()
		told(t, s)
		got := make(chan api.Event, 1)
		go func() { e, _ := s.Next(t.Context()); got <- e }()
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal("an event came from nothing")
		}
		ev.Publish(api.Event{Event: api.EventCamera})
		if e := <-got; e.Event != api.EventCamera || e.Time.IsZero() {
			t.Errorf("got %+v", e)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { _, err := s.Next(ctx); ended <- err }()
		synctest.Wait()
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("got %v", err)
		}
	})
}
