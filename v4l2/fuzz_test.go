package v4l2_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"
	"unsafe"

	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/internal/uapi"
)

// FuzzDriver opens a camera whose driver answers each ioctl with bytes of the
// input. It checks what the package passes on: no answer, however wrong, makes
// it read outside a buffer, run without end, or leave something open.
func FuzzDriver(f *testing.F) {
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0}, 200))
	f.Add(bytes.Repeat([]byte{honest}, 200))
	f.Add(append(bytes.Repeat([]byte{honest}, 40), bytes.Repeat([]byte{0x21, 0xff, 0x07, 0x90}, 100)...))
	f.Add(append(bytes.Repeat([]byte{honest}, 60), bytes.Repeat([]byte{0x33, 1, 2, 3, 4, 5, 6, 7, 8}, 60)...))
	f.Fuzz(func(t *testing.T, answers []byte) {
		k := &lyingKernel{t: t, answers: answers, now: time.Hour}
		formats, err := v4l2.Formats(k, lyingNode)
		k.checkFormats(formats, err)
		controls, err := v4l2.Controls(k, lyingNode)
		if err == nil && len(controls) > 512 {
			t.Errorf("got %d controls", len(controls))
		}
		_, _ = v4l2.SetControls(k, lyingNode, map[string]string{"gain": "3", "power_line_frequency": "50hz"})
		k.checkClosed()
		k.stream()
		k.checkClosed()
	})
}

// TestDriver_oneWrongAnswer makes each ioctl of a stream in turn answer wrong,
// in several ways. On 32-bit arm an index of 0xffffffff is a negative int.
func TestDriver_oneWrongAnswer(t *testing.T) {
	k := &lyingKernel{t: t, now: time.Hour}
	k.stream()
	if k.frames != maxStreamFrames {
		t.Fatalf("got %d frames of a good driver, want %d", k.frames, maxStreamFrames)
	}
	for _, wrong := range [][]byte{{0x20, 0x00}, {0x20, 0x7f}, {0x20, 0x80}, {0x20, 0xff}, {0x23, 0, 0, 0, 0xff},
		{0x02}, {0x03}, {0x04}, {0x06}} {
		for n := range min(k.ioctls, 60) {
			liar := &lyingKernel{t: t, now: time.Hour, answers: append(bytes.Repeat([]byte{honest}, n), wrong...)}
			liar.stream()
			liar.checkClosed()
		}
	}
}

const (
	lyingNode = "/dev/video0"
	// honest is the byte that makes the driver answer as a good one.
	honest = 'H'
	// maxIoctls is more than all enumerations together may need: each has a
	// limit of its own.
	maxIoctls = 400_000
	// maxStreamFrames is how many frames a test reads.
	maxStreamFrames = 50
)

// lyingKernel is a machine with one camera, whose driver answers with bytes of
// the input. For a byte with the value honest, and after the last byte, the
// answer is a good one.
type lyingKernel struct {
	t       *testing.T
	answers []byte
	now     time.Duration
	ioctls  int
	open    int // descriptors
	mapped  map[*byte]int
	queued  uint32
	frames  int
}

// lie fills an answer of the driver with bytes of the input, and reports
// whether it did. Some lies are errors.
func (k *lyingKernel) lie(answer []byte) (lied bool, err error) {
	k.now += time.Millisecond
	if k.ioctls++; k.ioctls > maxIoctls {
		k.t.Fatalf("more than %d ioctls", maxIoctls)
	}
	if len(k.answers) == 0 {
		return false, nil
	}
	kind := k.answers[0]
	k.answers = k.answers[1:]
	switch {
	case kind == honest:
		return false, nil
	case kind < 0x20:
		errnos := []unix.Errno{unix.EINVAL, unix.ENOTTY, unix.EIO, unix.ENODEV, unix.ENOSPC, unix.EBUSY, unix.EAGAIN,
			unix.EPERM, unix.EPROTO, unix.ETIMEDOUT, unix.ENOMEM, unix.EFAULT, unix.ERANGE, unix.EACCES, unix.ENXIO}
		return true, errnos[int(kind)%len(errnos)]
	}
	// A pattern of up to 16 bytes fills the answer, so that few bytes of the
	// input reach every field.
	n := min(len(k.answers), 1+int(kind)%16)
	pattern := k.answers[:n]
	k.answers = k.answers[n:]
	for i := range answer {
		if n > 0 {
			answer[i] = pattern[i%n]
		}
	}
	return true, nil
}

