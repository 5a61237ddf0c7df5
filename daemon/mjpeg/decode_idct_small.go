package mjpeg

// At a half and a quarter of the size the lowest 4x4 and 2x2 frequencies of
// each block are transformed. Up to a factor they are the DCT of so many
// samples. In the scale of line8 the factor is 1.

// idct4 writes 4x4 samples to dst. It ignores rows and columns from 4 on.
func idct4(dst []byte, stride int, block *[32]int64) {
	var ws [8]int64 // as in idct8, with four columns
	for p := range 2 {
		o0, o1, o2, o3 := line4of4(block[p], block[4+p], block[8+p], block[12+p], columnRound)
		ws[2*p], ws[2*p+1] = transposePair(o0, o1)
		ws[4+2*p], ws[4+2*p+1] = transposePair(o2, o3)
	}
	for i := 0; i < 8; i += 4 {
		o0, o1, o2, o3 := line4of4(ws[i], ws[i+1], ws[i+2], ws[i+3], rowRound)
		even, odd := (*[4]byte)(dst), (*[4]byte)(dst[stride:])
		even[0], odd[0] = clampPair(o0)
		even[1], odd[1] = clampPair(o1)
		even[2], odd[2] = clampPair(o2)
		even[3], odd[3] = clampPair(o3)
		if i < 4 {
			dst = dst[2*stride:]
		}
	}
}

// line4of4 transforms four frequencies to four samples times 2^13.
func line4of4(a0, a1, a2, a3, round int64) (o0, o1, o2, o3 int64) {
	e0, e1 := (a0+a2)<<factorBits+round, (a0-a2)<<factorBits+round
	q0 := a1*(c6+c2m6) + a3*c6
	q1 := a1*c6 - a3*(c6+c2m6)
	return e0 + q0, e1 + q1, e1 - q1, e0 - q0
}

// idct2 writes 2x2 samples to dst. It ignores rows and columns from 2 on.
func idct2(dst []byte, stride int, block *[32]int64) {
	const round = 4 + 128<<3
	c00, c10 := int32(block[0])+round, int32(block[4])
	c01, c11 := int32((block[0]-int64(int32(block[0])))>>32), int32((block[4]-int64(c10))>>32)
	dst[0] = clampTable[(c00+c01+c10+c11)>>3&(clampTableLen-1)]
	dst[1] = clampTable[(c00-c01+c10-c11)>>3&(clampTableLen-1)]
	dst[stride] = clampTable[(c00+c01-c10-c11)>>3&(clampTableLen-1)]
	dst[stride+1] = clampTable[(c00-c01-c10+c11)>>3&(clampTableLen-1)]
}
