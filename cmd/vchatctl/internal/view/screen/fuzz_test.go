package screen

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

// FuzzKeyDecoder decodes the bytes of a console's keyboard, in two reads. After
// any bytes the next key works.
func FuzzKeyDecoder(f *testing.F) {
	f.Add([]byte("aä€\r\x7f\x1b[A\x1b[1;5C\x1bOP\x1b[[A\x1b"), 5)
	f.Add([]byte("\xf0\x9f\x98"), 2)
	f.Add([]byte("\x1b[\xff\x1b\x1b[3~\xc3"), 3)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		cut = min(max(cut, 0), len(b))
		var d keyDecoder
		keys := 0
		check := func(in view.Input) {
			keys++
			if in.Key == view.KeyRune && (in.Rune < ' ' || in.Rune == 0x7f || in.Rune == utf8.RuneError) {
				t.Fatalf("got character %q", in.Rune)
			}
		}
		before := slices.Clone(b)
		d.decode(b[:cut], check)
		d.decode(b[cut:], check)
		if !slices.Equal(b, before) || keys > len(b) || len(d.rest) >= utf8.UTFMax {
			t.Fatalf("got %d keys of %d bytes, %d left", keys, len(b), len(d.rest))
		}
		var got []view.Input
		d.decode([]byte("\x03"), func(in view.Input) { got = append(got, in) })
		if !slices.Contains(got, view.Input{Key: view.KeyInterrupt}) {
			t.Fatalf("Ctrl-C: got %v", got)
		}
	})
}

// FuzzChooseMode chooses among any modes of a monitor. The result is one of
// them, and is too large only if all that could replace it are.
func FuzzChooseMode(f *testing.F) {
	add := func(modes ...uapi.ModeInfo) {
		var b []byte
		for _, m := range modes {
			b = binary.BigEndian.AppendUint16(b, m.HDisplay)
			b = binary.BigEndian.AppendUint16(b, m.VDisplay)
			b = append(b, byte(m.VRefresh), byte(m.Flags), byte(m.Type))
		}
		f.Add(b, uint32(4096), uint32(4096))
	}
	add(mode(3840, 2160, 60, uapi.TypePreferred), mode(1920, 1080, 60, 0), mode(1280, 720, 60, 0))
	add(mode(0, 0, 0, 0), mode(65535, 65535, 255, uapi.TypePreferred))
	f.Fuzz(func(t *testing.T, b []byte, maxWidth, maxHeight uint32) {
		var modes []uapi.ModeInfo
		for ; len(b) >= 7; b = b[7:] {
			m := mode(binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), uint32(b[4]), uint32(b[6]))
			m.Flags = uint32(b[5])
			modes = append(modes, m)
		}
		if len(modes) == 0 {
			return // findMonitor skips such a connector
		}
		res := uapi.Resources{MaxWidth: maxWidth, MaxHeight: maxHeight}
		got := chooseMode(modes, res)
		if !slices.Contains(modes, got) {
			t.Fatalf("got %+v, which is no mode of the monitor", got)
		}
		if area(got) <= maxModePixels && fits(got, res) {
			return
		}
		for _, m := range modes {
			if area(m) > 0 && area(m) <= maxModePixels && fits(m, res) && m.Flags&uapi.FlagInterlace == 0 &&
				sameAspect(m, got) {
				t.Fatalf("got %dx%d, want %dx%d", got.HDisplay, got.VDisplay, m.HDisplay, m.VDisplay)
			}
		}
	})
}

// FuzzPointerDecoder decodes the events of an input device, in two reads. Each
// report has places within the device, and after any events and the loss of
// some, a touch works.
func FuzzPointerDecoder(f *testing.F) {
	f.Add(events(finger(0, 7, 100, 100), finger(1, 8, 600, 350), lift(0), lift(1)), 30, byte(touchScreen), true)
	f.Add(events(abs(uapi.AbsX, 5), abs(uapi.AbsY, -5), btn(uapi.BtnTouch, 1), syn(), btn(uapi.BtnTouch, 0), syn()),
		7, byte(touchScreen), false)
	f.Add(events(rel(uapi.RelX, 1<<31-1), rel(uapi.RelX, 1), btn(uapi.BtnLeft, 2), syn()), 0, byte(mouse), false)
	f.Add(events(abs(uapi.AbsMTSlot, -1), abs(uapi.AbsMTTrackingID, 3), abs(uapi.AbsMTSlot, 1<<30), syn(),
		event(uapi.EvSyn, uapi.SynDropped, 0)), 24, byte(touchpad), true)
	f.Fuzz(func(t *testing.T, b []byte, cut int, kind byte, multi bool) {
		cut = min(max(cut, 0), len(b))
		d := newPointerDecoder(deviceKind(kind)%(touchpad+1), multi)
		d.x, d.y = uapi.AbsInfo{Min: 100, Max: 1100}, uapi.AbsInfo{Min: -5, Max: -5}
		reports := 0
		now := time.Unix(0, 0)
		check := func(r report) {
			reports++
			most := 1.0
			if d.kind == mouse {
				most = 1 << 14
			}
			if !(r.x >= -most && r.x <= most && r.y >= -most && r.y <= most) {
				t.Fatalf("got place %v,%v", r.x, r.y)
			}
		}
		d.decode(b[:cut], now, check)
		d.decode(b[cut:], now, check)
		if reports > len(b)/eventSize || len(d.partial) >= eventSize {
			t.Fatalf("got %d reports of %d bytes, %d left", reports, len(b), len(d.partial))
		}
		if d.kind != touchScreen {
			return
		}
		d.decode(make([]byte, eventSize-len(d.partial)), now, check)
		d.decode(events(event(uapi.EvSyn, uapi.SynDropped, 0), syn()), now, check)
		d.sync(0, []int32{-1}, nil)
		var got []report
		touch := events(abs(uapi.AbsX, 600), btn(uapi.BtnTouch, 1), syn())
		if multi {
			touch = finger(0, 7, 600, 1)
		}
		d.decode(touch, now, func(r report) { got = append(got, r) })
		if len(got) != 1 || !got[0].press || got[0].x != 0.5 {
			t.Fatalf("a touch: got %+v", got)
		}
	})
}
