package framecodec

import (
	"errors"
	"fmt"
	"math"
	"time"

	"vchat/daemon/mjpeg"
)

// fitter reduces JPEGs to a budget: first by coarser quantisation, then, before
// only blocks are left, to a smaller width and height. Below the smallest size
// only fewer frames help: the congestion controller sends fewer.
type fitter struct {
	requantise requantiseFunc
	buf        []byte

	size     int             // index into sizes of the last frame
	sizedAt  time.Duration   // when a smaller size was last necessary
	tooSmall [len(sizes)]int // the largest budget that was too small for a size
}

// requantiseFunc appends src to dst in at most limit bytes, or in as few as it
// can, at so many eighths of its width and height. coarseness is the factor
// between the quantisation steps and those of mjpeg at scale 80: 1 is quality
// 50.
type requantiseFunc func(dst, src []byte, info mjpeg.Info, limit, eighths int) (
	out []byte, coarseness float64, err error)

// sizes are those that a frame can have, from the largest. On photos a frame
// coarser than maxCoarseness looks better at the next size: in full size
// because blocks dominate (quality 17), in half the size because its blocks
// have hardly more than their mean.
var sizes = [...]struct {
	eighths       int // of the width and height
	maxCoarseness float64
}{{8, 3}, {4, 3}, {3, math.Inf(1)}}

const (
	// A larger size is tried again when the budget is retryBudgetFactor times
	// the one that was too small; or after retryInterval, because another scene
	// may need less. Then it must not be coarser than retryCoarseness times the
	// limit: otherwise frames at the limit would change their size all the
	// time.
	retryBudgetFactor = 1.4
	retryInterval     = 2 * time.Second
	retryCoarseness   = 0.85
)

func newFitter() fitter { return fitter{requantise: newRequantise()} }

// newRequantise returns a requantiseFunc that reuses its buffers, so that it
// allocates nothing once warm.
func newRequantise() requantiseFunc {
	r := new(mjpeg.Requantiser)
	return func(dst, src []byte, info mjpeg.Info, limit, eighths int) ([]byte, float64, error) {
		if err := r.Load(src, info); err != nil {
			return dst, 0, err
		}
		if eighths < 8 {
			r.Shrink(eighths)
		}
		dst, scale := r.AppendWithin(dst, limit)
		return dst, math.Exp2(float64(scale-80) / 16), nil // see mjpeg.Scale
	}
}

// ErrBroken reports a frame that must be reduced, but is damaged.
var ErrBroken = errors.New("frame is damaged")

// fit returns a JPEG in at most budget bytes, or in as few as it can, and how
// many eighths of the width and height it has; data itself if it is of a kind
// that cannot be reduced. The result is valid until the next call. The error is
// ErrBroken.
func (q *fitter) fit(data []byte, budget int, now time.Duration) (out []byte, eighths int, err error) {
	out, eighths, err = q.reduce(data, budget, now)
	switch {
	case errors.Is(err, mjpeg.ErrUnsupported):
		return data, 8, nil
	case err != nil:
		return nil, 0, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return out, eighths, nil
}

// reduce is fit, with the error of mjpeg.
func (q *fitter) reduce(data []byte, budget int, now time.Duration) (out []byte, eighths int, err error) {
	info, err := mjpeg.Check(data)
	if err != nil {
		return nil, 0, err
	}
	retry := q.size > 0 && now-q.sizedAt > retryInterval
	for q.size > 0 && float64(budget) > retryBudgetFactor*float64(q.tooSmall[q.size-1]) {
		q.size, retry = q.size-1, false
	}
	size := q.size
	if retry {
		size--
	}
	for ; ; size++ {
		out, coarseness, err := q.requantise(q.buf[:0], data, info, budget, sizes[size].eighths)
		if err != nil {
			return nil, 0, err
		}
		q.buf = out
		most := sizes[size].maxCoarseness
		allowed := most
		retrying := size < q.size
		if retrying {
			allowed *= retryCoarseness
		}
		if size == len(sizes)-1 || coarseness <= allowed && len(out) <= budget {
			if size != q.size {
				q.size, q.sizedAt = size, now
			}
			return out, sizes[size].eighths, nil
		}
		if coarseness > most || !retrying {
			q.tooSmall[size] = budget
		}
		q.sizedAt = now
	}
}
