package call

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// restart returns a new device that restores the calls of d, and the result.
func restart(t *testing.T, d *device, cfg Config, now time.Time) (*device, string) {
	t.Helper()
	text, err := json.Marshal(d.Saved())
	if err != nil {
		t.Fatal(err)
	}
	var saved []Saved
	if err := json.Unmarshal(text, &saved); err != nil {
		t.Fatal(err)
	}
	n := newDevice(t, cfg)
	n.now = now
	return n, format(n.Restore(saved, now), nil)
}

func TestSaved(t *testing.T) {
	d := newDevice(t, config())
	d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(5)})
	if text, _ := json.Marshal(d.Saved()); string(text) != "[]" {
		t.Errorf("unanswered call: got %s, want none", text)
	}
	d.after(time.Second, GotInvite{"bob", id(3)})
	want := `[{"version":1,"ids":["03000000000000000000000000000000","05000000000000000000000000000000"],` +
		`"peer":"bob",` +
		`"direction":"out","started":"2026-11-22T12:00:00Z","answered":"2026-11-22T12:00:01Z"}]`
	if text, _ := json.Marshal(d.Saved()); string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
	// The file is on an SD card: time alone must not cause writes.
	for range 100 {
		d.expect(d.after(time.Second, Tick{}), "-")
	}
	d.expect(d.do(LinkDown{"bob", nil}), "resuming 03, save")
	if text, _ := json.Marshal(d.Saved()); !strings.Contains(string(text), `"resume_by":"2026-11-22T12:11:41Z"`) {
		t.Errorf("resuming call: got %s, want resume_by 12:11:41", text)
	}
}

func TestRestore(t *testing.T) {
	active := func(t *testing.T) *device {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(5)}, GotInvite{"bob", id(3)})
		return d
	}
	t.Run("continues", func(t *testing.T) {
		d, result := restart(t, active(t), config(), t0.Add(time.Hour))
		d.expect(result, "resuming 03, save")
		want := []Call{{ID: id(3), Peer: "bob", Direction: Out, State: Resuming, Since: d.now, Started: t0,
			Answered: t0,
			Until:    d.now.Add(10 * time.Minute), Restarts: 1}}
		if diff := cmp.Diff(want, d.List()); diff != "" {
			t.Errorf("after the restart (-want +got):\n%s", diff)
		}
		d.expect(d.do(LinkUp{"bob"}), "send resume 03")
		d.expect(d.do(GotResume{"bob", id(3)}), "active 03, save")
		d.expect(d.do(GotEnd{Peer: "bob", ID: id(5), Reason: HungUp}),
			"send end 03 hung_up, ended 03 hung_up remote, save")
	})
	t.Run("peer hung up meanwhile", func(t *testing.T) {
		d, _ := restart(t, active(t), config(), t0.Add(time.Minute))
		d.do(LinkUp{"bob"})
		d.expect(d.do(GotEnd{Peer: "bob", ID: id(3), Reason: HungUp}),
			"send end 05 hung_up, ended 03 hung_up remote, save")
	})
	t.Run("peer no longer known", func(t *testing.T) {
		d, result := restart(t, active(t), configWithoutBob(), t0.Add(time.Minute))
		d.expect(result, "save")
		if len(d.List()) != 0 {
			t.Errorf("got calls %v, want none", d.List())
		}
	})

	// The call may resume until 12:10:00.
	at := func(s string) time.Time {
		now, err := time.Parse(time.DateTime, s)
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	for _, test := range []struct {
		name string
		now  string
		left time.Duration // 0: expired
	}{
		{"in time", "2026-11-22 12:04:00", 6 * time.Minute},
		{"just in time", "2026-11-22 12:09:59", time.Second},
		{"too late", "2026-11-22 12:10:00", 0},
		{"the next morning", "2026-11-23 08:00:00", 0},
		{"clock in 1970", "1970-01-01 00:00:10", 10 * time.Minute},
		{"clock set back", "2026-11-22 11:00:00", 10 * time.Minute},
		{"clock ahead by years", "2031-02-03 04:05:06", 10 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := active(t)
			before.do(LinkDown{"bob", nil})
			d, result := restart(t, before, config(), at(test.now))
			if test.left == 0 {
				d.expect(result, "resuming 03, ended 03 lost_too_long local, save")
				return
			}
			if until, _ := d.Deadline(); until.Sub(d.now) != test.left {
				t.Errorf("got %v to resume, want %v", until.Sub(d.now), test.left)
			}
			d.expect(d.after(test.left, Tick{}), "ended 03 lost_too_long local, save")
		})
	}
}

// A call that was answered in 1970, before the network set the clock, is not 56
// years old.
func TestRestore_times(t *testing.T) {
	year := 365 * 24 * time.Hour
	for _, tt := range []struct {
		name                      string
		started, answered         time.Time
		wantStarted, wantAnswered time.Time
	}{
		{"plausible", t0.Add(-48 * time.Hour), t0.Add(-47 * time.Hour),
			t0.Add(-48 * time.Hour), t0.Add(-47 * time.Hour)},
		{"clock was in 1970", time.Unix(10, 0), time.Unix(12, 0), t0, t0},
		{"clock set during the ring", time.Unix(10, 0), t0.Add(-time.Hour),
			t0.Add(-time.Hour), t0.Add(-time.Hour)},
		{"clock was ahead", t0.Add(year), t0.Add(year), t0, t0},
		{"answered before it started", t0.Add(-time.Hour), t0.Add(-2 * time.Hour),
			t0.Add(-2 * time.Hour), t0.Add(-2 * time.Hour)},
		{"no times", time.Time{}, time.Time{}, t0, t0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDevice(t, config())
			d.Restore([]Saved{{Version: 1, IDs: []ID{id(1)}, Peer: "bob",
				Started: tt.started, Answered: tt.answered}}, t0)
			c, ok := d.Get("bob")
			if !ok || !c.Started.Equal(tt.wantStarted) || !c.Answered.Equal(tt.wantAnswered) {
				t.Errorf("got started %v, answered %v; want %v, %v",
					c.Started, c.Answered, tt.wantStarted, tt.wantAnswered)
			}
		})
	}
}

func TestRestore_invalid(t *testing.T) {
	good := func(peer string, n byte) Saved {
		return Saved{Version: 1, IDs: []ID{id(n)}, Peer: peer, Direction: In, Started: t0, Answered: t0}
	}
	other, noID, manyIDs, zero := good("bob", 1), good("bob", 1), good("bob", 1), good("bob", 0)
	other.Version = 2
	noID.IDs = nil
	manyIDs.IDs = []ID{id(1), id(2), id(3), id(4), id(5)}
	cfg := config()
	cfg.Max = 2
	d := newDevice(t, cfg)
	d.expect(format(d.Restore([]Saved{other, noID, manyIDs, zero, good("eve", 2), good("bob", 3), good("bob", 4)},
		t0), nil),
		"resuming 03, save")

	d = newDevice(t, config())
	d.expect(format(d.Restore([]Saved{good("bob", 1), good("carol", 2)}, t0), nil), "resuming 01, save")
	d.do(LinkUp{"carol"})
	d.expect(d.do(GotResume{"carol", id(2)}), "send carol end 02 unknown_call")
}
