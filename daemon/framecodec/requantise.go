package framecodec

import (
	"math"

	"vchat/daemon/mjpeg"
)

// newShrinker gives what makes JPEGs smaller.
func newShrinker() shrinker { return new(requantiser) }

type requantiser struct{ mjpeg.Requantiser }

func (r *requantiser) Shrink(dst, src []byte, info mjpeg.Info, limit int, half bool) ([]byte, float64, error) {
	if err := r.Load(src, info); err != nil {
		return dst, 0, err
	}
	if half {
		r.Halve()
	}
	dst, scale := r.AppendWithin(dst, limit)
	return dst, math.Exp2(float64(scale-80) / 16), nil
}
