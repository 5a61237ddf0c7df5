// Package render draws frames and text into the memory of a display.
//
//	Frame ─▶ layer (rotate, halve) ─▶ rowScaler ─▶ dim ─▶ text ─▶ Pixels
//
// Guarantees:
//   - It writes the display row by row and never reads it back: reading
//     uncached video memory is about 100 times slower.
//   - A frame keeps its aspect ratio.
//   - Every pixel is written, so old contents of the memory do not show.
//   - It writes nothing between the end of a row and the next stride.
//   - Any text and any font file costs bounded time and memory. A broken font
//     shows nothing, or something wrong.
//
// Goroutines: Paint splits the rows into bands, one goroutine each, and returns
// when all of them have finished. FindFonts reads fonts in a goroutine of the
// caller, so that Paint does not wait for files.
package render

import "vchat/daemon/mjpeg"

// Format is the layout of one pixel in memory.
type Format int

const (
	// BGRX is blue, green, red and an unused byte: the usual X11 visual, and
	// DRM_FORMAT_XRGB8888 on little-endian machines.
	BGRX Format = iota
	// RGB565 is a little-endian uint16 with red in its five highest bits.
	RGB565
	// RGBX is red, green, blue and an unused byte.
	RGBX
)

// BytesPerPixel returns 4 or 2.
func (f Format) BytesPerPixel() int {
	if f == RGB565 {
		return 2
	}
	return 4
}

// Pixels is the memory of a display: H rows of W pixels, Stride bytes apart.
type Pixels struct {
	Pix    []byte
	Stride int
	W, H   int
	Format Format
}

// Frame is a decoded frame. The planes belong to their decoder.
type Frame struct {
	Planes *mjpeg.Planes // nil if decoding failed
	Rotate int           // degrees clockwise: 0, 90, 180 or 270
}
