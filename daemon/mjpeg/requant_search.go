package mjpeg

// inSample reports whether estimates include chunk i: one in eight, spread by
// Fibonacci hashing so that no frame width correlates with it.
func inSample(i int) bool { return uint32(i)*2654435769>>29 == 0 }

// minSampledChunks is the least number of chunks for sampling. Smaller frames
// are estimated from all chunks.
const minSampledChunks = 256

// estimateLen returns the approximate length of the frame at scale s, in bytes.
func (r *Requantiser) estimateLen(s Scale) int {
	r.setScale(s)
	r.tokens.reset()
	sampledChunks, allChunks := 0, len(r.coefs.chunks)
	for i, c := range r.coefs.chunks {
		if allChunks >= minSampledChunks && !inSample(i) {
			continue
		}
		for j := range c.pred {
			c.pred[j] = r.params.quantiseDC(j, c.pred[j])
		}
		r.tokens.appendWords(&r.params, &r.geometry, r.coefs.chunkWords(i), &c.pred)
		sampledChunks++
	}
	bits := r.buildTables()
	return r.headerLen() + int(float64(bits)/8*float64(allChunks)/float64(sampledChunks)*r.sizeCorrection)
}

// findScale returns the finest scale with an estimated length of at most limit
// bytes. It starts at the previous frame's scale, which is usually close.
func (r *Requantiser) findScale(limit int) Scale {
	fits, tooLarge := MaxScale+1, Scale(-1)
	s := min(max(r.lastScale, 0), MaxScale)
	for step := Scale(2); tooLarge+1 < fits; step *= 2 {
		if r.estimateLen(s) <= limit {
			fits = s
		} else {
			tooLarge = s
		}
		switch {
		case fits > MaxScale: // all too large so far
			s = min(s+step, MaxScale)
		case tooLarge < 0:
			s = max(s-step, 0)
		default:
			s = (fits + tooLarge) / 2
		}
		if s == tooLarge {
			break // at MaxScale
		}
	}
	return min(fits, MaxScale)
}

// AppendWithin appends the loaded frame to dst at the finest scale that fits
// limit bytes, and returns the scale. It uses at least 90 % of limit where
// possible. At MaxScale the frame may exceed limit; Halve helps then.
//
// Scales are tried on an eighth of the frame, so it takes about one and a half
// times as long as Append.
func (r *Requantiser) AppendWithin(dst []byte, limit int) ([]byte, Scale) {
	if r.geometry.n == 0 {
		return dst, 0
	}
	if r.sizeCorrection == 0 {
		r.sizeCorrection = 1.01 // for stuffed zeros
	}
	begin, tooLarge := len(dst), Scale(-1)
	for tries := 1; ; tries++ {
		s := max(r.findScale(limit*99/100), tooLarge+1)
		if tries > 3 {
			s = min(s+Scale(2*tries), MaxScale)
		}
		estimate := r.estimateLen(s)
		dst = r.Append(dst[:begin], s)
		size := len(dst) - begin
		over := r.headerLen()
		r.sizeCorrection *= min(max(float64(size-over)/float64(max(estimate-over, 1)), 0.5), 2)
		r.lastScale = s
		good := size <= limit && (s == 0 || size >= limit*9/10 || tries > 1)
		if good || s == MaxScale {
			return dst, s
		}
		if size > limit {
			tooLarge = s
		}
	}
}
