package mjpeg

// sampled says whether chunk i is in the sample that scales are tried on: one in eight, spread by Fibonacci hashing so that
// no width of a frame makes a pattern of it.
func sampled(i int) bool { return uint32(i)*2654435769>>29 == 0 }

// wholeBelow is how many chunks a frame must have for a sample to say enough of it.
const wholeBelow = 256

// estimate says about how many bytes the frame takes at scale s.
func (r *Requantiser) estimate(s Scale) int {
	r.aim(s)
	r.tokens.start()
	n, all := 0, len(r.coef.chunks)
	for i, c := range r.coef.chunks {
		if all >= wholeBelow && !sampled(i) {
			continue
		}
		for j := range c.pred {
			c.pred[j] = r.plan.quantiseDC(j, c.pred[j])
		}
		r.tokens.run(&r.plan, &r.shape, r.coef.part(i), &c.pred)
		n++
	}
	bits := r.makeTables()
	return r.overhead() + int(float64(bits)/8*float64(all)/float64(n)*r.bias)
}

// seek looks for the finest scale at which the frame takes no more than limit bytes by the estimate. It begins at the last
// frame's, which is mostly near.
func (r *Requantiser) seek(limit int) Scale {
	fits, tooLarge := MaxScale+1, Scale(-1)
	s := min(max(r.last, 0), MaxScale)
	for step := Scale(2); tooLarge+1 < fits; step *= 2 {
		if r.estimate(s) <= limit {
			fits = s
		} else {
			tooLarge = s
		}
		switch {
		case fits > MaxScale: // only too large ones yet
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

// AppendWithin appends the loaded frame to dst at the finest scale that makes it limit bytes or shorter, and returns that
// scale. It aims within some per cent. At MaxScale the frame may be longer: there is nothing coarser. Halve helps then.
//
// Scales are tried on an eighth of the frame, beginning with the last one's, so that it takes about one and a half times as
// long as Append.
func (r *Requantiser) AppendWithin(dst []byte, limit int) ([]byte, Scale) {
	if r.shape.n == 0 {
		return dst, 0
	}
	if r.bias == 0 {
		r.bias = 1.01 // stuffed zeros
	}
	begin, tooLarge := len(dst), Scale(-1)
	for tries := 1; ; tries++ {
		s := max(r.seek(limit*99/100), tooLarge+1)
		if tries > 3 {
			s = min(s+Scale(2*tries), MaxScale)
		}
		estimate := r.estimate(s)
		dst = r.Append(dst[:begin], s)
		size := len(dst) - begin
		over := r.overhead()
		r.bias *= min(max(float64(size-over)/float64(max(estimate-over, 1)), 0.5), 2)
		r.last = s
		fine := size <= limit && (s == 0 || size >= limit*9/10 || tries > 1)
		if fine || s == MaxScale {
			return dst, s
		}
		if size > limit {
			tooLarge = s
		}
	}
}
