package terminal

// rgb is a colour.
type rgb struct{ r, g, b uint8 }

// palette is the nearest of xterm's 256 colours: a cube of 6×6×6, and 24 greys between black and white.
func palette(p rgb) uint8 {
	level := func(v uint8) int {
		switch { // the cube's steps are 0, 95, 135, 175, 215, 255
		case v < 48:
			return 0
		case v < 115:
			return 1
		}
		return (int(v) - 35) / 40
	}
	steps := [...]int{0, 95, 135, 175, 215, 255}
	r, g, b := level(p.r), level(p.g), level(p.b)
	grey := (int(p.r) + int(p.g) + int(p.b)) / 3
	step := min(max((grey-3)/10, 0), 23)
	if far(p, 8+10*step, 8+10*step, 8+10*step) < far(p, steps[r], steps[g], steps[b]) {
		return uint8(232 + step)
	}
	return uint8(16 + 36*r + 6*g + b)
}

func far(p rgb, r, g, b int) int {
	dr, dg, db := int(p.r)-r, int(p.g)-g, int(p.b)-b
	return dr*dr + dg*dg + db*db
}

// alike says that nobody sees the difference: half of what a camera's noise makes of a frame.
func alike(a, b rgb) bool {
	const most = 3
	near := func(x, y uint8) bool { return max(x, y)-min(x, y) <= most }
	return near(a.r, b.r) && near(a.g, b.g) && near(a.b, b.b)
}