// answer lies, or calls good for a good answer.
func answer[T any](k *lyingKernel, a *T, good func() error) error {
	lied, err := k.lie(unsafe.Slice((*byte)(unsafe.Pointer(a)), unsafe.Sizeof(*a)))
	if lied {
		return err
	}
	return good()
}

func (k *lyingKernel) Nodes() ([]string, error)       { return []string{lyingNode}, nil }
func (k *lyingKernel) ByID() map[string]string        { return nil }
func (k *lyingKernel) Resolve(string) (string, error) { return lyingNode, nil }
func (k *lyingKernel) Label(string) (string, int)     { return "Liar", 0 }
func (k *lyingKernel) Holders(string) []string        { return nil }
func (k *lyingKernel) Group(string) string            { return "video" }
func (k *lyingKernel) Age(string) time.Duration       { return time.Hour }
func (k *lyingKernel) USBDevice(string) (v4l2.USBDevice, error) {
	return v4l2.USBDevice{}, v4l2.ErrNotUSB
}
func (k *lyingKernel) ResetUSB(string) error             { return unix.ENODEV }
func (k *lyingKernel) Watch() (v4l2.NodeWatch, error)    { return nil, unix.ENOSYS }
func (k *lyingKernel) Now() time.Duration                { return k.now }
func (k *lyingKernel) Open(string) (v4l2.Handle, error)  { k.open++; return &lyingHandle{k}, nil }
func (k *lyingKernel) Probe(string) (v4l2.Prober, error) { k.open++; return &lyingProber{k}, nil }

// lyingProber answers as package webcam would, which enumerates to the end.
type lyingProber struct{ *lyingKernel }

func (p *lyingProber) GetSupportedFormats() map[webcam.PixelFormat]string {
	all := map[webcam.PixelFormat]string{webcam.PixelFormat(v4l2.YUYV): "YUYV"}
	var other [4]byte
	if lied, err := p.lie(other[:]); lied && err == nil {
		all[webcam.PixelFormat(binary.LittleEndian.Uint32(other[:]))] = "?"
	}
	return all
}

func (p *lyingProber) GetSupportedFrameSizes(webcam.PixelFormat) []webcam.FrameSize {
	s := webcam.FrameSize{MinWidth: 64, MaxWidth: 64, MinHeight: 48, MaxHeight: 48}
	_, _ = p.lie(unsafe.Slice((*byte)(unsafe.Pointer(&s)), unsafe.Sizeof(s)))
	return []webcam.FrameSize{s}
}

func (p *lyingProber) Close() error { p.open--; return nil }

type lyingHandle struct{ *lyingKernel }

func (h *lyingHandle) QueryCap(c *uapi.Capability) error {
	return answer(h.lyingKernel, c, func() error {
		copy(c.Driver[:], "liar")
		c.Capabilities = uapi.CapVideoCapture | uapi.CapStreaming
		return nil
	})
}

func (h *lyingHandle) GetFormat(f *uapi.Format) error {
	return answer(h.lyingKernel, f, func() error {
		f.Pix.Width, f.Pix.Height, f.Pix.PixelFormat = 64, 48, uint32(v4l2.YUYV)
		f.Pix.BytesPerLine, f.Pix.SizeImage = 128, 128*48
		return nil
	})
}

func (h *lyingHandle) SetFormat(f *uapi.Format) error {
	return answer(h.lyingKernel, f, func() error { return nil })
}

