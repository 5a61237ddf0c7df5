package look

import (
	"fmt"
	"math"
	"strings"
)

// Color is an opaque sRGB color, 0xRRGGBB.
type Color uint32

// The colors.
const (
	Background Color = 0x101418
	Surface    Color = 0x1B2229 // of cards and controls
	Text       Color = 0xF2F5F7
	Muted      Color = 0xA7B3BD // text of less weight
	Focus      Color = 0x5CB3FF // the ring around what has the keyboard's focus
	Accept     Color = 0x1E7F46 // below white text
	Decline    Color = 0xC93A3A // below white text
	Warning    Color = 0xF2B84B
	White      Color = 0xFFFFFF
	Reachable  Color = 0x3FBF73 // a dot, not text
)

// RGB returns the channels.
func (c Color) RGB() (r, g, b uint8) { return uint8(c >> 16), uint8(c >> 8), uint8(c) }

// String returns the color as CSS writes it, such as #101418.
func (c Color) String() string { return fmt.Sprintf("#%06X", uint32(c)) }

// luminance returns the relative luminance of WCAG 2.2, from 0 to 1.
func (c Color) luminance() float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	r, g, b := c.RGB()
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

// Contrast returns the contrast ratio of WCAG 2.2 between two colors, from 1 to
// 21.
func (c Color) Contrast(d Color) float64 {
	a, b := c.luminance(), d.luminance()
	return (max(a, b) + 0.05) / (min(a, b) + 0.05)
}

// CSS returns a rule that sets the colors as custom properties of the page:
// --background, --surface, --text, --muted, --focus, --accept, --decline and
// --warning.
func CSS() string {
	var b strings.Builder
	b.WriteString(":root{")
	for _, v := range [...]struct {
		name  string
		color Color
	}{
		{"background", Background}, {"surface", Surface}, {"text", Text}, {"muted", Muted}, {"focus", Focus},
		{"accept", Accept}, {"decline", Decline}, {"warning", Warning},
	} {
		fmt.Fprintf(&b, "--%s:%v;", v.name, v.color)
	}
	b.WriteString("}")
	return b.String()
}
