package v4l2test

import (
	"bytes"
	"errors"
	"image/jpeg"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/internal/uapi"
)

// The number is the kernel's to give again only when nothing holds the dead camera, neither a descriptor nor a mapping.
func TestNumberIsHeld(t *testing.T) {
	k := New()
	cam := k.Plug(Device{})
	h := mapped(t, k)
	cam.Unplug()
	if cam.Node() != "" {
		t.Errorf("unplugged, and still %s", cam.Node())
	}
	if nodes, _ := k.Nodes(); len(nodes) != 0 {
		t.Errorf("unplugged, and there are %v", nodes)
	}
	again := func(want string) {
		t.Helper()
		cam.Replug()
		if cam.Node() != want {
			t.Errorf("it came back as %s, want %s", cam.Node(), want)
		}
		cam.Unplug()
	}
	again("/dev/video1")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	again("/dev/video1")
	if k.Leaks() == nil {
		t.Error("a mapping stands, and Leaks does not say so")
	}
	if err := h.Unmap(h.maps[0]); err != nil {
		t.Fatal(err)
	}
	again("/dev/video0")
	if err := k.Leaks(); err != nil {
		t.Error(err)
	}
}

// mapped opens /dev/video0 and maps one buffer.
func mapped(t *testing.T, k *Kernel) *handle {
	t.Helper()
	x, err := k.Open("/dev/video0")
	if err != nil {
		t.Fatal(err)
	}
	r := uapi.RequestBuffers{Count: 1, Type: uapi.BufTypeVideoCapture, Memory: uapi.MemoryMMAP}
	if err := x.ReqBufs(&r); err != nil {
		t.Fatal(err)
	}
	b := uapi.Buffer{Type: uapi.BufTypeVideoCapture, Memory: uapi.MemoryMMAP}
	if err := x.QueryBuf(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Map(b.Offset, b.Length); err != nil {
		t.Fatal(err)
	}
	return x.(*handle)
}

func TestErrnosOfVideobuf2(t *testing.T) {
	k := New()
	k.Plug(Device{})
	h := mapped(t, k)
	other, err := k.Open("/dev/video0")
	if err != nil {
		t.Fatal(err)
	}
	capture := uapi.Buffer{Type: uapi.BufTypeVideoCapture, Memory: uapi.MemoryMMAP}
	request := func(n uint32) *uapi.RequestBuffers {
		return &uapi.RequestBuffers{Count: n, Type: uapi.BufTypeVideoCapture, Memory: uapi.MemoryMMAP}
	}
	for _, x := range []struct {
		name string
		call func() error
		want error
	}{
		{"DQBUF before STREAMON", func() error { b := capture; return h.DQBuf(&b) }, unix.EINVAL},
		{"S_FMT with buffers", func() error { return h.SetFormat(&uapi.Format{Type: uapi.BufTypeVideoCapture}) }, unix.EBUSY},
		{"REQBUFS of another", func() error { return other.ReqBufs(request(4)) }, unix.EBUSY},
		{"REQBUFS 0 while mapped", func() error { return h.ReqBufs(request(0)) }, unix.EBUSY},
		{"STREAMON of another", other.StreamOn, unix.EBUSY},
		{"QBUF of another", func() error { b := capture; return other.QBuf(&b) }, unix.EBUSY},
		{"QBUF", func() error { b := capture; return h.QBuf(&b) }, nil},
		{"QBUF again", func() error { b := capture; return h.QBuf(&b) }, unix.EINVAL},
		{"QBUF beyond", func() error { b := capture; b.Index = 1; return h.QBuf(&b) }, unix.EINVAL},
		{"STREAMON", h.StreamOn, nil},
		{"STREAMON again", h.StreamOn, nil},
		{"DQBUF of another", func() error { b := capture; return other.DQBuf(&b) }, unix.EBUSY},
		{"DQBUF too early", func() error { b := capture; return h.DQBuf(&b) }, unix.EAGAIN},
		{"STREAMOFF", h.StreamOff, nil},
		{"Close of another", other.Close, nil},
		{"anything after Close", other.StreamOff, unix.EBADF},
	} {
		if err := x.call(); !errors.Is(err, x.want) || x.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", x.name, err, x.want)
		}
	}
}

// Who reads a frame after giving it back reads rubbish, here at least.
func TestMemoryIsSpoilt(t *testing.T) {
	k := New()
	k.Plug(Device{})
	c, err := v4l2.Open(v4l2.Config{Kernel: k, Device: "auto", Width: 320, Height: 240})
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Next(time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := Stamp(b.Data); !ok {
		t.Fatal("no stamp in the frame")
	}
	if err := c.Release(b); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := Stamp(b.Data); ok {
		t.Error("the frame outlived Release")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFrame(t *testing.T) {
	dst := make([]byte, 2*320*240)
	s := &stream{format: v4l2.MJPEG, width: 320, height: 240}
	n := s.draw(dst, 7, time.Second, false)
	img, err := jpeg.Decode(bytes.NewReader(dst[:n]))
	if err != nil {
		t.Fatal(err)
	}
	if b := img.Bounds(); b.Dx() != 320 || b.Dy() != 240 {
		t.Errorf("the frame is %v", b)
	}
	n = s.draw(dst, 8, 2*time.Second, true)
	if seq, at, ok := Stamp(dst[:n]); seq != 8 || at != 2*time.Second || !ok {
		t.Errorf("stamp %d, %v, %v", seq, at, ok)
	}
	if _, err := jpeg.Decode(bytes.NewReader(dst[:n])); err == nil || !strings.Contains(err.Error(), "Huffman") {
		t.Errorf("without tables: %v, want a complaint about Huffman tables", err)
	}
	for _, x := range []struct {
		format      v4l2.PixelFormat
		padding, is int
	}{
		{v4l2.YUYV, 0, 2 * 320 * 240}, {v4l2.NV12, 0, 320 * 360}, {v4l2.GREY, 0, 320 * 240},
		{v4l2.NV12, 32, 352 * 360}, {v4l2.GREY, 8, 328 * 240},
	} {
		s := &stream{format: x.format, width: 320, height: 240, padding: x.padding}
		if n := s.draw(dst, 9, time.Second, false); n != x.is || bytes.Count(dst[:n], []byte{0}) < x.padding*240 {
			t.Errorf("a %v frame of %d bytes, want %d, with %d of padding a row", x.format, n, x.is, x.padding)
		}
		if seq, _, ok := Stamp(dst); seq != 9 || !ok {
			t.Errorf("%v: stamp %d, %v", x.format, seq, ok)
		}
	}
	for _, b := range [][]byte{nil, {0xff, 0xd8}, []byte("VCT1"), bytes.Repeat([]byte{128}, 64)} {
		if _, _, ok := Stamp(b); ok {
			t.Errorf("a stamp in %x", b)
		}
	}
}
