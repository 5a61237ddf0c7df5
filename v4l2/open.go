package v4l2

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"

	"vchat/v4l2/internal/uapi"
)

// Open finds the camera, negotiates the mode, sets the controls, and starts the
// stream. On error nothing stays open.
//
// Open may block for seconds and cannot be interrupted: if the camera's
// firmware hangs, each USB request runs into its timeout.
//
// Errors: those of Find; ErrNoSpace, ErrNoFormat.
func Open(cfg Config) (*Camera, error) {
	k := orLinux(cfg.Kernel)
	d, err := Find(k, cfg.Device)
	if err != nil {
		return nil, err
	}
	h, err := k.Open(d.Node)
	if err != nil {
		return nil, diagnose(k, d, "open", err)
	}
	c := &Camera{kernel: k, device: d, handle: h}
	if err := c.setUp(cfg); err != nil {
		if c.lost == nil {
			c.fail("open", err)
		}
		c.closed = true
		return nil, err
	}
	return c, nil
}

func (c *Camera) setUp(cfg Config) error {
	if err := identify(c.kernel, c.handle, &c.device); err != nil {
		return err // since Find the number may have passed to another device
	}
	sizes, err := c.configure(cfg)
	if err != nil {
		return err
	}
	if err := c.startBuffers(cfg.Buffers); err != nil {
		if !mayFitSmaller(err) {
			return err
		}
		if smallerErr := c.startSmaller(cfg, sizes, err); errors.Is(smallerErr, ErrUnplugged) {
			return smallerErr
		} else if smallerErr != nil {
			return err
		}
	}
	c.checkRate(cfg.FPS)
	return nil
}

// configure negotiates the mode and sets the controls. It returns the sizes of
// the format. It opens the second descriptor, of webcam, for that time.
func (c *Camera) configure(cfg Config) ([]webcam.FrameSize, error) {
	p, err := c.kernel.Probe(c.device.Node)
	if err != nil {
		return nil, diagnose(c.kernel, c.device, "open", err)
	}
	var sizes []webcam.FrameSize
	err = c.negotiate(p, cfg)
	if err == nil {
		c.setControls(cfg)
		sizes = probeSizes(c.handle, p, c.fourcc)
	}
	return sizes, errors.Join(err, p.Close())
}

// negotiate sets format, size and rate. The answers of G_FMT and G_PARM count,
// not the request.
func (c *Camera) negotiate(p Prober, cfg Config) error {
	all := probeFormats(c.handle, p)
	for _, f := range byPreference(cfg.Format) {
		if !slices.Contains(all, f) {
			continue
		}
		ok, err := c.tryFormat(p, f, cfg.Width, cfg.Height)
		if err != nil {
			return err
		}
		if ok {
			return c.setRate(cfg.FPS)
		}
	}
	return &cameraError{device: c.device.Path, kind: ErrNoFormat,
		message: fmt.Sprintf("no usable format: the camera offers %v; %s", all, c.device.execHint())}
}

// tryFormat sets a format. It reports false if the driver offers the format but
// sets another one.
func (c *Camera) tryFormat(p Prober, f PixelFormat, width, height int) (bool, error) {
	got, err := c.setFormat(f, width, height)
	if err != nil {
		return false, err
	}
	// Some drivers replace an unsupported size by a distant one.
	if width > 0 && height > 0 && (int(got.Width) != width || int(got.Height) != height) {
		off := mismatch(int(got.Width), int(got.Height), width, height)
		sizes := probeSizes(c.handle, p, f)
		if w, h, ok := nearestSize(sizes, width, height); ok && mismatch(w, h, width, height) < off {
			if got, err = c.setFormat(f, w, h); err != nil {
				return false, err
			}
		}
	}
	if PixelFormat(got.PixelFormat) != f {
		return false, nil
	}
	if err := c.acceptFormat(f, got); err != nil {
		return false, err
	}
	if m := c.mode; width > 0 && height > 0 && (m.Width != width || m.Height != height) {
		c.warnings = append(c.warnings, fmt.Errorf("%s has no %dx%d in %v; using the nearest size, %dx%d",
			c.device.Path, width, height, m.Format, m.Width, m.Height))
	}
	return true, nil
}

// acceptFormat checks the driver's format f and makes it the mode.
func (c *Camera) acceptFormat(f PixelFormat, got uapi.PixFormat) error {
	m := Mode{Format: f.canonical(), Width: int(got.Width), Height: int(got.Height), SizeImage: int(got.SizeImage)}
	if got.Width == 0 || got.Height == 0 || got.Width > maxSide || got.Height > maxSide ||
		got.BytesPerLine > 8*maxSide || got.SizeImage > maxLength {
		return invalidAnswer(c.device, "frames of %dx%d, %d bytes", got.Width, got.Height, got.SizeImage)
	}
	m.Stride = f.stride(m.Width, m.Height, got.BytesPerLine, got.SizeImage)
	if f.frameBytes(m.Width, m.Height, m.Stride) > maxLength {
		return invalidAnswer(c.device, "frames of %dx%d, %d bytes a row",
			got.Width, got.Height, got.BytesPerLine)
	}
	c.mode, c.fourcc = m, f
	return nil
}

