package congestion

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vchat/daemon/wire"
)

// way is a pretended network: a bottleneck with a bucket of tokens before it, in steps of a quarter of a millisecond.
type way struct {
	rate   func(t time.Duration) float64       // Mbit/s
	bucket int                                 // bytes that pass at once after a pause
	delay  time.Duration                       // each way
	longer func(t time.Duration) time.Duration // than delay
	jitter time.Duration                       // on the way back and forth, at most
	loss   float64                             // of packets of 1448 bytes; one lost costs a round trip
	back   func(t time.Duration) time.Duration
	deaf   func(t time.Duration) bool // the receiver reads nothing
}

// watched is what somebody at the other end sees.
type watched struct {
	at    time.Duration // of the frame's arrival
	delay time.Duration // since its capture
	bytes int
}

// simKernel says that all was sent, how much has not arrived, and what was lost.
type simKernel struct {
	waiting int
	way     TCPInfo
}

func (k simKernel) Unsent() int      { return 0 }
func (k simKernel) Unacked() int     { return k.waiting }
func (k simKernel) TCPInfo() TCPInfo { return k.way }
func (k simKernel) ResetBBR()        {}

const (
	simStep   = 250 * time.Microsecond
	simOffset = 7777 * time.Second // between the two clocks
)

// simulate runs a camera, window and rate over a way. Natural is what a frame takes as it is, least what it takes at the
// coarsest.
func simulate(w way, fps, natural, least int, until time.Duration) []watched {
	type frame struct {
		seq            uint64
		captured, sent time.Duration
		left, bytes    int
		began, held    time.Duration
	}
	type word struct {
		at time.Duration
		f  wire.Feedback
	}
	var (
		random   = rand.New(rand.NewPCG(1, 2))
		interval = time.Second / time.Duration(fps)
		win      window
		r        rate
		slot     *frame
		queue    []*frame
		words    []word
		seen     []watched
		tokens   = float64(w.bucket)
		seq      uint64
		next     time.Duration
		held     []*frame // whole, at a receiver that does not read, or with a hole in it
		way      TCPInfo
		resent   []time.Duration // when the sender has heard of losses
	)
	jitter := func() time.Duration {
		if w.jitter == 0 {
			return 0
		}
		return time.Duration(random.Int64N(int64(w.jitter)))
	}
	delay := w.delay
	arrive := func(p *frame, now time.Duration) {
		seen = append(seen, watched{now, now - p.captured, p.bytes})
		took := max(0, now-p.began)
		back := delay + jitter()
		if w.back != nil {
			back += w.back(now)
		}
		at := now + back
		if len(words) > 0 {
			at = max(at, words[len(words)-1].at) // in order
		}
		words = append(words, word{at, wire.Feedback{Seq: p.seq, Arrived: now + simOffset, Transfer: took}})
	}
	for now := time.Duration(0); now < until; now += simStep {
		for len(resent) > 0 && resent[0] <= now {
			way.Retransmitted, resent = way.Retransmitted+1, resent[1:]
		}
		if w.longer != nil {
			delay = w.delay + w.longer(now)
		}
		if now >= next {
			seq++
			size := natural * (95 + random.IntN(11)) / 100
			slot = &frame{seq: seq, captured: now, bytes: size}
			next += interval
		}
		for len(words) > 0 && words[0].at <= now {
			win.losses.resent(way.Retransmitted, now)
			if s, ok := win.heard(&words[0].f, now, r.slowness(8)); ok {
				r.heard(s, course{interval: interval, trip: win.trip.value(), asked: float64(natural) / min(interval, longestSpan).Seconds()}, now)
			}
			words = words[1:]
		}
		if ok, _ := win.open(now, interval, r.slowness(8), simKernel{len(queue), way}); ok && slot != nil {
			p := slot
			slot = nil
			shrunk := false
			if room := r.room(interval); r.limit > 0 && p.bytes > room {
				p.bytes, shrunk = max(room, least), true
			}
			p.sent, p.left = now, p.bytes
			win.sent(p.seq, p.bytes, shrunk, now, r.slowness(8))
			for range p.bytes / 1448 {
				if random.Float64() < w.loss {
					p.held += 2 * delay
					resent = append(resent, now+2*delay)
					break
				}
			}
			queue = append(queue, p)
		}
		way.Recovering, way.InFlight = false, 0
		for _, p := range held {
			way.Recovering = way.Recovering || p.held > 0
		}
		for _, p := range queue {
			way.InFlight += p.left
		}
		perStep := w.rate(now) * 1e6 / 8 * simStep.Seconds()
		tokens = min(tokens+perStep, float64(w.bucket)+perStep)
		for len(queue) > 0 && tokens >= 1 {
			p := queue[0]
			if p.began == 0 {
				p.began = now + delay
			}
			n := min(int(tokens), p.left)
			p.left -= n
			tokens -= float64(n)
			if p.left > 0 {
				break
			}
			queue = queue[1:]
			held = append(held, p)
			p.sent = now + delay + p.held + jitter() // from here on: when it is whole
			if k := len(held); k > 1 {
				p.sent = max(p.sent, held[k-2].sent)
			}
		}
		for len(held) > 0 && held[0].sent <= now && (w.deaf == nil || !w.deaf(now)) {
			arrive(held[0], now)
			held = held[1:]
		}
	}
	return seen
}

