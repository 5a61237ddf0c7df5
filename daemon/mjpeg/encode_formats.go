package mjpeg

// Samples are the samples of one component in a raw frame: Step bytes from one
// to the next in a row, and Stride bytes from row to row. So one type describes
// packed, interleaved and separate planes.
type Samples struct {
	Data         []byte
	Step, Stride int
}

// hold reports whether Data has all samples of w columns and h rows.
func (s Samples) hold(w, h int) bool {
	return s.Step > 0 && s.Stride >= s.Step*(w-1)+1 && fits(s.Data, h, s.Stride, s.Step*(w-1)+1)
}

// at returns the bytes from the sample in column x of row y.
func (s Samples) at(x, y int) []byte { return s.Data[y*s.Stride+x*s.Step:] }

// gather copies w x h samples from column x of row y to dst. Columns and rows
// from across and down on repeat the last one.
func (s Samples) gather(dst []byte, x, y, w, h, across, down int) {
	for j := range h {
		row := s.at(0, min(y+j, down-1))
		for i := range w {
			dst[j*w+i] = row[min(x+i, across-1)*s.Step]
		}
	}
}

// EncodeSamples appends a JPEG frame of w x h pixels to dst. Cb and Cr have
// half the columns of Y, rounded up. With halfRows they also have half the rows
// (4:2:0), else as many (4:2:2). The error is ErrGeometry. For the range of
// values see EncodeYUYV.
func (e *Encoder) EncodeSamples(dst []byte, y, cb, cr Samples, w, h int, halfRows bool) ([]byte, error) {
	pairs, lines, sampling, mcu := (w+1)/2, h, byte(0x21), 8
	if halfRows {
		lines, sampling, mcu = (h+1)/2, 0x22, 16
	}
	if w < 1 || w > 65535 || h < 1 || h > 65535 || !y.hold(w, h) || !cb.hold(pairs, lines) || !cr.hold(pairs, lines) {
		return dst, geometryError(y.Data, w, h, y.Stride)
	}
	out := e.start(dst, frameKind{w, h, sampling})
	var dc [3]int32
	var tile Tile
	for top := 0; top < h; top += mcu {
		for x := 0; x < w; x += 16 {
			out.grow()
			chromaTop := top * 8 / mcu // of eight rows for each MCU
			if x+16 > w || top+mcu > h {
				y.gather(tile.Y[:], x, top, 16, mcu, w, h)
				cb.gather(tile.Cb[:], x/2, chromaTop, 8, 8, pairs, lines)
				cr.gather(tile.Cr[:], x/2, chromaTop, 8, 8, pairs, lines)
				e.tile(&out, &tile, mcu, &dc)
				continue
			}
			for row := top; row < top+mcu; row += 8 {
				dc[0] = e.block(&out, y.at(x, row), y.Step, y.Stride, 0, dc[0])
				dc[0] = e.block(&out, y.at(x+8, row), y.Step, y.Stride, 0, dc[0])
			}
			dc[1] = e.block(&out, cb.at(x/2, chromaTop), cb.Step, cb.Stride, 1, dc[1])
			dc[2] = e.block(&out, cr.at(x/2, chromaTop), cr.Step, cr.Stride, 1, dc[2])
		}
	}
	return out.end(), nil
}

// tile writes one MCU of 16 columns and mcu rows.
func (e *Encoder) tile(out *bitWriter, t *Tile, mcu int, dc *[3]int32) {
	for row := 0; row < mcu; row += 8 {
		dc[0] = e.block(out, t.Y[16*row:], 1, 16, 0, dc[0])
		dc[0] = e.block(out, t.Y[16*row+8:], 1, 16, 0, dc[0])
	}
	dc[1] = e.block(out, t.Cb[:], 1, 8, 1, dc[1])
	dc[2] = e.block(out, t.Cr[:], 1, 8, 1, dc[2])
}

// EncodeRGB appends a JPEG 4:2:0 frame made of three bytes a pixel to dst: red,
// green and blue, or with bgr the other way round. A row takes stride bytes (0:
// 3*w), the last one need not be padded. The error is ErrGeometry.
func (e *Encoder) EncodeRGB(dst, src []byte, w, h, stride int, bgr bool) ([]byte, error) {
	if stride == 0 {
		stride = 3 * w
	}
	if w < 1 || w > 65535 || h < 1 || h > 65535 || !fits(src, h, stride, 3*w) {
		return dst, geometryError(src, w, h, stride)
	}
	out := e.start(dst, frameKind{w, h, 0x22})
	var dc [3]int32
	var tile Tile
	red, blue := 0, 2
	if bgr {
		red, blue = 2, 0
	}
	for y := 0; y < h; y += 16 {
		for x := 0; x < w; x += 16 {
			tile.fromRGB(src, x, y, w, h, stride, red, blue)
			out.grow()
			e.tile(&out, &tile, 16, &dc)
		}
	}
	return out.end(), nil
}

// fromRGB fills the tile with the pixels from column x of row y, by the
// equations of JFIF with 16 bits of fraction. Columns and rows outside the
// frame repeat the last one.
func (t *Tile) fromRGB(src []byte, x, y, w, h, stride, red, blue int) {
	var sums [64][3]int32 // of four pixels: red, green, blue
	for j := range 16 {
		row := src[min(y+j, h-1)*stride:]
		for i := range 16 {
			p := row[3*min(x+i, w-1):]
			r, g, b := int32(p[red]), int32(p[1]), int32(p[blue])
			t.Y[16*j+i] = uint8((19595*r + 38470*g + 7471*b + 1<<15) >> 16)
			s := &sums[j/2*8+i/2]
			s[0], s[1], s[2] = s[0]+r, s[1]+g, s[2]+b
		}
	}
	for i, s := range sums {
		// 128 and a half, less the smallest fraction: the largest result is
		// 255.
		const bias = 128<<18 + 1<<17 - 1
		t.Cb[i] = uint8((-11059*s[0] - 21709*s[1] + 32768*s[2] + bias) >> 18)
		t.Cr[i] = uint8((32768*s[0] - 27439*s[1] - 5329*s[2] + bias) >> 18)
	}
}
