package window

import (
	"encoding/binary"
	"testing"
	"unicode/utf8"

	"github.com/jezek/xgb/xproto"

	"vchat/cmd/vchatctl/internal/view"
)

// FuzzKeymap presses keys on any keyboard that a server describes.
func FuzzKeymap(f *testing.F) {
	var syms []byte
	for _, s := range keyboard.syms {
		syms = binary.BigEndian.AppendUint32(syms, uint32(s))
	}
	f.Add(syms, byte(keyboard.first), byte(keyboard.columns), []byte{8, 0, 0, 9, 0, 1, 20, 0, 0x80})
	f.Add(syms, byte(255), byte(0), []byte{255, 0xff, 0xff, 0, 0, 0})
	f.Add([]byte{0, 0, 0xfe, 0x51}, byte(8), byte(1), []byte{8, 0, 0, 8, 0, 0, 8, 0, 0})
	f.Fuzz(func(t *testing.T, syms []byte, first, columns byte, presses []byte) {
		m := keymap{first: xproto.Keycode(first), columns: int(columns), level3: xproto.ModMask5,
			numLock: xproto.ModMask2, modeSwitch: xproto.ModMask3}
		for ; len(syms) >= 4; syms = syms[4:] {
			m.syms = append(m.syms, xproto.Keysym(binary.BigEndian.Uint32(syms)))
		}
		for ; len(presses) >= 3; presses = presses[3:] {
			in, ok := m.input(xproto.Keycode(presses[0]), binary.BigEndian.Uint16(presses[1:]))
			if ok && in.Key == view.KeyRune && (in.Rune < ' ' || in.Rune == 0x7f || !utf8.ValidRune(in.Rune)) {
				t.Fatalf("got character %U", in.Rune)
			}
		}
	})
}

// FuzzVisual reads any setup of a server. A row of an accepted visual holds its
// pixels and ends at the padding.
func FuzzVisual(f *testing.F) {
	f.Add(byte(24), byte(32), byte(32), uint32(0xff0000), uint32(0xff00), uint32(0xff), uint16(1366))
	f.Add(byte(16), byte(16), byte(0), uint32(0xf800), uint32(0x7e0), uint32(0x1f), uint16(65535))
	f.Add(byte(24), byte(32), byte(255), uint32(0xff), uint32(0xff00), uint32(0xff0000), uint16(1))
	f.Fuzz(func(t *testing.T, depth, bits, pad byte, red, green, blue uint32, width uint16) {
		setup := &xproto.SetupInfo{ImageByteOrder: xproto.ImageOrderLSBFirst,
			PixmapFormats: []xproto.Format{{Depth: depth, BitsPerPixel: bits, ScanlinePad: pad}}}
		screen := &xproto.ScreenInfo{RootVisual: 7, AllowedDepths: []xproto.DepthInfo{{Depth: depth,
			Visuals: []xproto.VisualInfo{{VisualId: 7, Class: xproto.VisualClassTrueColor, RedMask: red,
				GreenMask: green, BlueMask: blue}}}}}
		v, err := findVisual(setup, screen)
		if err != nil {
			return
		}
		row := int(width) * v.format.BytesPerPixel()
		stride := v.stride(int(width))
		if v.format.BytesPerPixel()*8 != int(bits) || stride < row || stride >= row+v.pad || stride%v.pad != 0 {
			t.Fatalf("got %+v with a stride of %d for %d bytes", v, stride, row)
		}
	})
}
