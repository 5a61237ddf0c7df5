package link

import (
	"testing"
	"time"
)

func TestJudgeQuality(t *testing.T) {
	for _, tt := range []struct {
		name               string
		constrained        bool
		sent, full, budget int
		want               qualityState
	}{
		{"as the camera gave it", false, 100, 100, 0, qualityState{}},
		{"as the camera gave it, below a budget", false, 100, 100, 120, qualityState{}},
		{"reduced", true, 50, 100, 60, qualityState{reduced: true}},
		{"reduced, though not by enough", true, 80, 100, 60, qualityState{reduced: true}},
		{"a small frame among large ones", true, 40, 40, 60, qualityState{reduced: true}},
		{"refused by the requantiser", true, 100, 100, 60, qualityState{irreducible: true}},
		{"a raw frame sent as JPEG", false, 50, 100, 0, qualityState{reduced: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := judgeQuality(tt.constrained, tt.sent, tt.full, tt.budget); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestQualityState_String(t *testing.T) {
	for _, tt := range []struct {
		name  string
		state qualityState
		want  string
	}{
		{"full quality", qualityState{capacity: 8}, ""},
		{"full quality below max_bitrate", qualityState{byMaxBitrate: true}, ""},
		{"reduced", qualityState{reduced: true, capacity: 8.14}, "link capacity 8.1 Mbit/s"},
		{"reduced by a slow link", qualityState{reduced: true, capacity: 0.0421}, "link capacity 42 kbit/s"},
		{"reduced by max_bitrate", qualityState{reduced: true, byMaxBitrate: true, capacity: 8}, "max_bitrate"},
		{"irreducible", qualityState{irreducible: true, capacity: 2},
			"link capacity 2.0 Mbit/s; frames in this format cannot be reduced, so fewer are sent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.state.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestQualityReporter_reportsWhatLasts(t *testing.T) {
	reduced := func(mbit float64) qualityState { return qualityState{reduced: true, capacity: mbit} }
	at := func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }
	for _, tt := range []struct {
		name  string
		state func(now time.Duration) qualityState
		want  int // reports in a minute
	}{
		{"full quality throughout", func(time.Duration) qualityState { return qualityState{} }, 0},
		{"reduced throughout, with a varying capacity",
			func(now time.Duration) qualityState { return reduced(now.Seconds()) }, 1},
		{"reduced for less than reducedFor", func(now time.Duration) qualityState {
			if now > at(1000) && now < at(2900) {
				return reduced(1)
			}
			return qualityState{}
		}, 0},
		{"full quality for a second of every four", func(now time.Duration) qualityState {
			if now/time.Second%4 < 3 {
				return reduced(1)
			}
			return qualityState{}
		}, 1},
		{"reduced, then restored", func(now time.Duration) qualityState {
			if now < at(20000) {
				return reduced(1)
			}
			return qualityState{}
		}, 2},
		{"max_bitrate set and removed without an effect",
			func(now time.Duration) qualityState { return qualityState{byMaxBitrate: now/time.Second%10 < 5} }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r qualityReporter
			reports := 0
			for now := time.Duration(0); now < time.Minute; now += 33 * time.Millisecond {
				if r.changed(tt.state(now), now) {
					reports++
				}
			}
			if reports != tt.want {
				t.Errorf("got %d reports, want %d", reports, tt.want)
			}
		})
	}
}
