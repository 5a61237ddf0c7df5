package framecodec

import (
	"errors"
	"fmt"
	"math"
	"time"

	"vchat/daemon/mjpeg"
)

// fitter reduces JPEGs to a budget: first by coarser quantisation, then, before
// only blocks are left, to half the width and height. Below that, only fewer
// frames help: the congestion controller sends fewer.
type fitter struct {
	requantise requantiseFunc
	buf        []byte

	halved         bool
	halvedAt       time.Duration // when halving was last necessary
	fullSizeBudget int           // the largest budget that was too small for the full size
}

// requantiseFunc appends src to dst in at most limit bytes, or in as few as it
// can; if half is set, at half the width and height. coarseness is the factor
// between the quantisation steps and those of the standard's example tables: 1
// is quality 50.
type requantiseFunc func(dst, src []byte, info mjpeg.Info, limit int, half bool) (
	out []byte, coarseness float64, err error)

const (
	// maxCoarseness is the limit for a frame in full size, quality 17. Beyond
	// it blocks dominate, and half the size looks better.
	maxCoarseness = 3
	// The full size is tried again when the budget is retryBudgetFactor times
	// the one that was too small; or after retryInterval, because another scene
	// may need less. Then it must not be coarser than retryCoarseness:
	// otherwise frames at the limit would change their size all the time.
	retryBudgetFactor = 1.4
	retryInterval     = 2 * time.Second
	retryCoarseness   = 0.85 * maxCoarseness
)

func newFitter() fitter { return fitter{requantise: newRequantise()} }

// newRequantise returns a requantiseFunc that reuses its buffers, so that it
// allocates nothing once warm.
func newRequantise() requantiseFunc {
	r := new(mjpeg.Requantiser)
	return func(dst, src []byte, info mjpeg.Info, limit int, half bool) ([]byte, float64, error) {
		if err := r.Load(src, info); err != nil {
			return dst, 0, err
		}
		if half {
			r.Halve()
		}
		dst, scale := r.AppendWithin(dst, limit)
		return dst, math.Exp2(float64(scale-80) / 16), nil // see mjpeg.Scale
	}
}

// ErrBroken reports a frame that must be reduced, but is damaged.
var ErrBroken = errors.New("frame is damaged")

// fit returns a JPEG in at most budget bytes, or in as few as it can; data
// itself if it is of a kind that cannot be reduced. The result is valid until
// the next call. The error is ErrBroken.
func (q *fitter) fit(data []byte, budget int, now time.Duration) (out []byte, halved bool, err error) {
	out, halved, err = q.reduce(data, budget, now)
	switch {
	case errors.Is(err, mjpeg.ErrUnsupported):
		return data, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return out, halved, nil
}

// reduce is fit, with the error of mjpeg.
func (q *fitter) reduce(data []byte, budget int, now time.Duration) (out []byte, halved bool, err error) {
	info, err := mjpeg.Check(data)
	if err != nil {
		return nil, false, err
	}
	coarsest := float64(maxCoarseness)
	retry := q.halved && now-q.halvedAt > retryInterval
	if retry {
		coarsest = retryCoarseness
	}
	if q.halved && float64(budget) > retryBudgetFactor*float64(q.fullSizeBudget) {
		q.halved, coarsest = false, maxCoarseness
	}
	if !q.halved || retry {
		out, coarseness, err := q.requantise(q.buf[:0], data, info, budget, false)
		if err != nil {
			return nil, false, err
		}
		q.buf = out
		if coarseness <= coarsest && len(out) <= budget {
			q.halved = false
			return out, false, nil
		}
		if coarseness > maxCoarseness || !retry {
			q.fullSizeBudget = budget
		}
		q.halved, q.halvedAt = true, now
	}
	out, _, err = q.requantise(q.buf[:0], data, info, budget, true)
	if err != nil {
		return nil, false, err
	}
	q.buf = out
	return out, true, nil
}
