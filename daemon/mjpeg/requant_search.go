package mjpeg

// inSample reports whether estimates include chunk i: one in eight, spread by
// Fibonacci hashing so that no frame width correlates with it.
func inSample(i int) bool { return uint32(i)*2654435769>>29 == 0 }

// minSampledChunks is the least number of chunks for sampling. Smaller frames
// are estimated from all chunks.
const minSampledChunks = 256

// estimateLen returns the approximate length of the frame at scale s, in bytes.
// Of a small frame it generates all tokens, which Append then uses.
func (r *Requantiser) estimateLen(s Scale) int {
	if n := r.estimates[s]; n > 0 {
		return n
	}
	r.setScale(s)
	r.tokens.reset()
	sampledChunks, allChunks := 0, len(r.coefs.chunks)
	for i, c := range r.coefs.chunks {
		if r.sampled() && !inSample(i) {
			continue
		}
		for j := range c.pred {
			c.pred[j] = r.params.quantiseDC(j, c.pred[j])
		}
		r.tokens.appendWords(&r.params, &r.geometry, r.coefs.chunkWords(i), &c.pred)
		sampledChunks++
	}
	bits := r.buildTables()
	if sampledChunks == allChunks {
		r.tokenised = s
	}
	n := r.headerLen() + int(float64(bits)/8*float64(allChunks)/float64(sampledChunks)*r.sizeCorrection)
	r.estimates[s] = n
	return n
}

// sampled reports whether estimates are those of a sample.
func (r *Requantiser) sampled() bool { return len(r.coefs.chunks) >= minSampledChunks }

// minFill is the share of the limit, in per cent, that is good enough. The next
// finer scale takes two to four per cent more.
func (r *Requantiser) minFill() int {
	if r.sampled() {
		return 96
	}
	return 98
}

// coarsest returns the coarsest scale of AppendWithin.
func (r *Requantiser) coarsest() Scale {
	if r.shrunk {
		return MaxShrunkScale
	}
	return MaxScale
}

// findScale returns the finest scale with an estimated length of at most limit
// bytes, or one that nearly takes as much. It starts at the previous frame's
// scale, which is usually close: while the scene stays, one estimate is enough.
func (r *Requantiser) findScale(limit int) Scale {
	r.estimates = [MaxScale + 1]int{}
	fits, tooLarge := r.coarsest()+1, Scale(-1)
	s := min(max(r.lastScale, 0), r.coarsest())
	for step := Scale(1); tooLarge+1 < fits; step *= 2 {
		if n := r.estimateLen(s); n <= limit {
			fits = s
			if n >= limit*r.minFill()/100 || s == r.lastScale && float64(n)*r.finerRatio > float64(limit) {
				break
			}
		} else {
			tooLarge = s
		}
		switch {
		case fits > r.coarsest(): // all too large so far
			s = min(s+step, r.coarsest())
		case tooLarge < 0:
			s = max(s-step, 0)
		default:
			s = (fits + tooLarge) / 2
		}
		if s == tooLarge {
			break // at the coarsest
		}
	}
	s = min(fits, r.coarsest())
	if s > 0 && r.estimates[s-1] > limit {
		r.finerRatio = float64(r.estimates[s-1]) / float64(r.estimates[s])
	} else if s != r.lastScale {
		r.finerRatio = 0
	}
	return s
}

// AppendWithin appends the loaded frame to dst at the finest scale that fits
// limit bytes, and returns the scale. It uses at least 90 % of limit where
// possible. At MaxScale the frame may exceed limit; Shrink helps then. After
// Shrink that scale is MaxShrunkScale.
//
// Scales are tried on an eighth of a large frame, and on all of a small one.
// The first one is the previous frame's, so it takes little longer than Append
// while the scene stays.
func (r *Requantiser) AppendWithin(dst []byte, limit int) ([]byte, Scale) {
	if r.geometry.n == 0 {
		return dst, 0
	}
	if r.sizeCorrection == 0 {
		r.sizeCorrection = 1.01 // for stuffed zeros
	}
	begin, tooLarge, target := len(dst), Scale(-1), limit
	if r.sampled() {
		target = limit * 99 / 100
	}
	for tries := 1; ; tries++ {
		s := max(r.findScale(target), tooLarge+1)
		if tries > 3 {
			s = min(s+Scale(2*tries), r.coarsest())
		}
		estimate := r.estimateLen(s)
		dst = r.Append(dst[:begin], s)
		size := len(dst) - begin
		over := r.headerLen()
		r.sizeCorrection *= min(max(float64(size-over)/float64(max(estimate-over, 1)), 0.5), 2)
		r.lastScale = s
		good := size <= limit && (!r.sampled() || s == 0 || size >= limit*9/10 || tries > 1)
		if good || s == r.coarsest() {
			return dst, s
		}
		if size > limit {
			tooLarge = s
		}
	}
}
