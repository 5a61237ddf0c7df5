package window

import (
	"fmt"

	"github.com/jezek/xgb/xproto"

	"vchat/cmd/vchatctl/internal/view/render"
)

// visual is how the server understands pixels.
type visual struct {
	id     xproto.Visualid
	depth  byte
	format render.Format
	pad    int // bytes: rows begin at multiples of it
}

// stride is the length of a row: the server takes rows without anything between them but what makes them begin well.
func (v visual) stride(width int) int {
	n := width * v.format.BytesPerPixel()
	return (n + v.pad - 1) / v.pad * v.pad
}

// findVisual prefers the root window's, and takes any other that we can paint for: a screen of 8 or 30 bits often has one
// of 24, too.
func findVisual(setup *xproto.SetupInfo, screen *xproto.ScreenInfo) (visual, error) {
	var found []visual
	for _, d := range screen.AllowedDepths {
		for _, info := range d.Visuals {
			v, ok := known(setup, d.Depth, info)
			if ok && info.VisualId == screen.RootVisual {
				return v, nil
			}
			if ok && d.Depth != 32 { // whose fourth byte is how opaque the pixel is
				found = append(found, v)
			}
		}
	}
	if len(found) == 0 {
		return visual{}, fmt.Errorf("%w: its depth is %d; TrueColor of 24 or 16 bits is needed", ErrNoVisual, screen.RootDepth)
	}
	return found[0], nil
}

// known says how pixels of a visual are painted.
func known(setup *xproto.SetupInfo, depth byte, info xproto.VisualInfo) (visual, bool) {
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