func (h *lyingHandle) GetParm(p *uapi.StreamParm) error {
	return answer(h.lyingKernel, p, func() error {
		p.TimePerFrame = uapi.Fract{Numerator: 1, Denominator: 30}
		return nil
	})
}

func (h *lyingHandle) SetParm(p *uapi.StreamParm) error {
	return answer(h.lyingKernel, p, func() error { return nil })
}

func (h *lyingHandle) ReqBufs(r *uapi.RequestBuffers) error {
	return answer(h.lyingKernel, r, func() error { return nil })
}

func (h *lyingHandle) QueryBuf(b *uapi.Buffer) error {
	return answer(h.lyingKernel, b, func() error { b.Length = 128 * 48; return nil })
}

func (h *lyingHandle) QBuf(b *uapi.Buffer) error {
	return answer(h.lyingKernel, b, func() error { h.queued |= 1 << (b.Index % 32); return nil })
}

func (h *lyingHandle) DQBuf(b *uapi.Buffer) error {
	return answer(h.lyingKernel, b, func() error {
		for i := range uint32(32) {
			if h.queued&(1<<i) != 0 {
				h.queued &^= 1 << i
				b.Index, b.BytesUsed, b.Flags = i, 128*48, uapi.BufFlagTimestampMonotonic
				b.Timestamp = unix.NsecToTimeval(int64(h.now))
				return nil
			}
		}
		return unix.EAGAIN
	})
}

func (h *lyingHandle) StreamOn() error {
	return answer(h.lyingKernel, new(byte), func() error { return nil })
}
func (h *lyingHandle) StreamOff() error {
	return answer(h.lyingKernel, new(byte), func() error { return nil })
}

func (h *lyingHandle) EnumFormat(f *uapi.FormatDesc) error {
	return answer(h.lyingKernel, f, func() error {
		if f.Index > 0 {
			return unix.EINVAL
		}
		f.PixelFormat = uint32(v4l2.YUYV)
		return nil
	})
}

func (h *lyingHandle) EnumFrameSize(f *uapi.FrameSize) error {
	return answer(h.lyingKernel, f, func() error {
		if f.Index > 0 {
			return unix.EINVAL
		}
		f.Type, f.MinWidth, f.MaxWidth = uapi.FrmTypeDiscrete, 64, 48
		return nil
	})
}

func (h *lyingHandle) EnumFrameInterval(f *uapi.FrameInterval) error {
	return answer(h.lyingKernel, f, func() error {
		if f.Index > 0 {
			return unix.EINVAL
		}
		f.Type, f.Min = uapi.FrmTypeDiscrete, uapi.Fract{Numerator: 1, Denominator: 30}
		return nil
	})
}

func (h *lyingHandle) QueryControl(q *uapi.QueryExtCtrl) error {
	return answer(h.lyingKernel, q, func() error {
		const gain = 0x00980913
		if q.ID&^uint32(uapi.CtrlFlagNextCtrl) >= gain {
			return unix.EINVAL
		}
		q.ID, q.Type, q.Minimum, q.Maximum, q.Step = gain, uapi.CtrlTypeMenu, 0, 10, 1
		copy(q.Name[:], "Gain")
		return nil
	})
}

func (h *lyingHandle) QueryMenu(m *uapi.QueryMenu) error {
	return answer(h.lyingKernel, m, func() error { copy(m.Name[:], "50 Hz"); return nil })
}

func (h *lyingHandle) GetControl(c *uapi.ExtControl) error {
	return answer(h.lyingKernel, c, func() error { return nil })
}

func (h *lyingHandle) SetControl(c *uapi.ExtControl) error {
	return answer(h.lyingKernel, c, func() error { return nil })
}

