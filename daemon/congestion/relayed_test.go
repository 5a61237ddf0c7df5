package congestion

import (
	"testing"
	"time"
)

// A relay buffers megabytes and acknowledges them, so that a slow far line
// shows only in the feedback. What waits there must stay bounded.
func TestController_relayed(t *testing.T) {
	for _, test := range []struct {
		name      string
		mbit      float64
		worst     time.Duration // of any frame
		p99       time.Duration // after ten seconds
		fps       float64
		unawareOf time.Duration // the worst delay must be above this for a Controller that trusts TCP; 0: any
	}{
		{"a third of the stream", 8, 400 * time.Millisecond, 100 * time.Millisecond, 25, 0},
		{"2 Mbit/s", 2, 900 * time.Millisecond, 150 * time.Millisecond, 20, 0},
		// The first frame takes 2.8 s, and nothing else may wait behind it.
		{"0.3 Mbit/s", 0.3, 3500 * time.Millisecond, 700 * time.Millisecond, 2, 5 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := simPath{capacity: constant(test.mbit), delay: 20 * time.Millisecond, relayed: true}
			arrivals := simulate(path, 40*time.Second)
			worst := worstDelay(arrivals)
			got := summarize(arrivals, 10*time.Second, 40*time.Second)
			t.Logf("worst %v, then p99 %v at %.1f fps of %d bytes", worst, got.p99, got.fps, got.bytes)
			if worst > test.worst || got.p99 > test.p99 || got.fps < test.fps {
				t.Errorf("got worst %v, p99 %v, %.1f fps, want at most %v and %v, at least %.1f",
					worst, got.p99, got.fps, test.worst, test.p99, test.fps)
			}
			path.direct = true
			if unaware := worstDelay(simulate(path, 40*time.Second)); unaware < test.unawareOf {
				t.Errorf("a Controller that trusts TCP has a worst delay of %v: this test shows nothing", unaware)
			}
		})
	}
}

// A line that becomes slow in the middle of a call.
func TestController_relayedCollapse(t *testing.T) {
	capacity := func(t time.Duration) float64 {
		if t > 5*time.Second {
			return 0.5
		}
		return 100
	}
	arrivals := simulate(simPath{capacity: capacity, delay: 20 * time.Millisecond, relayed: true}, 40*time.Second)
	if worst := worstDelay(arrivals); worst > 4*time.Second {
		t.Errorf("got a worst delay of %v, want at most two full frames", worst)
	}
	if got := summarize(arrivals, 15*time.Second, 40*time.Second); got.p99 > 500*time.Millisecond || got.fps < 4 {
		t.Errorf("got p99 %v at %.1f fps, want at most 500ms", got.p99, got.fps)
	}
}

// A receiver that reports nothing does not stop the frames.
func TestController_relayedSilent(t *testing.T) {
	s := &simulation{path: simPath{capacity: constant(10), relayed: true}}
	c := NewRelayed(s)
	c.OnSent(0, SentFrame{Seq: 1, Bytes: 1000, FullBytes: 1000})
	if ok, retryAt := c.CanSend(4 * time.Second); ok || retryAt > 5*time.Second {
		t.Errorf("got %v and %v after 4 s, want false and at most 5s", ok, retryAt)
	}
	if ok, _ := c.CanSend(5 * time.Second); !ok {
		t.Error("no frame may be sent after 5 s")
	}
}

func worstDelay(all []arrival) (worst time.Duration) {
	for _, a := range all {
		worst = max(worst, a.delay)
	}
	return worst
}
