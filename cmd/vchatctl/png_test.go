package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"

	"vchat/daemon/mjpeg"
)

func TestToPNG_upright(t *testing.T) {
	// The left upper quarter is white.
	m := image.NewGray(image.Rect(0, 0, 64, 32))
	for y := range 16 {
		for x := range 32 {
			m.Set(x, y, color.White)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		degrees int
		size    image.Point
		white   image.Point // a pixel of the white quarter
	}{
		{0, image.Pt(64, 32), image.Pt(5, 5)},
		{90, image.Pt(32, 64), image.Pt(27, 5)},
		{180, image.Pt(64, 32), image.Pt(59, 27)},
		{270, image.Pt(32, 64), image.Pt(5, 59)},
	} {
		t.Run(fmt.Sprint(tt.degrees), func(t *testing.T) {
			out, err := toPNG(mjpeg.Orient(nil, b.Bytes(), tt.degrees))
			if err != nil {
				t.Fatal(err)
			}
			got, err := png.Decode(bytes.NewReader(out))
			if err != nil {
				t.Fatal(err)
			}
			if got.Bounds().Size() != tt.size {
				t.Fatalf("got size %v, want %v", got.Bounds().Size(), tt.size)
			}
			white := 0
			for y := range tt.size.Y {
				for x := range tt.size.X {
					if r, _, _, _ := got.At(x, y).RGBA(); r > 0x8000 {
						white++
					}
				}
			}
			r, _, _, _ := got.At(tt.white.X, tt.white.Y).RGBA()
			if r < 0xf000 || white < 32*16*9/10 || white > 32*16*11/10 {
				t.Errorf("got %d white pixels, and %x at %v; want the white quarter there", white, r, tt.white)
			}
		})
	}
}

func TestToPNG_8bits(t *testing.T) {
	for name, m := range map[string]image.Image{
		"color": image.NewRGBA(image.Rect(0, 0, 16, 16)),
		"gray":  image.NewGray(image.Rect(0, 0, 16, 16)),
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := jpeg.Encode(&b, m, nil); err != nil {
				t.Fatal(err)
			}
			out, err := toPNG(b.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			const depthAt = 24 // in IHDR: behind signature, length, type, width and height
			if out[depthAt] != 8 {
				t.Errorf("got %d bits a channel, want 8", out[depthAt])
			}
		})
	}
}

func TestOrientation_damaged(t *testing.T) {
	whole := mjpeg.Orient(nil, []byte("\xff\xd8\xff\xdb\x00\x02"), 90)
	if got := orientation(whole); got != 6 {
		t.Errorf("got orientation %d, want 6", got)
	}
	for n := 2; n < len(whole); n++ {
		orientation(whole[:n]) // must not panic
		damaged := bytes.Clone(whole)
		damaged[n] ^= 0xff
		orientation(damaged)
	}
}
