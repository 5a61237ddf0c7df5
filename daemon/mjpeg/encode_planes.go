package mjpeg

// EncodeNV12 appends a JPEG 4:2:0 frame made of a plane of Y and, right behind its h rows, a plane of Cb and Cr in turn to dst.
// Odd widths and heights have a chroma sample for their last column and row. A row of either plane takes stride bytes (0: w,
// or w+1 if that is odd), the last one need not be padded. The error is ErrGeometry. For the range of values see EncodeYUYV.
func (e *Encoder) EncodeNV12(dst, src []byte, w, h, stride int) ([]byte, error) {
	pairs, lines := (w+1)/2, (h+1)/2
	if stride == 0 {
		stride = 2 * pairs
	}
	if w < 1 || w > 65535 || h < 1 || h > 65535 || !holds(src, h+lines, stride, 2*pairs) {
		return dst, misfit(src, w, h, stride)
	}
	chroma := src[stride*h:]
	out := e.begin(dst, kind{w, h, 0x22})
	var dc [3]int32
	for y := 0; y < h; y += 16 {
		for x := 0; x < w; x += 16 {
			l, c, mstride := src[y*stride+x:], chroma[y/2*stride+x:], stride
			if x+16 > w || y+16 > h {
				fillPlane(e.edge[:256], l, stride, w-x, h-y, 1)
				fillPlane(e.edge[256:], c, stride, 2*pairs-x, lines-y/2, 2)
				l, c, mstride = e.edge[:], e.edge[256:], 16
			}
			out.room()
			dc[0] = e.block(&out, l, 1, mstride, 0, dc[0])
			dc[0] = e.block(&out, l[8:], 1, mstride, 0, dc[0])
			l = l[8*mstride:]
			dc[0] = e.block(&out, l, 1, mstride, 0, dc[0])
			dc[0] = e.block(&out, l[8:], 1, mstride, 0, dc[0])
			dc[1] = e.block(&out, c, 2, mstride, 1, dc[1])
			dc[2] = e.block(&out, c[1:], 2, mstride, 1, dc[2])
		}
	}
	return out.end(), nil
}

// EncodeGrey appends a JPEG frame of a single component, made of a plane of Y, to dst. A row takes stride bytes (0: w), the
// last one need not be padded. The error is ErrGeometry.
func (e *Encoder) EncodeGrey(dst, src []byte, w, h, stride int) ([]byte, error) {
	if stride == 0 {
		stride = w
	}
	if w < 1 || w > 65535 || h < 1 || h > 65535 || !holds(src, h, stride, w) {
		return dst, misfit(src, w, h, stride)
	}
	out := e.begin(dst, kind{w, h, 0})
	dc := int32(0)
	for y := 0; y < h; y += 8 {
		for x := 0; x < w; x += 8 {
			m, mstride := src[y*stride+x:], stride
			if x+8 > w || y+8 > h {
				fillPlane(e.edge[:16*8], m, stride, w-x, h-y, 1)
				m, mstride = e.edge[:], 16
			}
			out.room()
			dc = e.block(&out, m, 1, mstride, 0, dc)
		}
	}
	return out.end(), nil
}

// fillPlane copies the row bytes by rows rows that there are into edge, 16 bytes a row, and repeats the last pixels, of step bytes
// each, to fill it.
func fillPlane(edge, src []byte, stride, row, rows, step int) {
	row = min(row, 16)
	for y := range len(edge) / 16 {
		line := edge[y*16 : y*16+16]
		copy(line, src[min(y, rows-1)*stride:][:row])
		for n := row; n < 16; n++ {
			line[n] = line[n-step]
		}
	}
}
