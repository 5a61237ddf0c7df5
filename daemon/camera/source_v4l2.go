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

// device is a V4L2 camera.
type device struct {
	source
	cam      *v4l2.Camera
	mode     v4l2.Mode
	interval time.Duration // between two frames
	raw      raw
	woken    bool     // a wake that came while next looked for a newer frame
	waited   bool     // the last frame was let go for a fresh one
	late     []queued // that were taken from the driver at once, oldest first

	seq    uint64 // of the newest buffer, and what the driver called it
	number uint32
	seen   bool
	broken int    // frames in a row
	defect defect // of the last one
}

const (
	// maxAge is how old a frame can be by its stamp before the stamp is taken for nonsense.
	maxAge = 10 * time.Second
	// maxDrained is how many buffers are looked at at once: more than there are of them.
	maxDrained = 8
	// maxGap is how far a driver's sequence number may jump before it is taken for nonsense.
	maxGap = 1 << 16
)

func openDevice(s source) (*device, error) {
	cam, err := v4l2.Open(v4l2.Config{
		Kernel: s.cfg.Kernel, Device: s.cfg.Device, Width: s.cfg.Width, Height: s.cfg.Height, FPS: s.cfg.FPS,
		Format: formats[s.cfg.Format], Controls: s.cfg.Controls,
	})
	if err != nil {
		return nil, err
	}
	d := &device{source: s, cam: cam, mode: cam.Mode(), interval: time.Second / 30, late: make([]queued, 0, maxDrained)}
	if fps := d.mode.FPS; fps > 0 {
		d.interval = time.Duration(float64(time.Second) / fps)
	}
	if d.raw, err = newRaw(d.mode, s.cfg.Raw); err != nil {
		d.close()
		return nil, fmt.Errorf("%s: %w", cam.Device().Path, err)
	}
	return d, nil
}

func (d *device) about() about {
	path := d.cam.Device().Path
	return about{device: path, format: formatName(d.mode.Format), width: d.mode.Width, height: d.mode.Height, fps: d.mode.FPS,
		warnings: slices.Concat(d.cam.Warnings(), d.raw.warnings(path, d.cfg.Format))}
}

func (d *device) next(wait time.Duration) (*frame.Frame, error) {
	end := d.cfg.now() + wait
	for {
		if d.woken {
			d.woken = false
			return nil, errWoken
		}
		left := end - d.cfg.now()
		if left <= 0 {
			return nil, errTimeout
		}
		b, err := d.cam.Next(left)
		switch {
		case errors.Is(err, v4l2.ErrTimeout):
			return nil, errTimeout
		case errors.Is(err, v4l2.ErrWoken):
			return nil, errWoken
		case err != nil:
			return nil, err
		}
		fresh := d.drain(b)
		if f := d.best(fresh); f != nil {
			return f, nil
		}
	}
}

// queued is a buffer that the driver has filled, and its number in the stream.
type queued struct {
	v4l2.Buffer
	seq uint64
}

// drain takes b, and what came after it if b is late: after a pause of ours, of the disk, of the scheduler. Where the pause
// was so long that the driver ran out of buffers, even the newest one shows the past: it is not fresh, and the next frame
// is worth the wait. Two in a row are not waited for: then lateness is how the camera is.
func (d *device) drain(b v4l2.Buffer) (fresh bool) {
	d.late = append(d.late[:0], queued{b, d.count(b)})
	for d.cfg.now()-b.Time > d.interval*3/2 && len(d.late) < cap(d.late) {
		newer, err := d.cam.Next(1)
		if err != nil {
			d.woken = d.woken || errors.Is(err, v4l2.ErrWoken)
			break
		}
		b = newer
		d.late = append(d.late, queued{b, d.count(b)})
	}
	d.waited = len(d.late) > 1 && !d.waited && d.cfg.now()-b.Time > 3*d.interval
	return !d.waited
}

