package congestion

import (
	"fmt"
	"testing"
	"time"
)

func TestRate_capacityIsBoundedByTarget(t *testing.T) {
	for _, tt := range []struct {
		capacity, target float64 // Mbit/s
		want             float64
	}{{0, 0, 0}, {8, 8 * utilization, 8}, {8, 4 * utilization, 4}, {8, 16, 8}, {0, 4 * utilization, 4}} {
		t.Run(fmt.Sprintf("capacity %v, target %v", tt.capacity, tt.target), func(t *testing.T) {
			r := rate{capacity: tt.capacity * 1e6 / 8, target: tt.target * 1e6 / 8}
			if got := r.capacityMbit(); got < tt.want-0.001 || got > tt.want+0.001 {
				t.Errorf("got %v Mbit/s, want %v", got, tt.want)
			}
		})
	}
}

func TestRate_withoutRecovery(t *testing.T) {
	const baseRTT = 40 * ms
	lossFree := sample{bytes: 10_000, transferTime: 10 * ms}
	for _, tt := range []struct {
		name         string
		known        bool // what frames cost without loss
		transferTime time.Duration
		want         time.Duration
	}{
		{"loss", true, 55 * ms, 10 * ms},
		{"loss, longer than recovery takes", true, 105 * ms, 25 * ms},
		{"behind a loss", true, 0, 10 * ms},
		{"loss, cost unknown", false, 95 * ms, 15 * ms},
		{"behind a loss, cost unknown", false, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r rate
			if tt.known {
				for range 20 {
					r.onLossFree(lossFree, time.Second)
				}
			}
			s := sample{bytes: 10_000, transferTime: tt.transferTime, recovered: true}
			got := r.withoutRecovery(s, baseRTT, time.Second+500*ms)
			if got < tt.want-ms/10 || got > tt.want+ms/10 {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if got := r.withoutRecovery(sample{bytes: 10_000, recovered: true}, baseRTT, 10*time.Second); got != 0 {
				t.Errorf("with an outdated cost: got %v, want 0", got)
			}
		})
	}
}
