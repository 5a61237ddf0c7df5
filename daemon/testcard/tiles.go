package testcard

import (
	"image"
	imagecolor "image/color"

	"vchat/daemon/mjpeg"
)

// A frame consists of 16x16 tiles that are encoded independently. A moving
// frame therefore costs no encoding: most tiles stay, the others were encoded
// at the start.
//
//	paint: strip by strip ─▶ tiles ─▶ join: fixed, hole, fixed, hole, … ─▶ append: a whole JPEG

const tileQuality = 70 // JPEG quality

// tiles holds the encoded tiles of a frame, row by row.
type tiles struct {
	width, height int // pixels
	cols, rows    int
	encoded       [][]byte
}

// paint encodes a frame. It calls draw once for each row of tiles, with an
// image whose bounds are that row's part of the frame. So only one strip of
// pixels is in memory at a time.
func paint(enc *mjpeg.Encoder, width, height int, draw func(*image.RGBA)) *tiles {
	const side = mjpeg.TileSize
	m := &tiles{width: width, height: height, cols: (width + side - 1) / side, rows: (height + side - 1) / side}
	strip := image.NewRGBA(image.Rect(0, 0, m.cols*side, side))
	var code []byte // of one row
	var tile mjpeg.Tile
	for y := range m.rows {
		strip.Rect = image.Rect(0, y*side, m.cols*side, (y+1)*side)
		draw(strip)
		code = nil
		ends := make([]int, 0, m.cols)
		for x := range m.cols {
			cut(&tile, strip, x*side, y*side)
			code = enc.AppendTile(code, &tile)
			ends = append(ends, len(code))
		}
		code = append(make([]byte, 0, len(code)), code...) // drop the encoder's spare capacity
		start := 0
		for _, end := range ends {
			m.encoded = append(m.encoded, code[start:end:end])
			start = end
		}
	}
	return m
}

// cut copies the tile at x, y out of an image, as YCbCr 4:2:0.
func cut(t *mjpeg.Tile, img *image.RGBA, x, y int) {
	for j := 0; j < 16; j += 2 {
		for i := 0; i < 16; i += 2 {
			var cb, cr int
			for k := range 4 {
				dx, dy := i+k&1, j+k>>1
				p := img.Pix[img.PixOffset(x+dx, y+dy):]
				luma, b, r := imagecolor.RGBToYCbCr(p[0], p[1], p[2])
				t.Y[16*dy+dx] = luma
				cb, cr = cb+int(b), cr+int(r)
			}
			t.Cb[j/2*8+i/2], t.Cr[j/2*8+i/2] = byte((cb+2)/4), byte((cr+2)/4)
		}
	}
}

// joined is a frame with holes: everything but the tiles that change.
type joined struct {
	fixed [][]byte // the bytes between the holes; one more than there are holes
	bytes int      // total length of fixed
}

// join concatenates header, tiles and restart markers. It leaves out the tiles
// in holes: ascending indices.
func (m *tiles) join(enc *mjpeg.Encoder, comment []byte, holes []int) *joined {
	j := new(joined)
	run := enc.AppendTiledHeader(nil, m.width, m.height, comment)
	endRun := func() {
		j.fixed = append(j.fixed, append([]byte(nil), run...))
		j.bytes += len(run)
		run = run[:0]
	}
	left := holes
	for i, t := range m.encoded {
		if i > 0 {
			run = mjpeg.AppendRestart(run, i-1)
		}
		if len(left) > 0 && left[0] == i {
			left = left[1:]
			endRun()
		} else {
			run = append(run, t...)
		}
	}
	run = mjpeg.AppendEnd(run)
	endRun()
	return j
}

// append appends the frame, with fill[i] in hole i.
func (j *joined) append(dst []byte, fill [][]byte) []byte {
	for i, f := range fill {
		dst = append(dst, j.fixed[i]...)
		dst = append(dst, f...)
	}
	return append(dst, j.fixed[len(j.fixed)-1]...)
}
