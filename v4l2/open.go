package v4l2

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"golang.org/x/sys/unix"

	"vchat/v4l2/internal/uapi"
)

// Open finds the camera, negotiates, and starts the stream. On error nothing stays open. It may take seconds, and cannot be ended
// sooner: a camera whose firmware hangs lets the kernel wait for each of its USB requests.
//
// The errors: those of Find; ErrBusy, ErrPermission, ErrNoSpace, ErrNoFormat, ErrUnplugged, ErrFailed.
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
	if err := c.begin(cfg); err != nil {
		if c.lost == nil {
			c.lose("open", err)
		}
		c.closed = true
		return nil, err
	}
	return c, nil
}

func (c *Camera) begin(cfg Config) error {
	if err := identify(c.kernel, c.handle, &c.device); err != nil {
		return err // another device took the number since it was found
	}
	if err := c.probed(cfg); err != nil {
		return err
	}
	if err := c.request(cfg.Buffers); err != nil {
		return err
	}
	return c.start()
}

// probed does what takes webcam's second open file beside our own, and the controls.
func (c *Camera) probed(cfg Config) error {
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

// negotiate settles format, size and rate. Whatever was asked for, the answers of G_FMT and G_PARM are what counts.
func (c *Camera) negotiate(p Prober, cfg Config) error {
	all := formats(p)
	for _, f := range preferring(cfg.Format) {
		if !slices.Contains(all, f) {
			continue
		}
		ok, err := c.setFormat(p, f, cfg.Width, cfg.Height)
		if err != nil {
			return err
		}
		if ok {
			return c.setRate(cfg.FPS)
		}
	}
	return &fault{device: c.device.Path, kind: ErrNoFormat,
		says: fmt.Sprintf("the camera gives none of %v, but %v", usable, all)}
}

// setFormat is false if the driver offers the format and does not take it.
func (c *Camera) setFormat(p Prober, f PixelFormat, width, height int) (bool, error) {
	got, err := c.askFormat(f, width, height)
	if err != nil {
		return false, err
	}
	// A driver may answer a size that it has not with any one that it has: see whether there is a nearer one.
	if width > 0 && height > 0 && (int(got.Width) != width || int(got.Height) != height) {
		if w, h, ok := nearestSize(p, f, width, height); ok && unshared(w, h, width, height) < unshared(int(got.Width), int(got.Height), width, height) {
			if got, err = c.askFormat(f, w, h); err != nil {
				return false, err
			}
		}
	}
	if PixelFormat(got.PixelFormat) != f {
		return false, nil
	}
	m := Mode{Format: f.plain(), Width: int(got.Width), Height: int(got.Height), SizeImage: int(got.SizeImage)}
	if got.Width == 0 || got.Height == 0 || got.Width > maxSide || got.Height > maxSide ||
		got.BytesPerLine > 8*maxSide || got.SizeImage > maxLength {
		return false, nonsense(c.device, "frames of %dx%d, %d bytes", got.Width, got.Height, got.SizeImage)
	}
	m.Stride = f.stride(m.Width, m.Height, got.BytesPerLine, got.SizeImage)
	if f.size(m.Width, m.Height, m.Stride) > maxLength {
		return false, nonsense(c.device, "frames of %dx%d, %d bytes a row", got.Width, got.Height, got.BytesPerLine)
	}
	if width > 0 && height > 0 && (m.Width != width || m.Height != height) {
		c.warnings = append(c.warnings, fmt.Errorf("%s has no %dx%d in %v; %dx%d is what comes nearest", c.device.Path, width, height, m.Format, m.Width, m.Height))
	}
	c.mode, c.fourcc = m, f
	return true, nil
}

// askFormat sets a format and returns the one that then is set. Without a size the present one stays.
func (c *Camera) askFormat(f PixelFormat, width, height int) (uapi.PixFormat, error) {
	a := uapi.Format{Type: uapi.BufTypeVideoCapture}
	if err := c.handle.GetFormat(&a); err != nil {
		return a.Pix, diagnose(c.kernel, c.device, "G_FMT", err)
	}
	if width <= 0 || height <= 0 {
		width, height = int(a.Pix.Width), int(a.Pix.Height)
	}
	a = uapi.Format{Type: uapi.BufTypeVideoCapture}
	a.Pix.PixelFormat, a.Pix.Width, a.Pix.Height = uint32(f), uint32(width), uint32(height)
	// EINVAL is a driver's way to refuse a format, though it should have put another in its place; G_FMT then tells.
	if err := c.handle.SetFormat(&a); err != nil && !errors.Is(err, unix.EINVAL) {
		return a.Pix, diagnose(c.kernel, c.device, "S_FMT", err)
	}
	a = uapi.Format{Type: uapi.BufTypeVideoCapture}
	if err := c.handle.GetFormat(&a); err != nil {
		return a.Pix, diagnose(c.kernel, c.device, "G_FMT", err)
	}
	return a.Pix, nil
}

// setRate wishes for a rate; a driver without that choice is as good.
func (c *Camera) setRate(fps int) error {
	a := uapi.StreamParm{Type: uapi.BufTypeVideoCapture}
	if fps > 0 {
		a.TimePerFrame = uapi.Fract{Numerator: 1, Denominator: uint32(fps)}
		if err := c.handle.SetParm(&a); err != nil && !noSuchCall(err) {
			return diagnose(c.kernel, c.device, "S_PARM", err)
		}
	}
	a = uapi.StreamParm{Type: uapi.BufTypeVideoCapture}
	if err := c.handle.GetParm(&a); err != nil && !noSuchCall(err) {
		return diagnose(c.kernel, c.device, "G_PARM", err)
	}
	if t := a.TimePerFrame; t.Numerator > 0 && t.Denominator > 0 {
		c.mode.FPS = float64(t.Denominator) / float64(t.Numerator)
	}
	return nil
}

// checkRate warns of a rate below the wish, when the controls are as they will be.
func (c *Camera) checkRate(fps int) error {
	m := c.mode
	if m.FPS == 0 || math.Round(m.FPS) >= float64(fps) {
		return nil
	}
	offered, err := enumRates(c.handle, uint32(c.fourcc), m.Width, m.Height)
	if err != nil {
		return diagnose(c.kernel, c.device, "ENUM_FRAMEINTERVALS", err)
	}
	most := m.FPS
	if len(offered) > 0 {
		most = offered[0]
	}
	says := fmt.Sprintf("%s gives %.3g frames a second, not %d; its most at %dx%d %v is %.3g",
		c.device.Path, m.FPS, fps, m.Width, m.Height, m.Format, most)
	if why := whySlow(c.handle); why != "" {
		says += "; " + why
	}
	c.warnings = append(c.warnings, errors.New(says))
	return nil
}

func noSuchCall(err error) bool {
	return errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL)
}

