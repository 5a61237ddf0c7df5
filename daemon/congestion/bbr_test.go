package congestion

import (
	"fmt"
	"testing"
	"time"
)

func TestBBRReset_pacingLimited(t *testing.T) {
	const mbyte = 1e6 // a second
	for _, tt := range []struct {
		name      string
		reduced   bool
		took      time.Duration // for 30,000 bytes
		pacing    float64
		congested bool // packets are lost after each reset
		min, max  int  // resets in a minute
	}{
		{"limited by the pace", true, 30 * ms, 1.2 * mbyte, false, 25, 35},
		{"pace much faster than the frames", true, 30 * ms, 3 * mbyte, false, 0, 0},
		{"frames in full size", false, 30 * ms, mbyte, false, 0, 0},
		{"pace unknown", true, 30 * ms, 0, false, 0, 0},
		{"transfer time unknown", true, 0, mbyte, false, 0, 0},
		{"congestion loss after each reset", true, 30 * ms, mbyte, true, 9, 11},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bbrReset
			resets, lastAt := 0, time.Duration(0)
			for now := time.Duration(0); now < time.Minute; now += testInterval {
				s := sample{bytes: 30_000, transferTime: tt.took, reduced: tt.reduced}
				congestionLoss := tt.congested && now-lastAt < 300*ms && resets > 0
				if b.pacingLimited(s, TCPInfo{PacingRate: tt.pacing}, congestionLoss, now) {
					resets, lastAt = resets+1, now
				}
			}
			if resets < tt.min || resets > tt.max {
				t.Errorf("got %d resets in a minute, want %d to %d", resets, tt.min, tt.max)
			}
		})
	}
}

// afterRise returns the mean size of frames from the second to the seventh
// second after the capacity has risen from 4 to 100 Mbit/s, with BBR in the
// kernel.
func afterRise(delay time.Duration, loss float64, reset bool) int {
	capacity := func(t time.Duration) float64 {
		if t > 4*time.Second && t < 8*time.Second {
			return 4
		}
		return 100
	}
	bbr := newSimBBR()
	bbr.noReset = !reset
	all := simulate(simPath{capacity: capacity, delay: delay, loss: loss, bbr: bbr}, 15*time.Second)
	return summarize(all, 9*time.Second, 15*time.Second).bytes
}

func TestBBRReset_restoresFullSize(t *testing.T) {
	const delay = 20 * ms // one-way
	if got := afterRise(delay, 0, true); got < simFullSize*98/100 {
		t.Errorf("got frames of %d bytes, want %d", got, simFullSize)
	}
	if got := afterRise(delay, 0, false); got > simFullSize*6/10 {
		t.Errorf("without resets: got frames of %d bytes, want smaller ones: otherwise the reset has no effect", got)
	}
}

// BenchmarkBBRReset reports the ratio of the frame sizes with and without
// resets.
func BenchmarkBBRReset(b *testing.B) {
	for _, loss := range []float64{0, 0.01} {
		b.Run(fmt.Sprintf("loss=%v", loss), func(b *testing.B) {
			var gain float64
			for b.Loop() {
				gain = float64(afterRise(20*ms, loss, true)) / float64(afterRise(20*ms, loss, false))
			}
			b.ReportMetric(gain, "gain")
		})
	}
}