// Map gives each buffer memory of its own, of exactly its length. Most of it is
// never touched.
func (h *lyingHandle) Map(_, length uint32) ([]byte, error) {
	if length > 16<<20 {
		return nil, unix.ENOMEM
	}
	b := make([]byte, length)
	if h.mapped == nil {
		h.mapped = map[*byte]int{}
	}
	h.mapped[&b[0]] = len(b)
	return b, nil
}

func (h *lyingHandle) Unmap(b []byte) error {
	if len(b) == 0 || h.mapped[&b[0]] != len(b) {
		h.t.Fatalf("unmap of %d bytes that are not mapped", len(b))
	}
	delete(h.mapped, &b[0])
	return nil
}

func (h *lyingHandle) Poll(time.Duration) (v4l2.Events, error) {
	var events byte
	if lied, err := h.lie([]byte{0}); err != nil {
		return 0, err
	} else if lied && len(h.answers) > 0 {
		events = h.answers[0] & 15
	} else {
		events = byte(v4l2.EventReady)
	}
	return v4l2.Events(events), nil
}

func (h *lyingHandle) Wake()        {}
func (h *lyingHandle) Close() error { h.open--; return nil }

func (k *lyingKernel) checkFormats(all []v4l2.FormatInfo, err error) {
	if err != nil {
		return
	}
	entries := 0
	for _, f := range all {
		for _, s := range f.Sizes {
			entries += 1 + len(s.FPS)
			for _, fps := range s.FPS {
				if !(fps > 0) {
					k.t.Fatalf("got %v frames a second", fps)
				}
			}
		}
	}
	if entries > 5000 {
		k.t.Errorf("got %d sizes and rates", entries)
	}
}

// stream opens the camera and reads up to maxStreamFrames frames.
func (k *lyingKernel) stream() {
	c, err := v4l2.Open(v4l2.Config{Kernel: k, Device: lyingNode, Width: 64, Height: 48, FPS: 30, Buffers: 4,
		Controls: map[string]string{"gain": "3"}})
	if err != nil {
		return
	}
	m := c.Mode()
	if m.Width < 1 || m.Height < 1 || m.Width > 16384 || m.Height > 16384 || m.Bytes() < 0 || !(m.FPS >= 0) {
		k.t.Fatalf("got mode %+v", m)
	}
	var last time.Duration
	for range maxStreamFrames {
		k.now += 33 * time.Millisecond
		b, err := c.Next(time.Second)
		if err != nil {
			if errors.Is(err, v4l2.ErrTimeout) || errors.Is(err, v4l2.ErrWoken) {
				_ = c.StampWarning()
				continue
			}
			break
		}
		if b.Time < last || b.Time > k.now {
			k.t.Fatalf("got a frame of %v after one of %v, at %v", b.Time, last, k.now)
		}
		last = b.Time
		k.frames++
		if !b.Error && m.Stride > 0 {
			k.checkPlanes(m, b.Data)
		}
		if k.now%7 == 0 && c.Restart() != nil {
			_ = c.Release(b)
			break
		}
		if err := c.Release(b); err != nil {
			break
		}
	}
	_ = c.LowRateReason()
	_ = c.Close()
}

// checkPlanes reads the last byte of each row, as an encoder does.
func (k *lyingKernel) checkPlanes(m v4l2.Mode, b []byte) {
	planes, stride, chroma := m.Planes(b)
	if last := (m.Height - 1) * stride; last < 0 || last >= len(planes[0]) {
		k.t.Fatalf("%+v: the last row begins at %d of %d bytes", m, last, len(planes[0]))
	}
	for _, p := range planes[1:] {
		if rows := (m.Height + 1) / 2; p != nil && (rows-1)*chroma >= len(p) {
			k.t.Fatalf("%+v: the last row of chroma begins at %d of %d bytes", m, (rows-1)*chroma, len(p))
		}
	}
}

func (k *lyingKernel) checkClosed() {
	if k.open != 0 || len(k.mapped) != 0 {
		k.t.Fatalf("%d descriptors and %d buffers are left", k.open, len(k.mapped))
	}
}