// setFormat sets a format and returns what the driver made of it. Without a
// size it keeps the current one.
func (c *Camera) setFormat(f PixelFormat, width, height int) (uapi.PixFormat, error) {
	a := uapi.Format{Type: uapi.BufTypeVideoCapture}
	if err := c.handle.GetFormat(&a); err != nil {
		return a.Pix, diagnose(c.kernel, c.device, "G_FMT", err)
	}
	if width <= 0 || height <= 0 {
		width, height = int(a.Pix.Width), int(a.Pix.Height)
	}
	a = uapi.Format{Type: uapi.BufTypeVideoCapture}
	a.Pix.PixelFormat, a.Pix.Width, a.Pix.Height = uint32(f), uint32(width), uint32(height)
	// S_FMT should replace an unsupported format, but some drivers return
	// EINVAL. G_FMT then shows that the format was not set.
	if err := c.handle.SetFormat(&a); err != nil && !errors.Is(err, unix.EINVAL) {
		return a.Pix, diagnose(c.kernel, c.device, "S_FMT", err)
	}
	a = uapi.Format{Type: uapi.BufTypeVideoCapture}
	if err := c.handle.GetFormat(&a); err != nil {
		return a.Pix, diagnose(c.kernel, c.device, "G_FMT", err)
	}
	return a.Pix, nil
}

// setRate requests a rate and stores the actual one. A camera whose rate cannot
// be set streams at the default one. The only error is that of a lost camera.
func (c *Camera) setRate(fps int) error {
	a := uapi.StreamParm{Type: uapi.BufTypeVideoCapture}
	if fps > 0 {
		a.TimePerFrame = uapi.Fract{Numerator: 1, Denominator: uint32(fps)}
		err := c.handle.SetParm(&a)
		switch {
		case isLost(err):
			return diagnose(c.kernel, c.device, "S_PARM", err)
		case err != nil && !isUnsupported(err):
			c.warnings = append(c.warnings, fmt.Errorf(
				"%s rejects %d frames a second; using its default rate (S_PARM: %w)", c.device.Path, fps, err))
		}
	}
	a = uapi.StreamParm{Type: uapi.BufTypeVideoCapture}
	err := c.handle.GetParm(&a)
	if isLost(err) {
		return diagnose(c.kernel, c.device, "G_PARM", err)
	}
	c.mode.FPS = 0
	if t := a.TimePerFrame; err == nil && t.Numerator > 0 && t.Denominator > 0 {
		c.mode.FPS = float64(t.Denominator) / float64(t.Numerator)
	}
	return nil
}

// checkRate warns if the rate is below the request. It runs after the controls
// are set, because they affect the rate.
func (c *Camera) checkRate(fps int) {
	m := c.mode
	if m.FPS == 0 || math.Round(m.FPS) >= float64(fps) {
		return
	}
	offered, _ := enumRates(c.handle, uint32(c.fourcc), m.Width, m.Height) // without, the present rate is named
	highest := m.FPS
	if len(offered) > 0 {
		highest = offered[0]
	}
	message := fmt.Sprintf("%s gives %.3g frames a second, not %d; its maximum at %dx%d %v is %.3g",
		c.device.Path, m.FPS, fps, m.Width, m.Height, m.Format, highest)
	if reason := lowRateReason(c.handle); reason != "" {
		message += "; " + reason
	}
	c.warnings = append(c.warnings, &rateWarning{message})
}

// rateWarning matches ErrLowRate.
type rateWarning struct{ message string }

func (w *rateWarning) Error() string { return w.message }
func (w *rateWarning) Unwrap() error { return ErrLowRate }

// isUnsupported reports whether the driver lacks the call or the setting.
func isUnsupported(err error) bool {
	return errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL)
}

// startBuffers allocates the buffers and starts the stream. It does not mark
// the camera as lost if STREAMON fails.
func (c *Camera) startBuffers(count int) error {
	if err := c.requestBuffers(count); err != nil {
		return err
	}
	if err := c.enqueueAll(); err != nil {
		return err
	}
	return c.streamOn()
}

// mayFitSmaller reports whether a smaller frame size may start although err
// kept this one from it: STREAMON returns ENOSPC without bandwidth, and EIO if
// the camera rejects the mode.
func mayFitSmaller(err error) bool {
	var f *cameraError
	return errors.As(err, &f) && f.op == "STREAMON" && (errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EIO))
}

const (
	maxSmaller       = 8               // smaller sizes to try
	smallerTimeLimit = 4 * time.Second // for all of them; a camera that hangs needs seconds for each
)

