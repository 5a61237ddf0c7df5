package mjpeg

// EncodeNV12 encodes NV12 as 4:2:0 and appends the frame to dst. src is a plane
// of Y of h rows, followed by a plane of interleaved Cb and Cr. An odd width or
// height has a chroma sample for its last column or row. A row of either plane
// takes stride bytes (0: w rounded up to even); the last row needs no padding.
// The error is ErrGeometry. For the range of values see EncodeYUYV.
func (e *Encoder) EncodeNV12(dst, src []byte, w, h, stride int) ([]byte, error) {
	pairs, lines := (w+1)/2, (h+1)/2
	if stride == 0 {
		stride = 2 * pairs
	}
	if w < 1 || w > 65535 || h < 1 || h > 65535 || !fits(src, h+lines, stride, 2*pairs) {
		return dst, geometryError(src, w, h, stride)
	}
	chroma := src[stride*h:]
	out := e.start(dst, frameKind{w, h, 0x22})
	var dc [3]int32
	for y := 0; y < h; y += 16 {
		for x := 0; x < w; x += 16 {
			l, c, mstride := src[y*stride+x:], chroma[y/2*stride+x:], stride
			if x+16 > w || y+16 > h {
				fillPlane(e.edgeMCU[:256], l, stride, w-x, h-y, 1)
				fillPlane(e.edgeMCU[256:], c, stride, 2*pairs-x, lines-y/2, 2)
				l, c, mstride = e.edgeMCU[:], e.edgeMCU[256:], 16
			}
			out.grow()
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

// EncodeGrey encodes a plane of Y as a frame of one component and appends it to
// dst. A row takes stride bytes (0: w); the last row needs no padding. The
// error is ErrGeometry.
func (e *Encoder) EncodeGrey(dst, src []byte, w, h, stride int) ([]byte, error) {
	if stride == 0 {
		stride = w
	}
	if w < 1 || w > 65535 || h < 1 || h > 65535 || !fits(src, h, stride, w) {
		return dst, geometryError(src, w, h, stride)
	}
	out := e.start(dst, frameKind{w, h, 0})
	dc := int32(0)
	for y := 0; y < h; y += 8 {
		for x := 0; x < w; x += 8 {
			m, mstride := src[y*stride+x:], stride
			if x+8 > w || y+8 > h {
				fillPlane(e.edgeMCU[:16*8], m, stride, w-x, h-y, 1)
				m, mstride = e.edgeMCU[:], 16
			}
			out.grow()
			dc = e.block(&out, m, 1, mstride, 0, dc)
		}
	}
	return out.end(), nil
}

// fillPlane copies the available rows of row bytes into edge, 16 bytes a row.
// It repeats the last pixel, of step bytes, to fill it.
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
