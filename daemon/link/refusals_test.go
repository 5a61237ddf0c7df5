package link

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"vchat/daemon/identity"
)

// stranger is the n-th device with an unknown key.
func stranger(n int, address string) Refusal {
	var id identity.ID
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return Refusal{ID: id, Address: address, origin: at(address)}
}

func TestRefusals_floodHidesNoDevice(t *testing.T) {
	for _, tt := range []struct {
		name  string
		from  func(n int) string
		lines int // at most
	}{
		{"one address", func(int) string { return "203.0.113.7" }, linesPerOrigin},
		{"a /24", func(n int) string { return "203.0.113." + string(rune('0'+n%10)) }, linesPerGroup},
		{"an IPv6 /48", func(n int) string { return "2001:db8:5:" + string(rune('0'+n%10)) + "::1" }, linesPerGroup},
		{"the local network", func(n int) string { return "10.0.0." + string(rune('0'+n%10)) }, linesPerGroup},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r refusals
			now := time.Unix(0, 0)
			real1, real2 := stranger(1, "198.51.100.1"), stranger(2, "192.168.1.9")
			lines := 0
			if !r.add(real1, now) {
				t.Error("a device before the flood: got no line in the log")
			}
			for n := range 5000 {
				now = now.Add(time.Millisecond)
				if r.add(stranger(10+n, tt.from(n)), now) {
					lines++
				}
			}
			if !r.add(real2, now) {
				t.Error("a device after the flood: got no line in the log")
			}
			for n := range 5000 {
				now = now.Add(time.Millisecond)
				r.add(stranger(10_000+n, tt.from(n)), now)
			}
			if r.add(real2, now) {
				t.Error("a device that comes again: got another line in the log")
			}
			shown := r.newest()
			for _, want := range []Refusal{real1, real2} {
				i := slices.IndexFunc(shown, func(x Refusal) bool { return x.ID == want.ID })
				if i < 0 {
					t.Fatalf("got no %s among %d shown devices", want.Address, len(shown))
				}
				if want.ID == real2.ID && (shown[i].Count != 2 || !shown[i].Last.Equal(now)) {
					t.Errorf("got %+v, want the count 2 and the last time", shown[i])
				}
			}
			if lines == 0 || lines > tt.lines {
				t.Errorf("got %d lines about the flood, want 1 to %d", lines, tt.lines)
			}
			if len(shown) != shownRefusals || len(r.devices) > maxRefusals {
				t.Errorf("got %d devices shown of %d, want %d of at most %d", len(shown), len(r.devices), shownRefusals,
					maxRefusals)
			}
			if now = now.Add(lineInterval); !r.add(stranger(3, tt.from(0)), now) {
				t.Error("an hour later: got no line in the log")
			}
		})
	}
}

// A flood from all over the internet does not silence the log about a home.
func TestRefusals_linesOfTheHome(t *testing.T) {
	var r refusals
	now, lines := time.Unix(0, 0), 0
	for n := range 5000 {
		if r.add(stranger(n, fmt.Sprintf("%d.%d.0.7", 20+n%90, n/90)), now) {
			lines++
		}
	}
	if lines != linesInAll {
		t.Errorf("got %d lines about the flood, want %d", lines, linesInAll)
	}
	if !r.add(stranger(10_000, "192.168.1.9"), now) {
		t.Error("a device of the home: got no line in the log")
	}
}

// TestRefusals_day counts the lines in a day of knocking.
func TestRefusals_day(t *testing.T) {
	for _, tt := range []struct {
		name  string
		knock func(n int) Refusal
		lines int // at most
	}{
		{"one device", func(int) Refusal { return stranger(1, "203.0.113.7") }, 1},
		{"64 devices in turns", func(n int) Refusal {
			return stranger(n%maxRefusals, fmt.Sprintf("192.0.%d.7", n%maxRefusals))
		}, maxRefusals},
		{"a new key each time", func(n int) Refusal { return stranger(n, "203.0.113.7") }, 24 * linesPerOrigin},
		{"a new key of a /16 each time", func(n int) Refusal {
			return stranger(n, fmt.Sprintf("203.0.%d.%d", n/100%250, n%100))
		}, 24 * linesPerGroup},
		{"the whole internet", func(n int) Refusal {
			return stranger(n, fmt.Sprintf("%d.%d.0.7", 20+n%90, n/90%250))
		}, 24 * linesInAll},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r refusals
			start, lines := time.Unix(0, 0), 0
			for at := time.Duration(0); at < 24*time.Hour; at += 2 * time.Second {
				if r.add(tt.knock(int(at/(2*time.Second))), start.Add(at)) {
					lines++
				}
			}
			if lines == 0 || lines > tt.lines {
				t.Errorf("got %d lines in a day, want 1 to %d", lines, tt.lines)
			}
		})
	}
}
