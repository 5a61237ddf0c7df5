package screen

import (
	"encoding/binary"
	"slices"
	"testing"
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
