package main

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"

	"vchat/daemon/vmtest/testframe"
)

const (
	// decodeEvery is the share of reduced frames that are decoded: one in
	// decodeEvery. Decoding all would slow the stream down in emulation.
	decodeEvery = 8
	// Two stills differ by more than maxLumaError in 12 to 66 of 1000 pixels,
	// because the bar is elsewhere. The lowest quality of vchat changes no
	// pixel as much.
	maxLumaError = 48 // of 255
	maxWrong     = 5  // pixels of 1000
	// gridStep is the distance of compared pixels in the sent frame.
	gridStep = 8
)

// isReduced reports whether jpg is c.sent with reduced quality: the same image
// in fewer bytes, perhaps at half the width and height.
func (c *checker) isReduced(jpg []byte, st testframe.Stamp) bool {
	if len(jpg) >= len(c.sent) {
		return false
	}
	if c.candidates++; c.candidates%decodeEvery != 1 {
		return true
	}
	got, err := jpeg.Decode(bytes.NewReader(jpg))
	if err != nil {
		return false
	}
	k := st.Sequence % testframe.Variants
	if c.stills[k] == nil {
		if c.stills[k], err = jpeg.Decode(bytes.NewReader(c.sent)); err != nil {
			return false
		}
	}
	return similar(got, c.stills[k])
}

// similar reports whether two images have a similar brightness on a grid. got
// may have half the size of want.
func similar(got, want image.Image) bool {
	size, scale := want.Bounds().Size(), 1
	if got.Bounds().Dx() < size.X {
		scale = 2
	}
	if d := got.Bounds().Size().Mul(scale); d.X < size.X || d.Y < size.Y || d.X > size.X+1 || d.Y > size.Y+1 {
		return false
	}
	wrong, n := 0, 0
	for y := gridStep / 2; y < size.Y; y += gridStep {
		for x := gridStep / 2; x < size.X; x += gridStep {
			a, b := luma(got, x/scale, y/scale), luma(want, x, y)
			if n++; max(a-b, b-a) > maxLumaError {
				wrong++
			}
		}
	}
	return wrong*1000 <= maxWrong*n
}

func luma(m image.Image, x, y int) int {
	return int(color.GrayModel.Convert(m.At(x, y)).(color.Gray).Y)
}
