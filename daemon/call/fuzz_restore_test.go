package call

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

// FuzzRestore restores the calls of any file after a restart at any time. The
// calls then are valid, save to a file that restores to the same calls, and
// end by themselves.
func FuzzRestore(f *testing.F) {
	c := New(fuzzConfig(3))
	at := t0
	for _, ev := range []Event{LinkUp{"a"}, GotInvite{"a", id(1)}, Answer{"a"}} {
		at = at.Add(time.Second)
		if _, err := c.Step(ev, at); err != nil {
			f.Fatal(err)
		}
	}
	b, err := json.Marshal(c.Saved())
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{
		string(b),
		`[]`,
		`null`,
		`[{"version":1,"ids":["` + id(1).String() + `"],"peer":"a","direction":"out",` +
			`"started":"0001-01-01T00:00:00Z","answered":"9999-12-31T23:59:59Z",` +
			`"resume_by":"9999-12-31T23:59:59.999999999+14:00","restarts":4294967295}]`,
		`[{"version":1,"ids":[],"peer":"a"},{"version":2},{}]`,
		`[{"version":1e0,"ids":["zz"],"peer":"a"}]`,
	} {
		f.Add([]byte(text), int64(0), byte(0))
		f.Add([]byte(text), int64(time.Hour), byte(1))
		f.Add([]byte(text), int64(-1<<62), byte(31))
	}
	f.Fuzz(func(t *testing.T, file []byte, later int64, bits byte) {
		var saved []Saved
		if json.Unmarshal(file, &saved) != nil {
			return
		}
		now := t0.Add(time.Duration(later))
		cfg := fuzzConfig(bits)
		c, empty := New(cfg), New(cfg)
		actions := c.Restore(saved, now)
		checkInvariants(t, c, cfg, cfg.Max, Answer{}, empty, actions, nil, now)
		for _, l := range c.List() {
			age := now.Sub(l.Answered)
			if l.State != Resuming || l.Answered.Before(l.Started) || age < 0 || age > maxCallAge {
				t.Fatalf("got %+v at %v", l, now)
			}
			if left := l.Until.Sub(now); left <= 0 || left > max(cfg.ResumeFor, 0) {
				t.Fatalf("got %v left to resume, want at most %v", left, cfg.ResumeFor)
			}
		}
		checkSavedAgain(t, c, cfg, now)
		if actions, err := c.Step(Tick{}, now.Add(cfg.ResumeFor+time.Second)); err != nil || len(c.List()) > 0 {
			t.Fatalf("after the time to resume: got %+v, %v, %v", c.List(), actions, err)
		}
	})
}

// checkSavedAgain saves the calls and restores them at once, as a second
// restart does.
func checkSavedAgain(t *testing.T, c *Calls, cfg Config, now time.Time) {
	t.Helper()
	b, err := json.Marshal(c.Saved())
	if err != nil {
		t.Fatal(err)
	}
	var saved []Saved
	if err := json.Unmarshal(b, &saved); err != nil {
		t.Fatal(err)
	}
	again := New(cfg)
	again.Restore(saved, now)
	same := slices.EqualFunc(c.List(), again.List(), func(a, b Call) bool {
		return a.ID == b.ID && a.Peer == b.Peer && a.Direction == b.Direction && a.Until.Equal(b.Until) &&
			a.Answered.Equal(b.Answered) && a.Started.Equal(b.Started)
	})
	if !same {
		t.Fatalf("saved and restored again:\ngot  %+v\nwant %+v", again.List(), c.List())
	}
}
