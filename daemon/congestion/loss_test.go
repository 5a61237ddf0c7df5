package congestion

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestLoss_separatesRandomFromCongestion(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct {
		name     string
		loss     float64
		bytes    int     // a frame
		min, max float64 // fraction of the time with congestion reported
	}{
		{"no loss", 0, 100_000, 0, 0},
		{"1 % of large frames", 0.01, 150_000, 0, 0},
		{"2 % of small frames", 0.02, 25_000, 0, 0.03},
		{"15 % of small frames", 0.15, 25_000, 0.95, 1},
		{"15 % of large frames", 0.15, 150_000, 0.95, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l loss
			retransmitted, congested := uint32(0), 0
			for i := range 1000 {
				l.onSent(tt.bytes)
				for range tt.bytes / 1448 {
					if random.Float64() < tt.loss {
						retransmitted++
					}
				}
				if l.onRetransmitted(retransmitted, time.Duration(i)*testInterval); l.congestionLoss() {
					congested++
				}
			}
			if got := float64(congested) / 1000; got > tt.max || got < tt.min {
				t.Errorf("got congestion for %v of the time, want %v to %v", got, tt.min, tt.max)
			}
		})
	}
}

// While full-size frames are sent over a short path, the kernel is not asked,
// even if the call lasts for hours.
func TestLoss_sumFitsAnyInt(t *testing.T) {
	var l loss
	for range 4 * maxSentBytes / (100 << 10) {
		l.onSent(100 << 10)
	}
	if l.sentBytes != maxSentBytes {
		t.Errorf("got %d bytes, want %d", l.sentBytes, maxSentBytes)
	}
	if l.onRetransmitted(0, time.Second); l.sentBytes != 0 || l.ratio != 0 {
		t.Errorf("got %+v without loss, want 0 bytes and ratio 0", l)
	}
}