// startSmaller starts the stream at the largest size below the present one that
// the camera accepts. before is the error at the present size. If no size
// starts, the error is returned and the mode is the present one.
func (c *Camera) startSmaller(cfg Config, sizes []webcam.FrameSize, before error) error {
	large, end := c.mode, c.kernel.Now()+smallerTimeLimit
	err := before
	for i, s := range smallerSizes(sizes, large.Width, large.Height) {
		if i == maxSmaller || c.kernel.Now() >= end {
			break
		}
		if err = c.freeBuffers(); err != nil {
			break
		}
		var got uapi.PixFormat
		if got, err = c.setFormat(c.fourcc, s[0], s[1]); err != nil {
			break
		}
		if PixelFormat(got.PixelFormat) != c.fourcc || int(got.Width*got.Height) >= large.Width*large.Height {
			err = before
			continue
		}
		if err = errors.Join(c.acceptFormat(c.fourcc, got), c.setRate(cfg.FPS)); err != nil {
			break
		}
		if err = c.startBuffers(cfg.Buffers); err == nil {
			c.reduced = true
			c.warnings = append(c.warnings, fmt.Errorf("%s cannot stream %dx%d; using %dx%d (%w)",
				c.device.Path, large.Width, large.Height, c.mode.Width, c.mode.Height, errnoOf(before)))
			return nil
		}
		if !mayFitSmaller(err) {
			break
		}
	}
	c.triedSmaller = c.mode.Width < large.Width || c.mode.Height < large.Height
	c.mode = large
	return err
}

// errnoOf returns the errno of a failed call.
func errnoOf(err error) error {
	var f *cameraError
	if errors.As(err, &f) && f.errno != nil {
		return f.errno
	}
	return err
}

// smallerSizes returns the sizes with a smaller area than width x height,
// largest first. Of a range it returns halves.
func smallerSizes(sizes []webcam.FrameSize, width, height int) [][2]int {
	var all [][2]int
	for _, s := range sizes {
		if s.MinWidth == s.MaxWidth && s.MinHeight == s.MaxHeight {
			all = append(all, [2]int{int(s.MinWidth), int(s.MinHeight)})
			continue
		}
		for w, h := width/2, height/2; w >= 16 && h >= 16; w, h = w/2, h/2 {
			all = append(all, [2]int{
				clampStep(w, s.MinWidth, s.MaxWidth, s.StepWidth), clampStep(h, s.MinHeight, s.MaxHeight, s.StepHeight),
			})
		}
	}
	all = slices.DeleteFunc(all, func(s [2]int) bool {
		return s[0] <= 0 || s[1] <= 0 || s[0] > maxSide || s[1] > maxSide || s[0]*s[1] >= width*height
	})
	slices.SortFunc(all, func(a, b [2]int) int {
		return cmp.Or(cmp.Compare(b[0]*b[1], a[0]*a[1]), cmp.Compare(b[0], a[0]))
	})
	return slices.Compact(all)
}

// freeBuffers unmaps and frees the buffers of a stream that did not start.
func (c *Camera) freeBuffers() error {
	err := c.unmap(true)
	c.bufs = nil
	if e := c.handle.ReqBufs(&uapi.RequestBuffers{Type: uapi.BufTypeVideoCapture, Memory: uapi.MemoryMMAP}); e != nil {
		err = errors.Join(err, diagnose(c.kernel, c.device, "REQBUFS", e))
	}
	return err
}

// requestBuffers allocates and maps the buffers. The driver may allocate more
// or fewer than requested.
func (c *Camera) requestBuffers(count int) error {
	if count <= 0 {
		count = defaultBuffers
	}
	r := uapi.RequestBuffers{
		Count: uint32(min(count, maxBuffers)), Type: uapi.BufTypeVideoCapture, Memory: uapi.MemoryMMAP,
	}
	if err := c.handle.ReqBufs(&r); err != nil {
		return diagnose(c.kernel, c.device, "REQBUFS", err)
	}
	if r.Count == 0 {
		return invalidAnswer(c.device, "no buffers")
	}
	for i := range min(r.Count, maxBuffers) {
		b := uapi.Buffer{Index: i, Type: uapi.BufTypeVideoCapture, Memory: uapi.MemoryMMAP}
		if err := c.handle.QueryBuf(&b); err != nil {
			return diagnose(c.kernel, c.device, "QUERYBUF", err)
		}
		if b.Length == 0 || b.Length > maxLength {
			return invalidAnswer(c.device, "a buffer of %d bytes", b.Length)
		}
		if int(b.Length) < c.mode.Bytes() {
			return invalidAnswer(c.device, "a buffer of %d bytes for %dx%d %v",
				b.Length, c.mode.Width, c.mode.Height, c.mode.Format)
		}
		data, err := c.handle.Map(b.Offset, b.Length)
		if err != nil {
			return diagnose(c.kernel, c.device, "mmap", err)
		}
		c.bufs = append(c.bufs, mappedBuffer{data: data})
	}
	return nil
}
