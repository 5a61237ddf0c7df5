package v4l2

import (
	"slices"

	"github.com/blackjack/webcam"
)

// What the webcam package tells of a camera, minus its surprises.

// formats lists the fourccs, as the driver names them, in an order that does not change (webcam gives a map).
func formats(p Prober) []PixelFormat {
	var all []PixelFormat
	for f := range p.GetSupportedFormats() {
		all = append(all, PixelFormat(f))
	}
	slices.Sort(all)
	return all
}

// nearestSize is the size among those offered that is nearest to the wish by area not shared; false if none is known:
// webcam gives zeros for continuous sizes.
func nearestSize(p Prober, f PixelFormat, width, height int) (w, h int, ok bool) {
	best := -1
	for _, s := range p.GetSupportedFrameSizes(webcam.PixelFormat(f)) {
		sw := clampStep(width, s.MinWidth, s.MaxWidth, s.StepWidth)
		sh := clampStep(height, s.MinHeight, s.MaxHeight, s.StepHeight)
		if sw == 0 || sh == 0 {
			continue
		}
		if d := unshared(sw, sh, width, height); best < 0 || d < best {
			w, h, best = sw, sh, d
		}
	}
	return w, h, best >= 0
}

// clampStep is the value of the range that is nearest to v from below; 0 for a range that cannot be.
func clampStep(v int, lo, hi, step uint32) int {
	if lo > hi || hi > maxSide {
		return 0
	}
	v = min(max(v, int(lo)), int(hi))
	if step > 1 {
		v -= (v - int(lo)) % int(step)
	}
	return v
}

// unshared is the area that one of two frames has and the other has not, laid upon each other.
func unshared(w1, h1, w2, h2 int) int {
	return w1*h1 + w2*h2 - 2*min(w1, w2)*min(h1, h2)
}
