package v4l2test

import (
	"bytes"
	"errors"
	"fmt"
	"image/jpeg"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/internal/uapi"
)

// The number of an unplugged camera is free only after the last Close and
// Unmap.
func TestUnplug_number(t *testing.T) {
	k := New()
	cam := k.Plug(Device{})
	h := mapped(t, k)
	cam.Unplug()
	if cam.Node() != "" {
		t.Errorf("Node after Unplug: got %s, want none", cam.Node())
	}
	if nodes, _ := k.Nodes(); len(nodes) != 0 {
		t.Errorf("Nodes after Unplug: got %v, want none", nodes)
	}
	replug := func(want string) {
		t.Helper()
		cam.Replug()
		if cam.Node() != want {
			t.Errorf("Node after Replug: got %s, want %s", cam.Node(), want)
		}
		cam.Unplug()
	}
	replug("/dev/video1")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	replug("/dev/video1")
	if k.Leaks() == nil {
		t.Error("Leaks: got none, want the mapping")
	}
	if err := h.Unmap(h.maps[0]); err != nil {
		t.Fatal(err)
	}
	replug("/dev/video0")
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

func TestHandle_errnos(t *testing.T) {
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
		{"S_FMT with buffers", func() error {
			return h.SetFormat(&uapi.Format{Type: uapi.BufTypeVideoCapture})
		}, unix.EBUSY},
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
		t.Run(x.name, func(t *testing.T) {
			if err := x.call(); !errors.Is(err, x.want) || x.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, x.want)
			}
		})
	}
}

// A released frame is overwritten.
func TestRelease_poisons(t *testing.T) {
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
		t.Fatal("got a frame without a stamp")
	}
	if err := c.Release(b); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := Stamp(b.Data); ok {
		t.Error("got a stamp after Release, want an overwritten frame")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDraw(t *testing.T) {
	dst := make([]byte, 2*320*240)
	s := &stream{format: v4l2.MJPEG, width: 320, height: 240}
	n := s.draw(dst, 7, time.Second, false)
	img, err := jpeg.Decode(bytes.NewReader(dst[:n]))
	if err != nil {
		t.Fatal(err)
	}
	if b := img.Bounds(); b.Dx() != 320 || b.Dy() != 240 {
		t.Errorf("got bounds %v, want 320x240", b)
	}
	n = s.draw(dst, 8, 2*time.Second, true)
	if seq, at, ok := Stamp(dst[:n]); seq != 8 || at != 2*time.Second || !ok {
		t.Errorf("got stamp %d, %v, %v; want 8, 2s, true", seq, at, ok)
	}
	if _, err := jpeg.Decode(bytes.NewReader(dst[:n])); err == nil || !strings.Contains(err.Error(), "Huffman") {
		t.Errorf("without tables: got %v, want an error about Huffman tables", err)
	}
	for _, x := range []struct {
		format  v4l2.PixelFormat
		padding int
		want    int // bytes
	}{
		{v4l2.YUYV, 0, 2 * 320 * 240}, {v4l2.NV12, 0, 320 * 360}, {v4l2.GREY, 0, 320 * 240},
		{v4l2.NV12, 32, 352 * 360}, {v4l2.GREY, 8, 328 * 240},
	} {
		t.Run(fmt.Sprintf("%v with padding %d", x.format, x.padding), func(t *testing.T) {
			s := &stream{format: x.format, width: 320, height: 240, padding: x.padding}
			n := s.draw(dst, 9, time.Second, false)
			if zeros := bytes.Count(dst[:n], []byte{0}); n != x.want || zeros < x.padding*240 {
				t.Errorf("got %d bytes with %d zeros, want %d with %d of padding", n, zeros, x.want, x.padding*240)
			}
			if seq, _, ok := Stamp(dst); seq != 9 || !ok {
				t.Errorf("got stamp %d, %v; want 9, true", seq, ok)
			}
		})
	}
}

func TestStamp_none(t *testing.T) {
	for _, b := range [][]byte{nil, {0xff, 0xd8}, []byte("VCT1"), bytes.Repeat([]byte{128}, 64)} {
		if _, _, ok := Stamp(b); ok {
			t.Errorf("got a stamp in %x, want none", b)
		}
	}
}
