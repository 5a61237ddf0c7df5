package tune

import (
	"testing"
	"time"
)

func TestGovernor(t *testing.T) {
	// Each row is a number of seconds with a share of one processor, and the
	// decision after each second.
	for name, rows := range map[string][]struct {
		seconds int
		share   float64
		all     bool
	}{
		"frames forwarded": {{100, 0.03, false}, {100, 0.09, false}},
		"frames reduced for a while": {
			{5, 0.03, false}, {1, 0.3, true}, {60, 0.3, true}, {9, 0.03, true}, {1, 0.03, false},
		},
		"between the thresholds": {{1, 0.5, true}, {60, 0.07, true}},
		"calm interrupted": {
			{1, 0.5, true}, {8, 0.01, true}, {1, 0.06, true}, {9, 0.01, true}, {1, 0.01, false},
		},
		"busy after a long idle time":   {{600, 0, false}, {1, 0.2, true}},
		"idle":                          {{5, 0.03, false}, {3, 0.001, false}},
		"idle after work, still at all": {{5, 0.3, true}, {9, 0.001, true}},
	} {
		t.Run(name, func(t *testing.T) {
			now, cpu := time.Now(), time.Minute
			g := newGovernor(now, cpu)
			for i, r := range rows {
				for s := range r.seconds {
					before := g.all
					now = now.Add(time.Second)
					cpu += time.Duration(r.share * float64(time.Second))
					if changed := g.update(now, cpu); changed != (g.all != before) {
						t.Fatalf("row %d, second %d: got changed %v, want %v", i, s, changed, g.all != before)
					}
					if g.all != r.all {
						t.Fatalf("row %d, second %d: got all %v, want %v", i, s, g.all, r.all)
					}
				}
			}
			if g.update(now, cpu+time.Hour) {
				t.Error("got a change without time passing, want none")
			}
			last := rows[len(rows)-1]
			if want := last.share < idleShare && !g.all; g.idle() != want {
				t.Errorf("after %d s of %v: got idle %v, want %v", last.seconds, last.share, g.idle(), want)
			}
		})
	}
}
