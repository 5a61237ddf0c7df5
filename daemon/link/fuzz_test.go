package link

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"vchat/daemon/wire"
)

// FuzzClock gives a clock the answers of a hostile peer. The time of a frame
// is never in the future and never so old that a difference overflows. Once
// the peer is honest, its frames have their true times again.
func FuzzClock(f *testing.F) {
	numbers := func(all ...uint64) (b []byte) {
		for _, n := range all {
			b = binary.BigEndian.AppendUint64(b, n)
		}
		return b
	}
	f.Add(numbers(1e9, 1e6, 0, 0, 5))
	f.Add(numbers(1e9, 1e6, math.MaxInt64, math.MaxInt64, 0, 1e9, 1e6, 0, 0, math.MaxInt64))
	f.Add(numbers(1e9, 0, 5e9, 5e9, math.MaxInt64, 1, 1, math.MaxInt64-1, math.MaxInt64, 1))
	f.Fuzz(func(t *testing.T, script []byte) {
		c := new(clock)
		now := time.Hour
		next := func() time.Duration {
			n := binary.BigEndian.Uint64(script) &^ (1 << 63) // the wire format allows no negative time
			script = script[8:]
			return time.Duration(n)
		}
		for n := 0; len(script) >= 40 && n < 200; n++ {
			now += next() % time.Minute
			t1 := now - next()%time.Second
			c.onPing(t1)
			c.onPong(&wire.Pong{T1: t1, T2: next(), T3: next()}, now)
			ours, _ := c.toLocal(next(), now)
			if ours > now || ours < now-maxAge {
				t.Fatalf("got a frame of %v at %v", ours, now)
			}
			if rtt, least, _ := c.estimate(); rtt < 0 || least < 0 || least > rtt {
				t.Fatalf("got round trips of %v and %v at least", rtt, least)
			}
		}
		const offset, rtt = 77 * time.Hour, 20 * time.Millisecond
		for range clockSamples + 1 {
			now += time.Second
			addPong(c, now, rtt, offset)
		}
		if ours, ok := c.toLocal(now-time.Second+offset, now); !ok || ours != now-time.Second {
			t.Fatalf("of an honest peer: got %v, %v; want %v", ours, ok, now-time.Second)
		}
	})
}