// best takes the newest good frame of those that were drained and gives the buffers back; nil if there is none, or it is
// not fresh.
func (d *device) best(fresh bool) (f *frame.Frame) {
	for i := len(d.late) - 1; i >= 0; i-- {
		b := d.late[i]
		if f == nil && fresh {
			var why defect
			if f, why = d.take(b.Buffer); f == nil {
				d.counters.brokenOne(why)
				d.broken, d.defect = d.broken+1, why
			} else {
				d.broken = 0
				f.Seq, f.Arrived = b.seq, d.cfg.now()
				f.Captured = capturedAt(b.Time, f.Arrived)
			}
		} else {
			d.counters.drop(1)
		}
		_ = d.cam.Release(b.Buffer) // if it fails the camera is lost, and so will say the next Next
	}
	return f
}

// count extends the driver's sequence number to 64 bits and counts the frames that are missing before b.
func (d *device) count(b v4l2.Buffer) uint64 {
	step := b.Sequence - d.number
	if !d.seen || step == 0 || step > maxGap { // the first one, a restart, or a driver that does not count
		step = 1
	}
	d.counters.drop(uint64(step - 1))
	d.seq += uint64(step)
	d.number, d.seen = b.Sequence, true
	return d.seq
}

// take copies a frame out of the driver's buffer, once, completing or encoding it on the way; nil if it is broken.
func (d *device) take(b v4l2.Buffer) (*frame.Frame, defect) {
	switch least := d.mode.Bytes(); {
	case len(b.Data) > 0 && len(b.Data) < least: // flagged too, but this says more
		return nil, truncated
	case len(b.Data) == 0, b.Error:
		return nil, flagged
	case least == 0:
		return d.takeJPEG(b.Data)
	}
	return d.raw.take(d.pool, b.Data)
}

func (d *device) takeJPEG(b []byte) (*frame.Frame, defect) {
	info, err := mjpeg.Check(b)
	if err != nil {
		return nil, defectOf(err)
	}
	if !fits(info.Width, d.mode.Width) || !fits(info.Height, d.mode.Height) {
		return nil, missized
	}
	return jpegFrame(d.pool, b, info), 0
}

// fits allows for cameras that give whole JPEG blocks, as 1088 lines instead of 1080.
func fits(got, want int) bool { return got == want || got == (want+15)/16*16 }

func defectOf(err error) defect {
	switch {
	case errors.Is(err, mjpeg.ErrNoEnd):
		return truncated
	case errors.Is(err, mjpeg.ErrTooSmall):
		return tiny
	}
	return garbled
}

// jpegFrame copies a frame that was checked into a frame, completed.
func jpegFrame(pool *frame.Pool, b []byte, info mjpeg.Info) *frame.Frame {
	f := pool.Get(mjpeg.CompletedLen(info))
	f.Data = mjpeg.Complete(f.Data[:0], b, info)
	f.Format, f.Width, f.Height = frame.JPEG, info.Width, info.Height
	return f
}

// capturedAt believes the driver's stamp unless it is in the future or impossibly old.
func capturedAt(stamp, now time.Duration) time.Duration {
	if stamp > now || now-stamp > maxAge {
		return now
	}
	return stamp
}

func (d *device) silence() error {
	if d.broken > 0 {
		return fmt.Errorf("%s: %w: %d in a row, the last one %s", d.cam.Device().Path, errBroken, d.broken, defectNames[d.defect])
	}
	return fmt.Errorf("%s: %w", d.cam.Device().Path, errSilent)
}

func (d *device) restart() error {
	d.broken = 0
	return d.cam.Restart()
}

func (d *device) whySlow() string { return d.cam.LowRateReason() }

func (d *device) wake() { d.cam.Wake() }

func (d *device) close() {
	if err := d.cam.Close(); err != nil {
		d.log.Warn("camera not closed cleanly", "device", d.cam.Device().Path, "err", err)
	}
}
