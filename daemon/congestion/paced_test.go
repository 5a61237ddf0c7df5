package congestion

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestBBRSearchesAgainWhereItsPaceHoldsFramesUp(t *testing.T) {
	const mbyte = 1e6 // a second
	for _, tt := range []struct {
		name    string
		shrunk  bool
		took    time.Duration // of 30,000 bytes
		pace    func(now time.Duration) float64
		crowded bool
		least   int // times in a minute
		most    int
	}{
		{"held up by the pace", true, 30 * milli, func(time.Duration) float64 { return 1.2 * mbyte }, false, 25, 35},
		{"the kernel could send much faster", true, 30 * milli, func(time.Duration) float64 { return 3 * mbyte }, false, 0, 0},
		{"as they come", false, 30 * milli, func(time.Duration) float64 { return mbyte }, false, 0, 0},
		{"no pace is known", true, 30 * milli, func(time.Duration) float64 { return 0 }, false, 0, 0},
		{"nothing was learnt", true, 0, func(time.Duration) float64 { return mbyte }, false, 0, 0},
		{"packets are thrown away each time", true, 30 * milli, func(time.Duration) float64 { return mbyte }, true, 9, 11},
	} {
		var p paced
		n, told := 0, time.Duration(0)
		for now := time.Duration(0); now < time.Minute; now += tick {
			if p.holds(sample{bytes: 30_000, busy: tt.took, shrunk: tt.shrunk}, TCPInfo{PacingRate: tt.pace(now)}, tt.crowded && now-told < 300*milli && n > 0, now) {
				n, told = n+1, now
			}
		}
		if n < tt.least || n > tt.most {
			t.Errorf("%s: %d times in a minute, want %d to %d", tt.name, n, tt.least, tt.most)
		}
	}
}

func TestFramesWithHolesSayLittleOfTheLink(t *testing.T) {
	const trip = 40 * milli
	whole := sample{bytes: 10_000, busy: 10 * milli}
	for _, tt := range []struct {
		name  string
		known bool // what the link does without losses
		busy  time.Duration
		want  time.Duration
	}{
		{"a hole, as others had none", true, 55 * milli, 10 * milli},
		{"a hole that took longer than one takes", true, 105 * milli, 25 * milli},
		{"behind one with a hole", true, 0, 10 * milli},
		{"a hole, and nothing known", false, 95 * milli, 15 * milli},
		{"behind one, and nothing known", false, 0, 0},
	} {
		var r rate
		if tt.known {
			for range 20 {
				r.unharmed(whole, time.Second)
			}
		}
		got := r.unmended(sample{bytes: 10_000, busy: tt.busy, mended: true}, trip, time.Second+500*milli)
		if got < tt.want-milli/10 || got > tt.want+milli/10 {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if got := r.unmended(sample{bytes: 10_000, mended: true}, trip, 10*time.Second); got != 0 {
			t.Errorf("%s: %v by what was seen long ago", tt.name, got)
		}
	}
}

func TestRandomLossesAreToldFromAFullLink(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct {
		loss    float64
		bytes   int
		crowded float64 // share of the time, at most
		least   float64
	}{{0, 100_000, 0, 0}, {0.01, 150_000, 0, 0}, {0.02, 25_000, 0.03, 0}, {0.15, 25_000, 1, 0.95}, {0.15, 150_000, 1, 0.95}} {
		var l losses
		repeated, crowded := uint32(0), 0
		for i := range 1000 {
			l.sent(tt.bytes)
			for range tt.bytes / 1448 {
				if random.Float64() < tt.loss {
					repeated++
				}
			}
			if l.resent(repeated, time.Duration(i)*tick); l.crowded() {
				crowded++
			}
		}
		if share := float64(crowded) / 1000; share > tt.crowded || share < tt.least {
			t.Errorf("%v lost of frames of %d bytes: crowded in %v of the time", tt.loss, tt.bytes, share)
		}
	}
}

func TestFramesGoOnWhileOneIsMended(t *testing.T) {
	var w window
	w.sent(1, 20_000, false, 0, mbyte)
	w.heard(feedback(1, 40*milli, 20*milli), 60*milli, mbyte)
	w.sent(2, 20_000, false, 66*milli, mbyte)
	for _, tt := range []struct {
		name string
		way  TCPInfo
		want bool
	}{
		{"nothing is known to be lost", TCPInfo{}, false},
		{"lost, and little is in the network", TCPInfo{Recovering: true, InFlight: 10_000}, true},
		{"much is lost", TCPInfo{Recovering: true, InFlight: 10_000, Retransmitted: 2, Lost: 3}, false},
		{"lost, and the network is full", TCPInfo{Recovering: true, InFlight: 100_000}, false},
	} {
		ok, ask := w.open(300*milli, tick, mbyte, held{way: tt.way})
		if ok != tt.want || !ok && ask <= 300*milli {
			t.Errorf("%s: open is %v, to be asked again at %v", tt.name, ok, ask)
		}
	}
}

// Where frames go as they come nobody asks the kernel what was lost, for as long as a call lasts.
func TestLossesOfALongTimeAreCountedInAnyInt(t *testing.T) {
	var l losses
	for range 4 * mostBytes / (100 << 10) {
		l.sent(100 << 10)
	}
	if l.bytes != mostBytes {
		t.Errorf("%d bytes, want %d", l.bytes, mostBytes)
	}
	if l.resent(0, time.Second); l.bytes != 0 || l.share != 0 {
		t.Errorf("%+v when nothing was lost", l)
	}
}
