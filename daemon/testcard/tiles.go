package testcard

import (
	"image"
	imagecolor "image/color"

	"vchat/daemon/mjpeg"
)

// A frame that this program paints is a mosaic of 16x16 tiles that are encoded each by itself, so that a moving frame
// costs no encoding: most tiles stay, and the others are taken from a stock made at the start.
//
//	paint: strip by strip ─▶ tiles ─▶ join: fixed bytes, hole, fixed bytes, hole, … ─▶ append: a whole JPEG

const tileQuality = 70

// mosaic is a frame's tiles, row by row.
type tiles struct {
	width, height int
	cols, rows    int
	encoded       [][]byte
}

// paint makes a mosaic. draw gets one row of tiles after the other: an image whose bounds say which part of the frame
// it is. There is never more than one strip of pixels in memory, whatever the frame's size.
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
		code = append(make([]byte, 0, len(code)), code...) // not with the room that the encoder likes
		start := 0
		for _, end := range ends {
			m.encoded = append(m.encoded, code[start:end:end])
			start = end
		}
	}
	return m
}

// cut takes the tile at x, y out of an image.
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

// joined is a mosaic made ready for output.
type joined struct {
	fixed [][]byte // one more than there are holes
	holes []int    // their places in the mosaic, upwards
	bytes int      // of fixed
}

// join puts header, tiles and restart markers together and leaves holes at the given places, upwards.
func (m *tiles) join(enc *mjpeg.Encoder, comment []byte, holes []int) *joined {
	j := &joined{holes: holes}
	run := enc.AppendTiledHeader(nil, m.width, m.height, comment)
	cutOff := func() {
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
			cutOff()
		} else {
			run = append(run, t...)
		}
	}
	run = mjpeg.AppendEnd(run)
	cutOff()
	return j
}

// append appends the frame with fill[i] in the i-th hole.
func (j *joined) append(dst []byte, fill [][]byte) []byte {
	for i, f := range fill {
		dst = append(dst, j.fixed[i]...)
		dst = append(dst, f...)
	}
	return append(dst, j.fixed[len(j.fixed)-1]...)
}
