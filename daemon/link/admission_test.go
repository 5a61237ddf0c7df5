package link

import (
	"cmp"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func at(address string) origin { return originOfIP(netip.MustParseAddr(address)) }

func TestOriginOf_groups(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same []bool // by level of originMasks
	}{
		{"1.2.3.4", "1.2.3.4", []bool{true, true, true, true, true}},
		{"1.2.3.4", "::ffff:1.2.3.4", []bool{true, true, true, true, true}},
		{"1.2.3.4", "1.2.3.5", []bool{true, true, true, true, false}},
		{"1.2.3.4", "1.2.4.4", []bool{true, true, true, false, false}},
		{"1.2.3.4", "1.3.3.4", []bool{true, true, false, false, false}},
		{"1.2.3.4", "2001:db8::1", []bool{true, false, false, false, false}},
		{"1.2.3.4", "192.168.1.1", []bool{false, false, false, false, false}},
		{"2001:db8:1:1::1", "2001:db8:1:1:ffff::9", []bool{true, true, true, true, true}},
		{"2001:db8:1:1::1", "2001:db8:1:2::1", []bool{true, true, true, true, false}},
		{"2001:db8:1:1::1", "2001:db8:1:101::1", []bool{true, true, true, false, false}},
		{"2001:db8:1:1::1", "2001:db8:2:1::1", []bool{true, true, false, false, false}},
		{"2001:db8:1:1::1", "2001:db9:1:1::1", []bool{true, false, false, false, false}},
		{"fe80::1%lo", "fe80::1", []bool{true, true, true, true, true}},
		{"fe80::1", "fe80::1:2", []bool{true, true, false, false, false}},
		{"fe80::1", "fd00::1", []bool{true, false, false, false, false}},
	} {
		t.Run(tt.a+" "+tt.b, func(t *testing.T) {
			a, b := at(tt.a), at(tt.b)
			for level := range originMasks {
				if got := a.group(level) == b.group(level); got != tt.same[level] {
					t.Errorf("level %d: got the same group: %v, want %v", level, got, tt.same[level])
				}
			}
		})
	}
}

// flood is a crowd of strangers, with a known peer that tries to get in.
type flood struct {
	from  func(n int) origin // of the n-th stranger
	hello bool               // the strangers send a ClientHello, and then nothing
	peer  origin
	known bool          // the address of the peer is known
	proof proof         // of the peer
	rtt   time.Duration // of the peer
	least int           // links; 0: floodTries
}

const (
	floodRate  = 2000 // connections a second
	floodAlone = time.Second
	floodTries = 3 // of the peer to get in
	maxWait    = 3 * time.Second
)

// run returns how many of floodTries succeed within maxWait. It needs fake
// time.
func (f flood) run() (linked int) {
	a := newAdmission(maxTurnRate)
	if f.known {
		a.know("peer", f.peer)
	}
	over := make(chan struct{})
	var work sync.WaitGroup
	defer work.Wait()
	defer close(over)
	work.Go(func() { f.strangers(a, &work, over) })
	time.Sleep(floodAlone)
	for range floodTries {
		if f.linksWithin(a, &work, maxWait) {
			linked++
		}
		time.Sleep(time.Second)
	}
	return linked
}

func (f flood) strangers(a *admission, work *sync.WaitGroup, over chan struct{}) {
	tick := time.NewTicker(time.Second / floodRate)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-over:
			return
		}
		v := newVisitor(f.from(n), func() {})
		left := time.NewTimer(a.enter(v))
		work.Go(func() {
			defer left.Stop()
			defer a.leave(v)
			if f.hello && a.await(context.Background(), v, proofOfNothing) {
				left.Reset(handshakeTimeout)
			}
			select {
			case <-left.C:
			case <-v.gone:
			case <-over:
			}
		})
	}
}

// linksWithin dials as dial.go does in a call: attempts begin every 150 ms, and
// each gives up after a second.
func (f flood) linksWithin(a *admission, work *sync.WaitGroup, limit time.Duration) bool {
	linked := make(chan bool, 100)
	end := time.After(limit)
	next := time.NewTicker(aggressiveInterval)
	defer next.Stop()
	for {
		work.Go(func() {
			time.Sleep(f.rtt) // of TCP
			v := newVisitor(f.peer, func() {})
			a.enter(v)
			defer a.leave(v)
			time.Sleep(time.Millisecond) // until its goroutine has read the ClientHello
			if !a.await(context.Background(), v, f.proof) {
				return
			}
			select {
			case <-v.gone:
			case <-time.After(f.rtt):
				a.pass(v)
				linked <- true
			}
		})
		select {
		case <-next.C:
		case <-linked:
			return true
		case <-end:
			return false
		}
	}
}

