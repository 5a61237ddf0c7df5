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
// in fewer bytes, perhaps smaller.
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
// may have a half or three eighths of want's width and height.
func similar(got, want image.Image) bool {
	size := want.Bounds().Size()
	for _, eighths := range []int{8, 4, 3} {
		if got.Bounds().Size() == image.Pt((size.X*eighths+7)/8, (size.Y*eighths+7)/8) {
			return similarAt(got, want, eighths)
		}
	}
	return false
}

// similarAt is similar for so many eighths of the size. It compares the middle
// of got's pixels.
func similarAt(got, want image.Image, eighths int) bool {
	size, wrong, n := want.Bounds().Size(), 0, 0
	for y := gridStep / 2; y < size.Y; y += gridStep {
		for x := gridStep / 2; x < size.X; x += gridStep {
			gx, gy := x*eighths/8, y*eighths/8
			wx, wy := min((2*gx+1)*4/eighths, size.X-1), min((2*gy+1)*4/eighths, size.Y-1)
			a, b := luma(got, gx, gy), luma(want, wx, wy)
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
