package camera

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
	"vchat/v4l2"
)

// v4l2Source is a V4L2 camera.
type v4l2Source struct {
	sourceEnv
	cam      *v4l2.Camera
	mode     v4l2.Mode
	interval intervalMeter // between two frames
	sizes    sizeWatch
	raw      rawConverter
	woken    bool     // by a wake during drain
	discard  bool     // the last drain discarded all frames as stale
	drained  []filled // by the last drain, oldest first

	seq       uint64 // of the newest buffer
	driverSeq uint32 // the driver's number for it
	hasSeq    bool
	broken    int    // broken frames in a row
	defect    defect // of the last one
	badSize   [2]int // of the last one with defectWrongSize
}

const (
	// maxDrained is more than the driver has buffers.
	maxDrained = 8
	// maxGap is the largest plausible jump of a driver's sequence number.
	maxGap = 1 << 16
)

func openV4L2(e sourceEnv) (*v4l2Source, error) {
	cam, err := v4l2.Open(v4l2.Config{
		Kernel: e.cfg.Kernel, Device: e.cfg.Device, Width: e.cfg.Width, Height: e.cfg.Height, FPS: e.cfg.FPS,
		Format: formats[e.cfg.Format], Controls: e.cfg.Controls, ControlsOf: e.cfg.Saved,
	})
	if err != nil {
		return nil, err
	}
	v := &v4l2Source{sourceEnv: e, cam: cam, mode: cam.Mode()}
	v.interval = newIntervalMeter(v.mode.FPS)
	v.sizes.negotiated = [2]int{v.mode.Width, v.mode.Height}
	v.drained = make([]filled, 0, maxDrained)
	if v.raw, err = newRawConverter(v.mode, e.cfg.Raw); err != nil {
		v.close()
		return nil, fmt.Errorf("%s: %w", cam.Device().Path, err)
	}
	return v, nil
}

func (v *v4l2Source) info() sourceInfo {
	path := v.cam.Device().Path
	return sourceInfo{
		device: path, format: formatName(v.mode.Format), width: v.mode.Width, height: v.mode.Height, fps: v.mode.FPS,
		reduced: v.cam.Reduced(), warnings: slices.Concat(v.cam.Warnings(), v.raw.warnings(path, v.cfg.Format)),
	}
}

func (v *v4l2Source) next(wait time.Duration) (*frame.Frame, error) {
	end := v.cfg.now() + wait
	for {
		if v.woken {
			v.woken = false
			return nil, errWoken
		}
		left := end - v.cfg.now()
		if left <= 0 {
			return nil, errTimeout
		}
		b, err := v.cam.Next(left)
		switch {
		case errors.Is(err, v4l2.ErrTimeout):
			return nil, errTimeout
		case errors.Is(err, v4l2.ErrWoken):
			return nil, errWoken
		case err != nil:
			return nil, err
		}
		fresh := v.drain(b)
		v.setWarning(warnStamps, v.stampWarning())
		if f := v.takeNewest(fresh); f != nil {
			return f, nil
		}
	}
}

func (v *v4l2Source) stampWarning() string {
	text := v.cam.StampWarning()
	if text == "" {
		return ""
	}
	return v.cam.Device().Path + ": " + text
}

// filled is a buffer with a frame.
type filled struct {
	v4l2.Buffer
	seq uint64 // of this source
}

// drain takes b, and newer buffers if b is late after a pause of this program.
// If the driver ran out of buffers during the pause, even the newest one is
// stale. Then drain reports false, and the next frame is worth the wait. It
// does so only once in a row: otherwise the camera itself is late. Without
// plausible time stamps it always takes newer buffers.
func (v *v4l2Source) drain(b v4l2.Buffer) (fresh bool) {
	v.drained = append(v.drained[:0], filled{b, v.count(b)})
	interval := v.interval.interval()
	for (b.Arrival || v.cfg.now()-b.Time > interval*3/2) && len(v.drained) < cap(v.drained) {
		newer, err := v.cam.Next(1)
		if err != nil {
			v.woken = v.woken || errors.Is(err, v4l2.ErrWoken)
			break
		}
		b = newer
		v.drained = append(v.drained, filled{b, v.count(b)})
	}
	v.discard = len(v.drained) > 1 && !v.discard && v.cfg.now()-b.Time > 3*interval
	return !v.discard
}

// takeNewest takes the newest complete frame of those drained and releases the
// buffers. It returns nil if there is none, or if they are not fresh.
func (v *v4l2Source) takeNewest(fresh bool) (f *frame.Frame) {
	for i := len(v.drained) - 1; i >= 0; i-- {
		b := v.drained[i]
		if f == nil && fresh {
			var d defect
			if f, d = v.take(b.Buffer); f == nil {
				v.counters.countBroken(d)
				if d != defectWrongSize {
					v.sizes.reject()
				}
				v.broken, v.defect = v.broken+1, d
			} else {
				v.broken = 0
				f.Seq, f.Arrived = b.seq, v.cfg.now()
				f.Captured = b.Time
			}
		} else {
			v.counters.countDropped(1)
		}
		_ = v.cam.Release(b.Buffer) // if it fails, the following Next returns why
	}
	return f
}

// count extends the driver's sequence number to 64 bits, and counts the frames
// missing before b.
func (v *v4l2Source) count(b v4l2.Buffer) uint64 {
	step := b.Sequence - v.driverSeq
	if !v.hasSeq || step == 0 || step > maxGap { // the first frame, a restart, or a driver that does not count
		step = 1
	}
	v.counters.countDropped(uint64(step - 1))
	v.seq += uint64(step)
	v.driverSeq, v.hasSeq = b.Sequence, true
	v.interval.add(b.Time, uint64(step))
	return v.seq
}

