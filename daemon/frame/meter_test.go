package frame

import (
	"math"
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	const gap = time.Second / 30
	feed := func(n int, skip int) (*Meter, time.Duration) {
		m, at := &Meter{}, time.Hour
		for i := range n {
			at += gap
			delay := 10 * time.Millisecond
			if i%10 == 0 {
				delay = 50 * time.Millisecond
			}
			if skip == 0 || i%skip != 0 {
				m.Add(at, delay, 100_000, 1280, 720)
			}
		}
		return m, at
	}
	for _, tt := range []struct {
		name    string
		n, skip int
		fps     float64
	}{
		{"first second", 30, 0, 30},
		{"two frames", 2, 0, 30},
		{"long after the start", 300, 0, 30},
		{"every third lost", 300, 3, 20},
		{"more frames than it holds", 2000, 0, 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, now := feed(tt.n, tt.skip)
			r := m.Rate(now)
			if math.Abs(r.FPS-tt.fps) > 0.5 {
				t.Errorf("got %.2f fps, want %.0f", r.FPS, tt.fps)
			}
			if want := tt.fps * 0.8; math.Abs(r.MbitS-want) > want/30 {
				t.Errorf("got %.2f Mbit/s, want %.2f", r.MbitS, want)
			}
		})
	}
	m, now := feed(300, 0)
	r := m.Rate(now)
	if r.P50 != 10*time.Millisecond || r.P99 != 50*time.Millisecond {
		t.Errorf("got delays p50 %v, p99 %v; want 10ms, 50ms", r.P50, r.P99)
	}
	if r.Width != 1280 || r.Height != 720 {
		t.Errorf("got size %dx%d, want 1280x720", r.Width, r.Height)
	}
	if r := m.Rate(now + 4*time.Second); r != (Rate{}) {
		t.Errorf("after four seconds without frames: got %+v, want zero", r)
	}
	m.Reset()
	if r := m.Rate(now); r != (Rate{}) {
		t.Errorf("after Reset: got %+v, want zero", r)
	}
}
