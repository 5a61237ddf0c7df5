package congestion

import (
	"fmt"
	"testing"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

func TestController_framesAreFreshOnAnyPath(t *testing.T) {
	fastLossy := simPath{capacity: constant(100), delay: 20e6, jitter: 5e6, loss: 0.01}
	slowLossy := simPath{capacity: constant(8), delay: 20e6, jitter: 5e6, loss: 0.01}
	slowFeedback := func(t time.Duration) time.Duration { return (t / 7) % (40 * time.Millisecond) }
	for _, tt := range []struct {
		name  string
		path  simPath
		fps   float64       // at least, after two seconds
		p99   time.Duration // at most
		bytes [2]int        // of the frames, KB
	}{
		{"more than enough", simPath{capacity: constant(1000)}, 29.9, 2e6, [2]int{104, 106}},
		{"just enough", simPath{capacity: constant(30)}, 29.9, 35e6, [2]int{104, 106}},
		{"a third", simPath{capacity: constant(8)}, 29.9, 35e6, [2]int{25, 33}},
		{"a third, bucket", simPath{capacity: constant(8), bucket: 16e3}, 29.5, 100e6, [2]int{25, 33}},
		{"a third, large bucket", simPath{capacity: constant(8), bucket: 128e3}, 29, 120e6, [2]int{25, 36}},
		{"a fifth, bucket", simPath{capacity: constant(5), bucket: 16e3}, 29.5, 100e6, [2]int{15, 21}},
		{"a tenth", simPath{capacity: constant(2.5)}, 29.5, 50e6, [2]int{7, 10}},
		{"a tenth, bucket", simPath{capacity: constant(2.5), bucket: 16e3}, 29, 120e6, [2]int{7, 11}},
		{"less than the smallest frames", simPath{capacity: constant(0.5)}, 14, 120e6, [2]int{4, 5}},
		{"long path", simPath{capacity: constant(8), delay: 50e6}, 29.9, 100e6, [2]int{20, 33}},
		{"long path, jitter", simPath{capacity: constant(8), delay: 50e6, jitter: 10e6}, 29, 120e6, [2]int{18, 33}},
		{"loss, fast link", fastLossy, 29.5, 120e6, [2]int{100, 106}},
		{"loss, slow link", slowLossy, 29, 150e6, [2]int{15, 33}},
		{"slow feedback", simPath{capacity: constant(8), backDelay: slowFeedback}, 29, 100e6, [2]int{20, 33}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := summarize(simulate(tt.path, 30*time.Second), 2*time.Second, 30*time.Second)
			if got.fps < tt.fps || got.p99 > tt.p99 || got.bytes < tt.bytes[0]*1000 || got.bytes > tt.bytes[1]*1000 {
				t.Errorf("got %+v, want %.1f fps, p99 %v, %d to %d KB", got, tt.fps, tt.p99, tt.bytes[0], tt.bytes[1])
			}
		})
	}
}

func TestController_capacityJumps(t *testing.T) {
	rates := []float64{25, 8, 2.5, 30, 5, 100, 2.5}
	const each = 4 * time.Second
	for _, bucket := range []int{0, 16e3} {
		t.Run(fmt.Sprintf("bucket %d", bucket), func(t *testing.T) {
			capacity := func(t time.Duration) float64 { return rates[int(t/each)%len(rates)] }
			all := simulate(simPath{bucket: bucket, capacity: capacity}, 2*each*time.Duration(len(rates)))
			got := summarize(all, 0, 2*each*time.Duration(len(rates)))
			if got.fps < 28 || got.p99 > 350*time.Millisecond {
				t.Errorf("got %+v in all, want 28 fps and p99 350ms", got)
			}
			for i := range 2 * len(rates) {
				// A frame in flight when the capacity falls is late; after a
				// second all is well.
				from := each * time.Duration(i)
				got := summarize(all, from+time.Second, from+each)
				if got.fps < 28.5 || got.p99 > 120*time.Millisecond {
					t.Errorf("at %v Mbit/s: got %+v, want 28.5 fps and p99 120ms", rates[i%len(rates)], got)
				}
			}
		})
	}
}

func TestController_qualityIsBackWithinThreeSeconds(t *testing.T) {
	for _, low := range []float64{8, 5, 2.5} {
		for rise := 10 * time.Second; rise < 13*time.Second; rise += 170 * time.Millisecond {
			all := simulate(simPath{bucket: 16e3, capacity: func(t time.Duration) float64 {
				if t < rise {
					return low
				}
				return 100
			}}, rise+5*time.Second)
			if got := summarize(all, rise+3*time.Second, rise+5*time.Second).bytes; got < simFullSize*98/100 {
				t.Errorf("%v Mbit/s until %v: got frames of %d bytes 3 s later, want %d", low, rise, got, simFullSize)
			}
		}
	}
}

