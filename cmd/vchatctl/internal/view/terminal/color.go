package terminal

import (
	"bytes"
	"strconv"
)

// Colors says how many colors a terminal has.
type Colors int

// The numbers of colors.
const (
	Palette256 Colors = iota
	TrueColor         // 24 bits
	Palette16         // that of ECMA-48, with bright ones
	NoColors
)

// rgb is a color.
type rgb struct{ r, g, b uint8 }

// paletteIndex returns the nearest of xterm's 256 colors: a cube of 6×6×6
// colors, or 24 grays between black and white.
func paletteIndex(p rgb) uint8 {
	level := func(v uint8) int {
		switch {
		case v < 48:
			return 0
		case v < 115:
			return 1
		}
		return (int(v) - 35) / 40
	}
	levels := [...]int{0, 95, 135, 175, 215, 255}
	r, g, b := level(p.r), level(p.g), level(p.b)
	mean := (int(p.r) + int(p.g) + int(p.b)) / 3
	step := min(max((mean-3)/10, 0), 23)
	gray := 8 + 10*step
	if distance(p, gray, gray, gray) < distance(p, levels[r], levels[g], levels[b]) {
		return uint8(232 + step)
	}
	return uint8(16 + 36*r + 6*g + b)
}

// distance returns the square of the distance between two colors.
func distance(p rgb, r, g, b int) int {
	dr, dg, db := int(p.r)-r, int(p.g)-g, int(p.b)-b
	return dr*dr + dg*dg + db*db
}

// similar reports whether a viewer cannot tell two colors apart. Half of the
// changes in a frame are such noise of the camera.
func similar(a, b rgb) bool {
	const maxDifference = 3
	near := func(x, y uint8) bool { return max(x, y)-min(x, y) <= maxDifference }
	return near(a.r, b.r) && near(a.g, b.g) && near(a.b, b.b)
}

func mean(a, b rgb) rgb {
	half := func(x, y uint8) uint8 { return uint8((int(x) + int(y)) / 2) }
	return rgb{half(a.r, b.r), half(a.g, b.g), half(a.b, b.b)}
}

// brightness returns the luma of a color, from 0 to 255.
func brightness(c rgb) int { return (299*int(c.r) + 587*int(c.g) + 114*int(c.b)) / 1000 }

// ansi are xterm's values of the 16 colors.
var ansi = [16]rgb{
	{0, 0, 0}, {205, 0, 0}, {0, 205, 0}, {205, 205, 0}, {0, 0, 238}, {205, 0, 205}, {0, 205, 205}, {229, 229, 229},
	{127, 127, 127}, {255, 0, 0}, {0, 255, 0}, {255, 255, 0}, {92, 92, 255}, {255, 0, 255}, {0, 255, 255},
	{255, 255, 255},
}

// index returns the nearest color of the palette.
func (n Colors) index(c rgb) uint8 {
	switch n {
	case NoColors:
		return 0
	case Palette16:
		best := uint8(0)
		for i, a := range ansi {
			b := ansi[best]
			if distance(c, int(a.r), int(a.g), int(a.b)) < distance(c, int(b.r), int(b.g), int(b.b)) {
				best = uint8(i)
			}
		}
		return best
	}
	return paletteIndex(c)
}

// set sets the foreground (38) or background (48) color.
func (n Colors) set(w *bytes.Buffer, sgr int64, c rgb) {
	b := append(w.AvailableBuffer(), "\x1b["...)
	switch n {
	case NoColors:
		return
	case Palette16:
		i := int64(n.index(c))
		if i >= 8 {
			i += 60 - 8 // the bright ones, of aixterm
		}
		b = strconv.AppendInt(b, sgr-8+i, 10)
	case TrueColor:
		b = strconv.AppendInt(b, sgr, 10)
		for _, v := range [...]uint8{2, c.r, c.g, c.b} {
			b = strconv.AppendUint(append(b, ';'), uint64(v), 10)
		}
	default:
		b = strconv.AppendInt(b, sgr, 10)
		b = strconv.AppendUint(append(b, ";5;"...), uint64(paletteIndex(c)), 10)
	}
	w.Write(append(b, 'm'))
}
