package framecodec

import (
	"time"

	"vchat/daemon/mjpeg"
)

// shrinker makes a JPEG smaller without taking it apart into pixels.
type shrinker interface {
	// Shrink appends src to dst in at most limit bytes, or in as few as it can, half as wide and as high if that is wanted.
	// Coarse is how coarsely it is quantised: 1 for the example tables of the standard (quality 50), 2 for twice their steps.
	Shrink(dst, src []byte, info mjpeg.Info, limit int, half bool) (out []byte, coarse float64, err error)
}

// quality brings frames down to the bytes that there are for them: first by coarser quantisation, and where that would
// leave nothing but blocks, by half the size. What is left to give way after that is the rate, and the window sees to it.
type quality struct {
	shrinker shrinker
	half     bool
	enough   int           // room for a frame of full size, as far as is known
	since    time.Duration // of half
	buf      []byte
}

const (
	// coarsest is how coarse a frame of full size may get, quality 17: beyond it there is little to be seen but blocks, and
	// half the size looks better.
	coarsest = 3
	// roomier than where it was given up is what the full size needs to be tried again; and again after a while, for another
	// scene may need less: but then it has to be finer by so much, or frames at the brink would change their size each time.
	roomier  = 1.4
	tryAgain = 2 * time.Second
	finer    = 0.85
)

// fit gives a JPEG in at most room bytes, if it can be made so small; as it is, if it cannot be made smaller at all. What
// it gives is good until the next call.
func (q *quality) fit(data []byte, room int, now time.Duration) (out []byte, half bool) {
	info, err := mjpeg.Check(data)
	if err != nil || q.shrinker == nil {
		return data, false
	}
	most := float64(coarsest)
	again := q.half && now-q.since > tryAgain
	if again {
		most *= finer
	}
	if q.half && float64(room) > roomier*float64(q.enough) {
		q.half, most = false, coarsest
	}
	if !q.half || again {
		out, coarse, err := q.shrinker.Shrink(q.buf[:0], data, info, room, false)
		if err != nil {
			return data, false
		}
		q.buf = out
		if coarse <= most && len(out) <= room {
			q.half = false
			return out, false
		}
		if coarse > coarsest || !again {
			q.enough = room
		}
		q.half, q.since = true, now
	}
	out, _, err = q.shrinker.Shrink(q.buf[:0], data, info, room, true)
	if err != nil {
		return data, false
	}
	q.buf = out
	return out, true
}