func TestController_qualityIsSteady(t *testing.T) {
	for _, tt := range []struct {
		name  string
		path  simPath
		ratio float64 // of the largest mean of half a second to the smallest, at most
	}{
		{"8 Mbit/s", simPath{capacity: constant(8)}, 1.05},
		{"2.5 Mbit/s", simPath{capacity: constant(2.5)}, 1.05},
		{"8 Mbit/s, bucket", simPath{capacity: constant(8), bucket: 16e3}, 1.6},
		{"2.5 Mbit/s, bucket", simPath{capacity: constant(2.5), bucket: 16e3}, 1.9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := simulate(tt.path, 30*time.Second)
			least, most := simFullSize, 0
			for from := 3 * time.Second; from < 30*time.Second; from += 500 * time.Millisecond {
				mean := summarize(all, from, from+500*time.Millisecond).bytes
				least, most = min(least, mean), max(most, mean)
			}
			if got := float64(most) / float64(least); got > tt.ratio {
				t.Errorf("got frames of %d to %d bytes, a ratio of %.2f, want %.2f", least, most, got, tt.ratio)
			}
		})
	}
}

func TestController_receiverStopsReading(t *testing.T) {
	notReading := func(t time.Duration) bool { return t > 5*time.Second && t < 9*time.Second }
	all := simulate(simPath{capacity: constant(1000), notReading: notReading}, 15*time.Second)
	late := 0
	for _, a := range all {
		if a.delay > 100*time.Millisecond {
			late++
		}
	}
	if late > 6 { // one in flight, and one for each feedbackTimeout
		t.Errorf("got %d old frames after 4 s without reading, want at most 6", late)
	}
	if got := summarize(all, 12*time.Second, 15*time.Second); got.fps < 29 || got.bytes < simFullSize*98/100 {
		t.Errorf("got %+v 3 s later, want 29 fps of %d bytes", got, simFullSize)
	}
}

func TestController_shortDisturbanceCostsLittle(t *testing.T) {
	capacity := func(t time.Duration) float64 {
		if t > 10*time.Second && t < 10*time.Second+200*time.Millisecond {
			return 0.01
		}
		return 8
	}
	all := simulate(simPath{capacity: capacity, bucket: 16e3}, 20*time.Second)
	if got := summarize(all, 11*time.Second+500*time.Millisecond, 13*time.Second).bytes; got < 24_000 {
		t.Errorf("got frames of %d bytes a second after the disturbance, want 24,000 of some 30,000", got)
	}
}

func TestController_pathBecomesLonger(t *testing.T) {
	for _, tt := range []struct {
		mbit  float64
		extra time.Duration // one-way
		bytes int           // of a frame 3 s later, at least
	}{
		{100, 25 * ms, 100_000},
		{100, 100 * ms, 100_000},
		{15, 100 * ms, 40_000},
		{8, 30 * ms, 22_000},
		{2.5, 100 * ms, 6_000},
	} {
		t.Run(fmt.Sprintf("%v Mbit per s, %v longer", tt.mbit, tt.extra), func(t *testing.T) {
			extra := func(t time.Duration) time.Duration {
				if t < 10*time.Second {
					return 0
				}
				return tt.extra
			}
			all := simulate(simPath{capacity: constant(tt.mbit), delay: 5 * ms, extraDelay: extra}, 25*time.Second)
			got := summarize(all, 13*time.Second, 25*time.Second)
			if got.fps < 28 || got.p99 > tt.extra+150*ms || got.bytes < tt.bytes {
				t.Errorf("got %+v, want 28 fps, p99 %v, %d bytes", got, tt.extra+150*ms, tt.bytes)
			}
		})
	}
}

func TestController_allocatesNothing(t *testing.T) {
	c := New(fakeSocket{})
	f := &frame.Frame{}
	seq, now := uint64(0), time.Duration(0)
	if n := testing.AllocsPerRun(1000, func() {
		seq, now = seq+1, now+testInterval
		f.Seq, f.Captured = seq, now
		c.CanSend(now)
		c.OnFrame(f)
		budget, _ := c.Budget(f)
		c.OnSent(now, SentFrame{Seq: seq, Bytes: 100_000, FullBytes: 150_000, Budget: budget})
		word := wire.Feedback{Seq: seq, Arrived: now + 50*ms + clockOffset, Transfer: 30 * ms}
		c.OnFeedback(now+60*ms, &word)
	}); n != 0 {
		t.Errorf("got %v allocations a frame, want 0", n)
	}
}

func BenchmarkController(b *testing.B) {
	c := New(fakeSocket{})
	f := &frame.Frame{}
	now := time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		now += testInterval
		f.Seq++
		f.Captured = now
		c.CanSend(now)
		c.OnFrame(f)
		budget, _ := c.Budget(f)
		c.OnSent(now, SentFrame{Seq: f.Seq, Bytes: 100_000, FullBytes: 150_000, Budget: budget})
		c.OnFeedback(now+20*ms, &wire.Feedback{Seq: f.Seq, Arrived: now + 15*ms + clockOffset, Transfer: 10 * ms})
	}
}
