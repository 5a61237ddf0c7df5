package render

import "image"

// PIPDivisor is the width of the display divided by the width available to the
// picture-in-picture. The same holds for the heights.
const PIPDivisor = 4

// pipRect returns where the picture-in-picture goes: the lower right corner.
func pipRect(w, h int, px Pixels, aspect float64) image.Rectangle {
	margin := px.H / 40
	r := fit(w, h, image.Rect(0, 0, px.W/PIPDivisor, px.H/PIPDivisor), aspect)
	return r.Add(image.Pt(px.W-margin-r.Max.X, px.H-margin-r.Max.Y))
}
