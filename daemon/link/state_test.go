package link

import (
	"testing"
	"time"
)

func TestStateSaysWhatReallyBecameOfAFrame(t *testing.T) {
	for _, tt := range []struct {
		name             string
		bound            bool
		sent, most, room int
		want             state
	}{
		{"as it came", false, 100, 100, 0, state{}},
		{"as it came, below a limit", false, 100, 100, 120, state{}},
		{"made smaller", true, 50, 100, 60, state{reduced: true}},
		{"made smaller, though not by enough", true, 80, 100, 60, state{reduced: true}},
		{"small by itself among large ones", true, 40, 40, 60, state{reduced: true}},
		{"refused by the requantiser", true, 100, 100, 60, state{stubborn: true}},
		{"a raw frame that went as a JPEG", false, 50, 100, 0, state{reduced: true}},
	} {
		var s state
		if s.judge(tt.bound, tt.sent, tt.most, tt.room); s != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, s, tt.want)
		}
	}
}

func TestStateInWords(t *testing.T) {
	for _, tt := range []struct {
		state state
		want  string
	}{
		{state{carries: 8}, ""},
		{state{limited: true}, ""},
		{state{reduced: true, carries: 8.14}, "link carries 8.1 Mbit/s"},
		{state{reduced: true, carries: 0.0421}, "link carries 42 kbit/s"},
		{state{reduced: true, limited: true, carries: 8}, "max_bitrate"},
		{state{stubborn: true, carries: 2}, "link carries 2.0 Mbit/s; frames of this kind cannot be made smaller, so fewer go"},
	} {
		if got := tt.state.words(); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.state, got, tt.want)
		}
	}
}

func TestNewsOfQualityIsWhatLasts(t *testing.T) {
	reduced := func(mbit float64) state { return state{reduced: true, carries: mbit} }
	at := func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }
	for _, tt := range []struct {
		name string
		is   func(now time.Duration) state
		want int // times in a minute
	}{
		{"always its own", func(time.Duration) state { return state{} }, 0},
		{"reduced for good, by ever other numbers", func(now time.Duration) state { return reduced(now.Seconds()) }, 1},
		{"a moment", func(now time.Duration) state {
			if now > at(1000) && now < at(2900) {
				return reduced(1)
			}
			return state{}
		}, 0},
		{"at the brink", func(now time.Duration) state {
			if now/time.Second%4 < 3 {
				return reduced(1)
			}
			return state{}
		}, 1},
		{"reduced and mended", func(now time.Duration) state {
			if now < at(20000) {
				return reduced(1)
			}
			return state{}
		}, 2},
		{"without a limit now, which changes nothing", func(now time.Duration) state { return state{limited: now/time.Second%10 < 5} }, 0},
	} {
		var n news
		told := 0
		for now := time.Duration(0); now < time.Minute; now += 33 * time.Millisecond {
			if n.due(tt.is(now), now) {
				told++
			}
		}
		if told != tt.want {
			t.Errorf("%s: told %d times, want %d", tt.name, told, tt.want)
		}
	}
}