// take copies a frame out of the driver's buffer, once, and completes or
// encodes it. It returns nil and the defect if the frame is broken.
func (v *v4l2Source) take(b v4l2.Buffer) (*frame.Frame, defect) {
	switch rawSize := v.mode.Bytes(); {
	case len(b.Data) > 0 && len(b.Data) < rawSize: // flagged too, but this is more precise
		return nil, defectTruncated
	case len(b.Data) == 0, b.Error:
		return nil, defectFlagged
	case rawSize == 0:
		return v.takeJPEG(b.Data)
	}
	return v.raw.convert(v.pool, b.Data)
}

func (v *v4l2Source) takeJPEG(b []byte) (*frame.Frame, defect) {
	info, err := mjpeg.Check(b)
	if err != nil {
		return nil, defectOf(err)
	}
	now := v.cfg.now()
	if !sizeOK(info.Width, info.Height) || !v.sizes.accept(info.Width, info.Height, now) {
		v.badSize = [2]int{info.Width, info.Height}
		return nil, defectWrongSize
	}
	v.setWarning(warnSize, v.sizes.observe(info.Width, info.Height, now))
	return jpegFrame(v.pool, b, info), 0
}

// sizeWatch compares the size in the headers of JPEG frames with the negotiated
// one. The header is right: decoders go by it.
type sizeWatch struct {
	negotiated [2]int
	present    [2]int // in text; zero: as negotiated
	text       string
	next       time.Duration // earliest time of the next change of text

	trusted   [2]int        // another size that the camera has sent for a while
	candidate [2]int        // the size of the last frame, which is neither
	since     time.Duration // of candidate; 0: it was not the last frame
}

const (
	// sizeChangeInterval limits how often the text follows a camera that
	// changes the size all the time.
	sizeChangeInterval = 5 * time.Second
	// sizeTrustTime is how long a camera must send another size than the
	// negotiated one. A single header is more likely to be damaged.
	sizeTrustTime = 250 * time.Millisecond
)

// accept reports whether a frame of this size is as negotiated, or the camera
// has sent only this size for sizeTrustTime, in at least two frames.
func (w *sizeWatch) accept(width, height int, now time.Duration) bool {
	size := [2]int{width, height}
	switch {
	case sideMatches(width, w.negotiated[0]) && sideMatches(height, w.negotiated[1]), size == w.trusted:
		w.reject()
		return true
	case w.since == 0 || size != w.candidate:
		w.candidate, w.since = size, now
	case now-w.since >= sizeTrustTime:
		w.trusted = size
		w.reject()
		return true
	}
	return false
}

// reject forgets the candidate: another frame came, a broken one for example.
func (w *sizeWatch) reject() { w.since = 0 }

// observe returns the warning after a frame of this size, or "".
func (w *sizeWatch) observe(width, height int, now time.Duration) string {
	size := [2]int{width, height}
	if sideMatches(width, w.negotiated[0]) && sideMatches(height, w.negotiated[1]) {
		size = [2]int{}
	}
	if size == w.present || now < w.next {
		return w.text
	}
	w.present, w.text, w.next = size, "", now+sizeChangeInterval
	if size != [2]int{} {
		w.text = fmt.Sprintf("the camera sends frames of %dx%d instead of the negotiated %dx%d",
			width, height, w.negotiated[0], w.negotiated[1])
	}
	return w.text
}

// sideMatches allows sides rounded up to a JPEG block, such as 1088 lines for
// 1080.
func sideMatches(got, want int) bool { return got == want || got == (want+15)/16*16 }

func defectOf(err error) defect {
	switch {
	case errors.Is(err, mjpeg.ErrNoEnd):
		return defectTruncated
	case errors.Is(err, mjpeg.ErrTooSmall):
		return defectTooSmall
	}
	return defectGarbled
}

// jpegFrame copies a checked JPEG into a frame and completes it.
func jpegFrame(pool *frame.Pool, b []byte, info mjpeg.Info) *frame.Frame {
	f := pool.Get(mjpeg.CompletedLen(info))
	f.Data = mjpeg.Complete(f.Data[:0], b, info)
	f.Format, f.Width, f.Height = frame.JPEG, info.Width, info.Height
	return f
}

func (v *v4l2Source) noFramesError() error {
	if v.broken > 0 && v.defect == defectWrongSize && !sizeOK(v.badSize[0], v.badSize[1]) {
		return fmt.Errorf("%w: %d in a row, the last one of %dx%d, and at most %dx%d is possible",
			errBrokenFrames, v.broken, v.badSize[0], v.badSize[1], maxSide, maxSide)
	}
	if v.broken > 0 {
		return fmt.Errorf("%w: %d in a row, the last one %s",
			errBrokenFrames, v.broken, defectNames[v.defect])
	}
	return errNoFrames
}

func (v *v4l2Source) restart() error {
	v.broken = 0
	return v.cam.Restart()
}

func (v *v4l2Source) lowRateReason() string { return v.cam.LowRateReason() }

func (v *v4l2Source) wake() { v.cam.Wake() }

func (v *v4l2Source) close() {
	if err := v.cam.Close(); err != nil {
		v.log.Warn("camera close failed", "device", v.cam.Device().Path, "err", err)
	}
}