// between gives what was seen in a span of time: frames a second, delays and the mean size.
func between(seen []watched, from, to time.Duration) (fps float64, p50, p99 time.Duration, mean int) {
	var delays []time.Duration
	for _, s := range seen {
		if s.at >= from && s.at < to {
			delays = append(delays, s.delay)
			mean += s.bytes
		}
	}
	if len(delays) == 0 {
		return 0, 0, 0, 0
	}
	slices.Sort(delays)
	n := len(delays)
	return float64(n) / (to - from).Seconds(), delays[n/2], delays[n*99/100], mean / n
}

func constant(mbit float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return mbit }
}

// The camera of the tests gives 25 Mbit/s: 30 frames a second of 105 KB, which can be brought down to 4 KB.
const (
	simFPS     = 30
	simNatural = 105_000
	simLeast   = 4_000
)

func TestFramesAreFreshOnAnyLink(t *testing.T) {
	for _, tt := range []struct {
		name string
		way  way
		fps  float64 // at least, after two seconds
		p99  time.Duration
		size [2]int // of the frames, KB
	}{
		{"all of it", way{rate: constant(1000)}, 29.9, 2e6, [2]int{104, 106}},
		{"just all of it", way{rate: constant(30)}, 29.9, 35e6, [2]int{104, 106}},
		{"a third", way{rate: constant(8)}, 29.9, 35e6, [2]int{25, 33}},
		{"a third, with a bucket", way{rate: constant(8), bucket: 16e3}, 29.5, 100e6, [2]int{25, 33}},
		{"a third, with a large bucket", way{rate: constant(8), bucket: 128e3}, 29, 120e6, [2]int{25, 36}},
		{"a fifth, with a bucket", way{rate: constant(5), bucket: 16e3}, 29.5, 100e6, [2]int{15, 21}},
		{"a tenth", way{rate: constant(2.5)}, 29.5, 50e6, [2]int{7, 10}},
		{"a tenth, with a bucket", way{rate: constant(2.5), bucket: 16e3}, 29, 120e6, [2]int{7, 11}},
		{"less than the coarsest frames", way{rate: constant(0.5)}, 14, 120e6, [2]int{4, 5}},
		{"far away", way{rate: constant(8), delay: 50e6}, 29.9, 100e6, [2]int{20, 33}},
		{"far away, with jitter", way{rate: constant(8), delay: 50e6, jitter: 10e6}, 29, 120e6, [2]int{18, 33}},
		{"loss on a wide link", way{rate: constant(100), delay: 20e6, jitter: 5e6, loss: 0.01}, 29.5, 120e6, [2]int{100, 106}},
		{"loss on a narrow link", way{rate: constant(8), delay: 20e6, jitter: 5e6, loss: 0.01}, 29, 150e6, [2]int{15, 33}},
		{"a slow way back", way{rate: constant(8), back: func(t time.Duration) time.Duration { return (t / 7) % (40 * time.Millisecond) }},
			29, 100e6, [2]int{20, 33}},
	} {
		seen := simulate(tt.way, simFPS, simNatural, simLeast, 30*time.Second)
		fps, p50, p99, mean := between(seen, 2*time.Second, 30*time.Second)
		if fps < tt.fps || p99 > tt.p99 || mean < tt.size[0]*1000 || mean > tt.size[1]*1000 {
			t.Errorf("%s: %.1f fps, delay p50 %v p99 %v, %d bytes a frame; want %.1f fps, p99 %v, %d to %d KB",
				tt.name, fps, p50, p99, mean, tt.fps, tt.p99, tt.size[0], tt.size[1])
		}
	}
}

func TestTheRateOfTheLinkJumps(t *testing.T) {
	rates := []float64{25, 8, 2.5, 30, 5, 100, 2.5}
	const each = 4 * time.Second
	for _, bucket := range []int{0, 16e3} {
		seen := simulate(way{bucket: bucket, rate: func(t time.Duration) float64 { return rates[int(t/each)%len(rates)] }},
			simFPS, simNatural, simLeast, 2*each*time.Duration(len(rates)))
		fps, _, p99, _ := between(seen, 0, 2*each*time.Duration(len(rates)))
		if fps < 28 || p99 > 350*time.Millisecond {
			t.Errorf("bucket of %d: %.1f fps, p99 %v in all", bucket, fps, p99)
		}
		for i := range 2 * len(rates) {
			// A frame that is on the way when the rate falls is late; after a second all is well again.
			from := each * time.Duration(i)
			if fps, _, p99, _ := between(seen, from+time.Second, from+each); fps < 28.5 || p99 > 120*time.Millisecond {
				t.Errorf("bucket of %d, %v Mbit/s: %.1f fps, p99 %v", bucket, rates[i%len(rates)], fps, p99)
			}
		}
	}
}

