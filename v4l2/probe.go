package v4l2

import (
	"slices"

	"github.com/blackjack/webcam"
)

// This file reads the answers of package webcam.

// probeFormats returns the driver's fourccs, sorted: webcam returns a map,
// whose order changes.
func probeFormats(p Prober) []PixelFormat {
	var all []PixelFormat
	for f := range p.GetSupportedFormats() {
		all = append(all, PixelFormat(f))
	}
	slices.Sort(all)
	return all
}

// nearestSize returns the offered size with the least mismatch. It reports
// false if no size is known: for continuous sizes webcam returns zeros.
func nearestSize(p Prober, f PixelFormat, width, height int) (w, h int, ok bool) {
	best := -1
	for _, s := range p.GetSupportedFrameSizes(webcam.PixelFormat(f)) {
		sw := clampStep(width, s.MinWidth, s.MaxWidth, s.StepWidth)
		sh := clampStep(height, s.MinHeight, s.MaxHeight, s.StepHeight)
		if sw == 0 || sh == 0 {
			continue
		}
		if d := mismatch(sw, sh, width, height); best < 0 || d < best {
			w, h, best = sw, sh, d
		}
	}
	return w, h, best >= 0
}

// clampStep returns the value of the range that is nearest to v, rounded down;
// 0 for an invalid range.
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

// mismatch returns the area in pixels that only one of two frames covers, if
// both share a corner.
func mismatch(w1, h1, w2, h2 int) int {
	return w1*h1 + w2*h2 - 2*min(w1, w2)*min(h1, h2)
}
