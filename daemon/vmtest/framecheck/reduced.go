package main

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"

	"vchat/daemon/vmtest/testframe"
)

const (
	// lookEvery is which of the reduced frames are decoded: all of them would take the emulation's time from the stream.
	lookEvery = 8
	// In another of the stills the bar stands elsewhere: of a thousand pixels 12 to 66 are off by more than far of 255 steps
	// of brightness. The coarsest tables do that to none.
	far         = 48
	maxFarMille = 5
	// grid is how far apart the compared pixels are, in those of the sent frame.
	grid = 8
)

// reduced says whether jpg is what a link that does not carry the sent frame makes of it: the same stamp and the same to
// see, in fewer bytes, and perhaps of half the width and height.
func (c *checker) reduced(jpg, sent []byte, st testframe.Stamp) bool {
	if len(jpg) >= len(sent) {
		return false
	}
	if c.looks++; c.looks%lookEvery != 1 {
		return true
	}
	got, err := jpeg.Decode(bytes.NewReader(jpg))
	if err != nil {
		return false
	}
	k := st.Sequence % testframe.Variants
	if c.stills[k] == nil {
		if c.stills[k], err = jpeg.Decode(bytes.NewReader(sent)); err != nil {
			return false
		}
	}
	return alike(got, c.stills[k])
}

// alike compares brightness on a grid.
func alike(got, want image.Image) bool {
	size, scale := want.Bounds().Size(), 1
	if got.Bounds().Dx() < size.X {
		scale = 2
	}
	if d := got.Bounds().Size().Mul(scale); d.X < size.X || d.Y < size.Y || d.X > size.X+1 || d.Y > size.Y+1 {
		return false
	}
	off, n := 0, 0
	for y := grid / 2; y < size.Y; y += grid {
		for x := grid / 2; x < size.X; x += grid {
			a, b := luma(got, x/scale, y/scale), luma(want, x, y)
			if n++; max(a-b, b-a) > far {
				off++
			}
		}
	}
	return off*1000 <= maxFarMille*n
}

func luma(m image.Image, x, y int) int {
	return int(color.GrayModel.Convert(m.At(x, y)).(color.Gray).Y)
}
