package hooks

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vchat/daemon/api"
)

func TestTriggers(t *testing.T) {
	in := func(s api.CallState, change ...func(*api.Call)) api.Event {
		e := callEvent(s)
		for _, c := range change {
			c(e.Call)
		}
		return e
	}
	out := func(c *api.Call) { c.Direction = api.DirectionOut }
	answered := func(c *api.Call) { c.Answered = started.Add(time.Second) }
	reason := func(r api.Reason) func(*api.Call) { return func(c *api.Call) { c.Reason = r } }
	renamed := func(c *api.Call) { c.ID = "another" }
	camera := func(s api.CameraState) api.Event {
		return api.Event{Event: api.EventCamera, Camera: &api.Camera{State: s}}
	}
	for _, tt := range []struct {
		name   string
		events []api.Event
		want   string
	}{
		{"answered here", []api.Event{in("incoming"), in("incoming"), in("active", answered), in("active", answered),
			in("resuming", answered), in("active", answered), in("ended", answered, reason("hung_up"))},
			"[ring answered ended]"},
		{"two calls", []api.Event{in("incoming"), in("ended", reason("cancelled")), in("incoming")},
			"[ring ended missed ring]"},
		{"no answer", []api.Event{in("incoming"), in("ended", reason("no_answer"))}, "[ring ended missed]"},
		{"declined here", []api.Event{in("incoming"), in("ended", reason("declined"))}, "[ring ended]"},
		{"busy", []api.Event{in("ended", reason("busy"))}, "[ended missed]"},
		{"do not disturb", []api.Event{in("ended", reason("do_not_disturb"))}, "[ended missed]"},
		{"outgoing", []api.Event{in("calling", out), in("ringing", out), in("active", out, answered, renamed),
			in("active", out, answered, renamed), in("ended", out, answered)}, "[answered ended]"},
		{"outgoing, not answered", []api.Event{in("calling", out), in("ended", out, reason("no_answer"))}, "[ended]"},
		{"resumed after a restart", []api.Event{in("resuming", answered), in("active", answered),
			in("ended", answered)}, "[ended]"},
		{"auto-answered", []api.Event{in("active", answered), in("ended", answered)}, "[answered ended]"},
		{"camera", []api.Event{camera("opening"), camera("streaming"), camera("lost"), camera("opening"),
			camera("failed"), camera("idle"), camera("opening"), camera("streaming"), camera("streaming")},
			"[camera_lost camera_found]"},
		{"messages", []api.Event{textEvent("a"), {Event: api.EventText, From: api.SideLocal, Text: "b"}}, "[text]"},
		{"others", []api.Event{{Event: api.EventState}, {Event: api.EventStats, Call: &api.Call{State: "active"}},
			{Event: api.EventCall}, {Event: api.EventCamera}}, "[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tracker := newTracker()
			var got []Kind
			for _, e := range tt.events {
				for _, tr := range tracker.triggers(e) {
					got = append(got, tr.kind)
				}
			}
			if diff := cmp.Diff(tt.want, fmt.Sprint(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if last := tt.events[len(tt.events)-1]; last.Call != nil && last.Call.State == "ended" &&
				len(tracker.calls) != 0 {
				t.Errorf("%d calls remembered after their end", len(tracker.calls))
			}
		})
	}
}
