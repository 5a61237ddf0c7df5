// Package render puts frames and text onto the memory of a display.
package render

import "vchat/daemon/mjpeg"

// Format is how a display wants its pixels, in memory order.
type Format int

const (
	BGRX   Format = iota // four bytes: blue, green, red, unused; X11's usual visual and DRM_FORMAT_XRGB8888, little-endian
	RGB565               // two bytes, little-endian, red in the highest five bits
	RGBX                 // four bytes: red, green, blue, unused
)

// BytesPerPixel is 4 or 2.
func (f Format) BytesPerPixel() int {
	if f == RGB565 {
		return 2
	}
	return 4
}

// Pixels is memory that a display shows: H rows of W pixels, each row Stride bytes after the last.
type Pixels struct {
	Pix    []byte
	Stride int
	W, H   int
	Format Format
}

// Frame is a frame as it is painted. Its planes belong to its decoder.
type Frame struct {
	Planes *mjpeg.Planes // nil: it could not be decoded
	Rotate int           // degrees, clockwise
}
