package window

import (
	"fmt"

	"github.com/jezek/xgb/xproto"

	"vchat/cmd/vchatctl/internal/view/render"
)

// visual is the server's pixel format.
type visual struct {
	id     xproto.Visualid
	depth  byte
	format render.Format
	pad    int // bytes; rows start at multiples of it
}

// stride returns the length of a row in bytes. ZPixmap images have no other
// padding than pad.
func (v visual) stride(width int) int {
	n := width * v.format.BytesPerPixel()
	return (n + v.pad - 1) / v.pad * v.pad
}

// findVisual returns the root window's visual if render supports its format,
// else another one: a screen with depth 8 or 30 often has one with depth 24
// too.
func findVisual(setup *xproto.SetupInfo, screen *xproto.ScreenInfo) (visual, error) {
	var found []visual
	for _, d := range screen.AllowedDepths {
		for _, info := range d.Visuals {
			v, ok := newVisual(setup, d.Depth, info)
			if ok && info.VisualId == screen.RootVisual {
				return v, nil
			}
			if ok && d.Depth != 32 { // depth 32 has alpha in the fourth byte
				found = append(found, v)
			}
		}
	}
	if len(found) == 0 {
		return visual{}, fmt.Errorf("%w: depth %d; need TrueColor with 24 or 16 bits", ErrNoVisual, screen.RootDepth)
	}
	return found[0], nil
}

// newVisual returns the format of a visual, and false if render does not
// support it.
func newVisual(setup *xproto.SetupInfo, depth byte, info xproto.VisualInfo) (visual, bool) {
	if info.Class != xproto.VisualClassTrueColor || setup.ImageByteOrder != xproto.ImageOrderLSBFirst {
		return visual{}, false
	}
	v := visual{id: info.VisualId, depth: depth}
	bits := 0
	for _, f := range setup.PixmapFormats {
		if f.Depth == depth {
			bits, v.pad = int(f.BitsPerPixel), max(1, int(f.ScanlinePad)/8)
		}
	}
	switch masks := [3]uint32{info.RedMask, info.GreenMask, info.BlueMask}; {
	case bits == 32 && masks == [3]uint32{0xff0000, 0xff00, 0xff}:
		v.format = render.BGRX
	case bits == 32 && masks == [3]uint32{0xff, 0xff00, 0xff0000}:
		v.format = render.RGBX
	case bits == 16 && masks == [3]uint32{0xf800, 0x7e0, 0x1f}:
		v.format = render.RGB565
	default:
		return visual{}, false
	}
	return v, true
}