// spread returns random ones of 5000 origins: their numbers fill the bits from
// shift on.
func spread(base origin, shift int) func(int) origin {
	return func(int) origin {
		o := base
		o.bits += rand.Uint64N(5000) << shift
		return o
	}
}

// anywhere returns 5000 origins of all IPv4.
func anywhere() func(int) origin {
	return func(int) origin {
		var ip [4]byte
		binary.BigEndian.PutUint32(ip[:], 1<<24+rand.Uint32N(5000)*700_001)
		return originOfIP(netip.AddrFrom4(ip))
	}
}

func TestAdmission_flood(t *testing.T) {
	if testing.Short() {
		t.Skip("simulates some minutes")
	}
	one := func(int) origin { return at("203.0.113.7") }
	for _, tt := range []struct {
		name string
		f    flood
	}{
		{"one address", flood{from: one, peer: at("198.51.100.1")}},
		{"a /24", flood{from: func(n int) origin { o := at("203.0.113.0"); o.bits += uint64(n % 256); return o },
			peer: at("198.51.100.1")}},
		{"the /24 of the peer", flood{
			from: func(n int) origin { o := at("198.51.100.0"); o.bits += uint64(n%254) + 2; return o },
			peer: at("198.51.100.1")}},
		{"an IPv6 /48", flood{from: spread(at("2001:db8:5::"), 0), peer: at("2001:db8:6::")}},
		{"the IPv6 /48 of the peer, known", flood{from: spread(at("2001:db8:5::"), 0), peer: at("2001:db8:5::"),
			known: true}},
		{"an IPv6 /32", flood{from: spread(at("2001:db8::"), 16), peer: at("2001:db9::")}},
		// The peer has the same chance as each stranger.
		{"anywhere", flood{from: anywhere(), peer: at("198.51.100.1"), least: 1}},
		{"anywhere, with a proof of ids", flood{from: anywhere(), peer: at("198.51.100.1"), proof: proofOfIDs}},
		{"anywhere, known", flood{from: anywhere(), peer: at("198.51.100.1"), known: true}},
		{"the address of the peer, known", flood{from: func(int) origin { return at("198.51.100.1") },
			peer: at("198.51.100.1"), known: true, proof: proofOfPeer}},
		{"the address of the peer", flood{from: func(int) origin { return at("198.51.100.1") },
			peer: at("198.51.100.1"), proof: proofOfPeer}},
		{"the /64 of the peer, known", flood{from: func(int) origin { return at("2001:db8:5::9") },
			peer: at("2001:db8:5::1"), known: true, proof: proofOfPeer}},
		{"the local network", flood{from: spread(at("10.0.0.0"), 0), peer: at("10.9.9.9")}},
	} {
		for _, hello := range []bool{false, true} {
			f := tt.f
			f.hello, f.rtt = hello, 200*time.Millisecond
			name := tt.name + ", silent"
			if hello {
				name = tt.name + ", hello"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					want := cmp.Or(f.least, floodTries)
					if n := f.run(); n < want {
						t.Errorf("got %d links of %d, want at least %d", n, floodTries, want)
					}
				})
			})
		}
	}
}

// A device that stops does not wait until each visitor has had its turn.
func TestAdmission_stop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(minTurnRate)
		ctx, stop := context.WithCancel(t.Context())
		var turns, none atomic.Int32
		for range maxWaiting {
			go func() {
				v := newVisitor(at("203.0.113.7"), func() {})
				defer a.leave(v)
				a.enter(v)
				if a.await(ctx, v, proofOfNothing) {
					turns.Add(1)
				} else {
					none.Add(1)
				}
			}()
		}
		synctest.Wait()
		stop()
		synctest.Wait()
		if turns.Load() != turnBurst || none.Load() != maxWaiting-turnBurst {
			t.Errorf("got %d turns, and %d ends without; want %d and %d", turns.Load(), none.Load(), turnBurst,
				maxWaiting-turnBurst)
		}
	})
}
