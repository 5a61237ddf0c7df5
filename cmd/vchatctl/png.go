package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"image/png"
)

// toPNG returns a JPEG frame as PNG, upright.
func toPNG(frame []byte) ([]byte, error) {
	m, err := jpeg.Decode(bytes.NewReader(frame))
	if err != nil {
		return nil, fmt.Errorf("decode frame: %w", err)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, upright(rgb(m), orientation(frame))); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// rgb returns an image with 8 bits a channel. Of YCbCr, png would make 16.
func rgb(m image.Image) image.Image {
	if gray, ok := m.(*image.Gray); ok {
		return gray
	}
	converted := image.NewRGBA(m.Bounds())
	draw.Draw(converted, converted.Rect, m, m.Bounds().Min, draw.Src)
	return converted
}

// upright turns an image as its EXIF orientation says.
func upright(m image.Image, orientation uint16) image.Image {
	r := m.Bounds()
	w, h := r.Dx(), r.Dy()
	var from func(x, y int) (int, int) // in m, for a pixel of the result
	switch orientation {
	case 3:
		from = func(x, y int) (int, int) { return w - 1 - x, h - 1 - y }
	case 6:
		from = func(x, y int) (int, int) { return y, h - 1 - x }
	case 8:
		from = func(x, y int) (int, int) { return w - 1 - y, x }
	default: // upright; no camera mirrors
		return m
	}
	size := image.Rect(0, 0, w, h)
	if orientation != 3 {
		size = image.Rect(0, 0, h, w)
	}
	turned := image.NewRGBA(size)
	for y := range size.Dy() {
		for x := range size.Dx() {
			fx, fy := from(x, y)
			turned.Set(x, y, m.At(r.Min.X+fx, r.Min.Y+fy))
		}
	}
	return turned
}

// orientation returns the Orientation tag of a frame, or 1. See EXIF 2.3,
// 4.5.4 and 4.6.4 A.
func orientation(frame []byte) uint16 {
	const upright, app1, tagOrientation = 1, 0xE1, 0x0112
	for s := frame[2:]; len(s) >= 4 && s[0] == 0xFF && s[1]&0xF0 == 0xE0; {
		n := 2 + int(binary.BigEndian.Uint16(s[2:]))
		if n < 4 || n > len(s) {
			break
		}
		tiff, ok := bytes.CutPrefix(s[4:n], []byte("Exif\x00\x00"))
		if s[1] != app1 || !ok || len(tiff) < 8 {
			s = s[n:]
			continue
		}
		var order binary.ByteOrder = binary.BigEndian
		if tiff[0] == 'I' {
			order = binary.LittleEndian
		}
		at := int(order.Uint32(tiff[4:]))
		if at > len(tiff)-2 {
			break
		}
		entries := tiff[at+2:]
		for range order.Uint16(tiff[at:]) {
			if len(entries) < 12 {
				break
			}
			if order.Uint16(entries) == tagOrientation {
				return order.Uint16(entries[8:])
			}
			entries = entries[12:]
		}
		break
	}
	return upright
}