// request gets buffers and maps them. The driver may give more or fewer than asked.
func (c *Camera) request(count int) error {
	if count <= 0 {
		count = defaultBuffers
	}
	r := uapi.RequestBuffers{Count: uint32(min(count, maxBuffers)), Type: uapi.BufTypeVideoCapture, Memory: uapi.MemoryMMAP}
	if err := c.handle.ReqBufs(&r); err != nil {
		return diagnose(c.kernel, c.device, "REQBUFS", err)
	}
	if r.Count == 0 {
		return nonsense(c.device, "no buffers")
	}
	for i := range min(r.Count, maxBuffers) {
		b := uapi.Buffer{Index: i, Type: uapi.BufTypeVideoCapture, Memory: uapi.MemoryMMAP}
		if err := c.handle.QueryBuf(&b); err != nil {
			return diagnose(c.kernel, c.device, "QUERYBUF", err)
		}
		if b.Length == 0 || b.Length > maxLength {
			return nonsense(c.device, "a buffer of %d bytes", b.Length)
		}
		if int(b.Length) < c.mode.Bytes() {
			return nonsense(c.device, "a buffer of %d bytes for %dx%d %v", b.Length, c.mode.Width, c.mode.Height, c.mode.Format)
		}
		data, err := c.handle.Map(b.Offset, b.Length)
		if err != nil {
			return diagnose(c.kernel, c.device, "mmap", err)
		}
		c.bufs = append(c.bufs, mapped{data: data})
	}
	return nil
}
