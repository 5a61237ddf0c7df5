package link_test

import (
	"strings"
	"testing"
	"time"

	"vchat/daemon/daemontest/faketime"
)

// TestDay counts the lines about a peer in the journal of a day.
func TestDay(t *testing.T) {
	day := 24 * time.Hour
	if testing.Short() || faketime.Slow {
		day /= 8
	}
	for _, tt := range []struct {
		name  string
		day   func(tn *testNet, alice, bob *device)
		lines int      // at most
		want  []string // in the log
	}{
		{"link up", func(*testNet, *device, *device) { time.Sleep(time.Hour) }, 2, nil},
		{"gone", func(tn *testNet, _, bob *device) {
			bob.end()
			time.Sleep(day)
		}, 4, []string{"is shutting down", "connection refused"}},
		{"gone, during a call", func(tn *testNet, alice, bob *device) {
			alice.links.SetInCall("bob", true)
			bob.end()
			time.Sleep(day / 8)
		}, 4, []string{"is shutting down", "connection refused"}},
		{"unplugged", func(tn *testNet, _, _ *device) {
			tn.net.Stall(true)
			time.Sleep(day)
		}, 4, []string{"no answer"}},
		{"gone for half a minute every minute", func(tn *testNet, alice, bob *device) {
			for end := time.Now().Add(day); time.Now().Before(end); {
				bob.end()
				time.Sleep(30 * time.Second)
				tn.start(bob, false, alice)
				time.Sleep(30 * time.Second)
			}
		}, 90, []string{"omitted="}},
		{"cut every minute", func(tn *testNet, _, _ *device) {
			for range 2 * 60 { // two hours are enough to see the pauses of the log
				tn.net.Cut()
				time.Sleep(time.Minute)
			}
		}, 90, []string{"omitted="}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, tn *testNet) {
				alice, bob := tn.pair(false)
				tt.day(tn, alice, bob)
				lines := tn.linesOf("alice")
				if len(lines) > tt.lines {
					t.Errorf("got %d lines in a day, want at most %d; the first: %.2000q", len(lines), tt.lines, lines)
				}
				for _, want := range tt.want {
					if !strings.Contains(strings.Join(lines, ""), want) {
						t.Errorf("got no %q in %.2000q", want, lines)
					}
				}
			})
		})
	}
}

// A peer that has come and gone all day, and then stays away, is named, whether
// it is dialled or not.
func TestDay_lastState(t *testing.T) {
	for _, dials := range []bool{true, false} {
		bubble(t, func(t *testing.T, tn *testNet) {
			alice, bob := tn.device("alice"), tn.device("bob")
			tn.start(alice, dials, bob)
			for range 40 {
				tn.start(bob, !dials, alice)
				advance(30 * time.Second)
				bob.end()
				advance(30 * time.Second)
			}
			if last := lastOf(tn.linesOf("alice")); strings.Contains(last, "omitted") {
				t.Errorf("dials %v: got %q, want nothing about an outage of a moment", dials, last)
			}
			advance(10 * time.Minute)
			lines := tn.linesOf("alice")
			if last := lastOf(lines); !strings.Contains(last, "link down") || !strings.Contains(last, "omitted=") {
				t.Errorf("dials %v: got last line %q, want that bob is gone", dials, last)
			}
			advance(time.Hour)
			if more := tn.linesOf("alice"); len(more) != len(lines) {
				t.Errorf("dials %v: got %q, want the cause once", dials, more[len(lines):])
			}
		})
	}
}

func lastOf(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}

// linesOf returns the log of a device.
func (tn *testNet) linesOf(name string) (lines []string) {
	for line := range strings.Lines(tn.logged()) {
		if strings.Contains(line, " on="+name) {
			lines = append(lines, line)
		}
	}
	return lines
}
