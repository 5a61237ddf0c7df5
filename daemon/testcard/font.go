package testcard

import (
	"fmt"
	"image"
	"math"

	xfont "golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// font draws text in one size.
type font struct{ xfont.Face }

// bold is Go Bold, which has the Latin, Greek and Cyrillic letters, at size pixels an em. Nothing of it is kept between
// the cards: to parse it anew takes microseconds.
func bold(size float64) font {
	var f xfont.Face
	ttf, err := opentype.Parse(gobold.TTF)
	if err == nil {
		f, err = opentype.NewFace(ttf, &opentype.FaceOptions{Size: size, DPI: 72}) // where a point is a pixel
	}
	if err != nil {
		panic(fmt.Errorf("testcard: the font in the program: %w", err)) // a constant, as a pattern of MustCompile
	}
	return font{f}
}

// width is how many pixels the text takes.
func (f font) width(s string) float64 { return pixels(xfont.MeasureString(f, s)) }

// ascent is how many pixels of a mask are above the baseline.
func (f font) ascent() float64 { return pixels(f.Metrics().Ascent) }

// mask draws a line of text. The mask is as wide as the text, with a pixel on both sides, and as high as ascent and descent.
func (f font) mask(s string) *image.Alpha {
	rise, fall := f.Metrics().Ascent, f.Metrics().Descent
	m := image.NewAlpha(image.Rect(0, 0, int(math.Ceil(f.width(s)))+2, (rise + fall).Ceil()))
	d := xfont.Drawer{Dst: m, Src: image.Opaque, Face: f, Dot: fixed.Point26_6{X: fixed.I(1), Y: rise}}
	d.DrawString(s)
	return m
}

func pixels(v fixed.Int26_6) float64 { return float64(v) / 64 }