func TestQualityIsBackWithinThreeSeconds(t *testing.T) {
	for _, low := range []float64{8, 5, 2.5} {
		for lift := 10 * time.Second; lift < 13*time.Second; lift += 170 * time.Millisecond {
			seen := simulate(way{bucket: 16e3, rate: func(t time.Duration) float64 {
				if t < lift {
					return low
				}
				return 100
			}}, simFPS, simNatural, simLeast, lift+5*time.Second)
			if _, _, _, mean := between(seen, lift+3*time.Second, lift+5*time.Second); mean < simNatural*98/100 {
				t.Errorf("3 s after %v Mbit/s were lifted at %v, frames have %d bytes of %d", low, lift, mean, simNatural)
			}
		}
	}
}

func TestQualityDoesNotSwing(t *testing.T) {
	for _, tt := range []struct {
		way   way
		apart float64 // the largest of the means of half a second against the smallest
	}{
		{way{rate: constant(8)}, 1.05},
		{way{rate: constant(2.5)}, 1.05},
		{way{rate: constant(8), bucket: 16e3}, 1.6},
		{way{rate: constant(2.5), bucket: 16e3}, 1.9},
	} {
		seen := simulate(tt.way, simFPS, simNatural, simLeast, 30*time.Second)
		least, most := simNatural, 0
		for from := 3 * time.Second; from < 30*time.Second; from += 500 * time.Millisecond {
			_, _, _, mean := between(seen, from, from+500*time.Millisecond)
			least, most = min(least, mean), max(most, mean)
		}
		if apart := float64(most) / float64(least); apart > tt.apart {
			t.Errorf("%v Mbit/s, bucket of %d: frames have %d to %d bytes", tt.way.rate(0), tt.way.bucket, least, most)
		}
	}
}

func TestAReceiverThatStopsReading(t *testing.T) {
	deaf := func(t time.Duration) bool { return t > 5*time.Second && t < 9*time.Second }
	seen := simulate(way{rate: constant(1000), deaf: deaf}, simFPS, simNatural, simLeast, 15*time.Second)
	late := 0
	for _, s := range seen {
		if s.delay > 100*time.Millisecond {
			late++
		}
	}
	if late > 6 { // one on the way, and one for each second of patience
		t.Errorf("%d old frames reached a receiver that had stopped reading for 4 s", late)
	}
	if fps, _, _, mean := between(seen, 12*time.Second, 15*time.Second); fps < 29 || mean < simNatural*98/100 {
		t.Errorf("3 s later: %.1f fps, %d bytes a frame", fps, mean)
	}
}

func TestAHiccupCostsLittle(t *testing.T) {
	hiccup := func(t time.Duration) float64 {
		if t > 10*time.Second && t < 10*time.Second+200*time.Millisecond {
			return 0.01
		}
		return 8
	}
	seen := simulate(way{rate: hiccup, bucket: 16e3}, simFPS, simNatural, simLeast, 20*time.Second)
	if _, _, _, mean := between(seen, 11*time.Second+500*time.Millisecond, 13*time.Second); mean < 24_000 {
		t.Errorf("a second after a hiccup frames have %d bytes, and had some 30,000", mean)
	}
}

func TestTheWayBecomesLonger(t *testing.T) {
	for _, tt := range []struct {
		mbit  float64
		more  time.Duration // each way
		least int           // bytes a frame, 3 s later
	}{
		{100, 25 * milli, 100_000},
		{100, 100 * milli, 100_000},
		{15, 100 * milli, 40_000},
		{8, 30 * milli, 22_000},
		{2.5, 100 * milli, 6_000},
	} {
		longer := func(t time.Duration) time.Duration {
			if t < 10*time.Second {
				return 0
			}
			return tt.more
		}
		seen := simulate(way{rate: constant(tt.mbit), delay: 5 * milli, longer: longer}, simFPS, simNatural, simLeast, 25*time.Second)
		fps, _, p99, mean := between(seen, 13*time.Second, 25*time.Second)
		if fps < 28 || p99 > tt.more+150*milli || mean < tt.least {
			t.Errorf("%v Mbit/s, %v longer: %.1f fps, p99 %v, %d bytes a frame; want %d", tt.mbit, tt.more, fps, p99, mean, tt.least)
		}
	}
}

func TestWhatALinkCarriesIsNoMoreThanFramesAreHeldTo(t *testing.T) {
	for _, tt := range []struct {
		ceiling, limit float64 // Mbit/s
		want           float64
	}{{0, 0, 0}, {8, 8 * share, 8}, {8, 4 * share, 4}, {8, 16, 8}, {0, 4 * share, 4}} {
		r := rate{ceiling: tt.ceiling * 1e6 / 8, limit: tt.limit * 1e6 / 8}
		if got := r.carries(); got < tt.want-0.001 || got > tt.want+0.001 {
			t.Errorf("ceiling %v, limit %v: %v Mbit/s, want %v", tt.ceiling, tt.limit, got, tt.want)
		}
	}
}
