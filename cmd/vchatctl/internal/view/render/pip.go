package render

import "image"

// PIPDivisor is the width of the display divided by the width available to the
// picture-in-picture. The same holds for the heights.
const PIPDivisor = 4

// pipSize returns the size of the picture-in-picture for a frame of w by h.
func pipSize(w, h int, px Pixels, aspect float64) image.Point {
	return fit(w, h, image.Rect(0, 0, px.W/PIPDivisor, px.H/PIPDivisor), aspect).Size()
}
