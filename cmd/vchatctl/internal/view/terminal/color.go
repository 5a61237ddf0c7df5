package terminal

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
