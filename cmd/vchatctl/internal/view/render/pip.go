package render

import "image"

const PIPDivisor = 4 // of the width and height

// pipRect is the place of the own picture, at the lower right.
func pipRect(w, h int, px Pixels, aspect float64) image.Rectangle {
	margin := px.H / 40
	r := fit(w, h, image.Rect(0, 0, px.W/PIPDivisor, px.H/PIPDivisor), aspect)
	return r.Add(image.Pt(px.W-margin-r.Max.X, px.H-margin-r.Max.Y))
}
