package v4l2

import (
	"errors"
	"fmt"
	"math"
	"slices"

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
	if err := c.configure(cfg); err != nil {
		return err
	}
	if err := c.requestBuffers(cfg.Buffers); err != nil {
		return err
	}
	return c.start()
}

// configure negotiates the mode and sets the controls. It opens the second
// descriptor, of webcam, for that time.
func (c *Camera) configure(cfg Config) error {
	p, err := c.kernel.Probe(c.device.Node)
	if err != nil {
		return diagnose(c.kernel, c.device, "open", err)
	}
	err = c.negotiate(p, cfg)
	if err == nil {
		c.setControls(cfg.Controls)
		err = c.checkRate(cfg.FPS)
	}
	return errors.Join(err, p.Close())
}

// negotiate sets format, size and rate. The answers of G_FMT and G_PARM count,
// not the request.
func (c *Camera) negotiate(p Prober, cfg Config) error {
	all := probeFormats(p)
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
		message: fmt.Sprintf("no usable format: the camera offers %v, not one of %v", all, usableFormats)}
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
		if w, h, ok := nearestSize(p, f, width, height); ok && mismatch(w, h, width, height) < off {
			if got, err = c.setFormat(f, w, h); err != nil {
				return false, err
			}
		}
	}
	if PixelFormat(got.PixelFormat) != f {
		return false, nil
	}
	m := Mode{Format: f.canonical(), Width: int(got.Width), Height: int(got.Height), SizeImage: int(got.SizeImage)}
	if got.Width == 0 || got.Height == 0 || got.Width > maxSide || got.Height > maxSide ||
		got.BytesPerLine > 8*maxSide || got.SizeImage > maxLength {
		return false, invalidAnswer(c.device, "frames of %dx%d, %d bytes", got.Width, got.Height, got.SizeImage)
	}
	m.Stride = f.stride(m.Width, m.Height, got.BytesPerLine, got.SizeImage)
	if f.frameBytes(m.Width, m.Height, m.Stride) > maxLength {
		return false, invalidAnswer(c.device, "frames of %dx%d, %d bytes a row",
			got.Width, got.Height, got.BytesPerLine)
	}
	if width > 0 && height > 0 && (m.Width != width || m.Height != height) {
		c.warnings = append(c.warnings, fmt.Errorf("%s has no %dx%d in %v; using the nearest size, %dx%d",
			c.device.Path, width, height, m.Format, m.Width, m.Height))
	}
	c.mode, c.fourcc = m, f
	return true, nil
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

// setRate requests a rate and stores the actual one. Drivers without a rate
// setting are accepted.
func (c *Camera) setRate(fps int) error {
	a := uapi.StreamParm{Type: uapi.BufTypeVideoCapture}
	if fps > 0 {
		a.TimePerFrame = uapi.Fract{Numerator: 1, Denominator: uint32(fps)}
		if err := c.handle.SetParm(&a); err != nil && !isUnsupported(err) {
			return diagnose(c.kernel, c.device, "S_PARM", err)
		}
	}
	a = uapi.StreamParm{Type: uapi.BufTypeVideoCapture}
	if err := c.handle.GetParm(&a); err != nil && !isUnsupported(err) {
		return diagnose(c.kernel, c.device, "G_PARM", err)
	}
	if t := a.TimePerFrame; t.Numerator > 0 && t.Denominator > 0 {
		c.mode.FPS = float64(t.Denominator) / float64(t.Numerator)
	}
	return nil
}

// checkRate warns if the rate is below the request. It runs after the controls
// are set, because they affect the rate.
func (c *Camera) checkRate(fps int) error {
	m := c.mode
	if m.FPS == 0 || math.Round(m.FPS) >= float64(fps) {
		return nil
	}
	offered, err := enumRates(c.handle, uint32(c.fourcc), m.Width, m.Height)
	if err != nil {
		return diagnose(c.kernel, c.device, "ENUM_FRAMEINTERVALS", err)
	}
	highest := m.FPS
	if len(offered) > 0 {
		highest = offered[0]
	}
	message := fmt.Sprintf("%s gives %.3g frames a second, not %d; its maximum at %dx%d %v is %.3g",
		c.device.Path, m.FPS, fps, m.Width, m.Height, m.Format, highest)
	if reason := lowRateReason(c.handle); reason != "" {
		message += "; " + reason
	}
	c.warnings = append(c.warnings, errors.New(message))
	return nil
}

// isUnsupported reports whether the driver lacks the call or the setting.
func isUnsupported(err error) bool {
	return errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL)
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
