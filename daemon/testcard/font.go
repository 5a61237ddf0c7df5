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

// bold returns Go Bold at size pixels per em. It has the Latin, Greek and
// Cyrillic letters. The parsed font is not cached: parsing takes microseconds.
func bold(size float64) font {
	var f xfont.Face
	ttf, err := opentype.Parse(gobold.TTF)
	if err == nil {
		f, err = opentype.NewFace(ttf, &opentype.FaceOptions{Size: size, DPI: 72}) // 72 DPI: a point is a pixel
	}
	if err != nil {
		panic(fmt.Errorf("testcard: parse the built-in font: %w", err)) // a constant, as in regexp.MustCompile
	}
	return font{f}
}

// width returns the width of a text in pixels.
func (f font) width(s string) float64 { return pixels(xfont.MeasureString(f, s)) }

// ascent returns the height of a mask above the baseline in pixels.
func (f font) ascent() float64 { return pixels(f.Metrics().Ascent) }

// mask draws a line of text. The mask is as wide as the text plus a pixel on
// each side, and as high as ascent and descent.
func (f font) mask(s string) *image.Alpha {
	ascent, descent := f.Metrics().Ascent, f.Metrics().Descent
	m := image.NewAlpha(image.Rect(0, 0, int(math.Ceil(f.width(s)))+2, (ascent + descent).Ceil()))
	d := xfont.Drawer{Dst: m, Src: image.Opaque, Face: f, Dot: fixed.Point26_6{X: fixed.I(1), Y: ascent}}
	d.DrawString(s)
	return m
}

func pixels(v fixed.Int26_6) float64 { return float64(v) / 64 }
