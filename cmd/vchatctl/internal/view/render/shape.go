package render

import (
	"encoding/binary"
	"image"

	"vchat/cmd/vchatctl/internal/view/look"
)

// shape is a mask or a box of one color on the display.
type shape struct {
	rect  image.Rectangle // what it covers, within the display
	color look.Color
	alpha uint8 // 255: opaque

	mask *image.Alpha // nil: a box
	at   image.Point  // the upper left corner of the mask

	box    image.Rectangle // the whole box, which may reach over the display
	corner *image.Alpha    // the upper left corner of the box; nil: it is square
}

// blend draws the part of the shape that lies in row y.
func (s *shape) blend(row []byte, y int) {
	switch {
	case y < s.rect.Min.Y || y >= s.rect.Max.Y:
	case s.mask != nil:
		s.blendMask(row, s.mask.Pix[(y-s.at.Y)*s.mask.Stride:], s.at.X, false)
	case s.corner == nil:
		blendSpan(row, s.rect.Min.X, s.rect.Max.X, s.color, s.alpha)
	default:
		r := s.corner.Rect.Dx()
		line := min(y-s.box.Min.Y, s.box.Max.Y-1-y)
		if line >= r {
			blendSpan(row, s.rect.Min.X, s.rect.Max.X, s.color, s.alpha)
			return
		}
		alphas := s.corner.Pix[line*s.corner.Stride:][:r]
		s.blendMask(row, alphas, s.box.Min.X, false)
		s.blendMask(row, alphas, s.box.Max.X-r, true)
		blendSpan(row, max(s.rect.Min.X, s.box.Min.X+r), min(s.rect.Max.X, s.box.Max.X-r), s.color, s.alpha)
	}
}

// blendMask draws a line of a mask that begins at column x, or of its mirror
// image.
func (s *shape) blendMask(row, alphas []byte, x int, mirrored bool) {
	n := len(alphas)
	if s.mask != nil {
		n = min(n, s.mask.Rect.Dx())
	}
	for i := max(0, s.rect.Min.X-x); i < min(n, s.rect.Max.X-x); i++ {
		a := alphas[i]
		if mirrored {
			a = alphas[n-1-i]
		}
		if a != 0 {
			if s.alpha != 255 {
				a = uint8(uint(a) * uint(s.alpha) / 255)
			}
			blendPixel(row[4*(x+i):], uint32(s.color), uint32(a))
		}
	}
}

// blendSpan blends a color over the pixels from x0 to x1.
func blendSpan(row []byte, x0, x1 int, c look.Color, alpha uint8) {
	for x := x0; x < x1; x++ {
		blendPixel(row[4*x:], uint32(c), uint32(alpha))
	}
}

// blendPixel blends a color over a BGRX pixel, alpha out of 255.
func blendPixel(px []byte, c, alpha uint32) {
	const lanes = 0x00FF00FF
	alpha += alpha >> 7 // out of 256
	v := binary.LittleEndian.Uint32(px)
	rb := v&lanes*(256-alpha) + c&lanes*alpha
	g := v>>8&0xFF*(256-alpha) + c>>8&0xFF*alpha
	binary.LittleEndian.PutUint32(px, rb>>8&lanes|g&0xFF00)
}
