package camera

import (
	"testing"
	"time"
)

func TestIntervalMeter(t *testing.T) {
	const ms, second = time.Millisecond, time.Second
	for _, c := range []struct {
		name     string
		promised float64
		frames   []time.Duration // intervals
		want     time.Duration
	}{
		{"nothing known", 0, nil, time.Second / 30},
		{"promised", 10, nil, 100 * ms},
		{"promised too few", 0.01, nil, 2 * time.Second},
		{"promised for too few frames", 10, []time.Duration{20 * ms, 20 * ms}, 100 * ms},
		{"faster than promised", 1, []time.Duration{33 * ms, 33 * ms, 33 * ms, 33 * ms, 33 * ms}, 33 * ms},
		{"slower than promised", 30, []time.Duration{second, second, second, second, second}, second},
		{"one pause", 30, []time.Duration{33 * ms, 33 * ms, 33 * ms, 33 * ms, 33 * ms, 10 * time.Second}, 45 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newIntervalMeter(c.promised)
			at := time.Hour
			m.add(at, 1)
			for _, d := range c.frames {
				at += d
				m.add(at, 1)
			}
			if got := m.interval().Round(ms); got != c.want.Round(ms) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	t.Run("lost frames", func(t *testing.T) {
		m := newIntervalMeter(0)
		for i := range 10 {
			m.add(time.Hour+time.Duration(i)*90*ms, 3)
		}
		if got := m.interval(); got != 30*ms {
			t.Errorf("got %v, want 30ms", got)
		}
	})
}
