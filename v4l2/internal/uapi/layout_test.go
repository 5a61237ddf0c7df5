package uapi

import (
	"runtime"
	"testing"
	"unsafe"
)

// pair is a number that a C compiler prints for linux/videodev2.h on 32-bit and
// on 64-bit machines.
type pair struct{ bits32, bits64 uintptr }

func same(n uintptr) pair { return pair{n, n} }

func (p pair) here(t *testing.T) uintptr {
	switch runtime.GOARCH {
	case "amd64", "arm64":
		return p.bits64
	case "arm", "386":
		return p.bits32
	}
	t.Fatalf("no numbers for %s: add those that its C compiler prints", runtime.GOARCH)
	return 0
}

func TestLayout(t *testing.T) {
	var (
		c Capability
		f Format
		p StreamParm
		b Buffer
		m QueryMenu
		d FormatDesc
		z FrameSize
		i FrameInterval
		q QueryExtCtrl
		e ExtControl
		l extControls
	)
	for _, x := range []struct {
		name string
		got  uintptr
		want pair
	}{
		{"sizeof v4l2_capability", unsafe.Sizeof(c), same(104)},
		{"v4l2_capability.bus_info", unsafe.Offsetof(c.BusInfo), same(48)},
		{"v4l2_capability.capabilities", unsafe.Offsetof(c.Capabilities), same(84)},
		{"v4l2_capability.device_caps", unsafe.Offsetof(c.DeviceCaps), same(88)},
		{"sizeof v4l2_pix_format", unsafe.Sizeof(f.Pix), same(48)},
		{"sizeof v4l2_format", unsafe.Sizeof(f), pair{204, 208}},
		{"v4l2_format.fmt.pix", unsafe.Offsetof(f.Pix), pair{4, 8}},
		{"v4l2_format.fmt.pix.xfer_func", unsafe.Offsetof(f.Pix) + unsafe.Offsetof(f.Pix.XferFunc), pair{48, 52}},
		{"sizeof v4l2_streamparm", unsafe.Sizeof(p), same(204)},
		{"v4l2_streamparm.parm.capture.timeperframe", unsafe.Offsetof(p.TimePerFrame), same(12)},
		{"sizeof v4l2_requestbuffers", unsafe.Sizeof(RequestBuffers{}), same(20)},
		{"sizeof v4l2_timecode", unsafe.Sizeof(b.Timecode), same(16)},
		{"sizeof v4l2_buffer", unsafe.Sizeof(b), pair{68, 88}},
		{"v4l2_buffer.bytesused", unsafe.Offsetof(b.BytesUsed), same(8)},
		{"v4l2_buffer.timestamp", unsafe.Offsetof(b.Timestamp), pair{20, 24}},
		{"sizeof v4l2_buffer.timestamp", unsafe.Sizeof(b.Timestamp), pair{8, 16}},
		{"v4l2_buffer.timecode", unsafe.Offsetof(b.Timecode), pair{28, 40}},
		{"v4l2_buffer.sequence", unsafe.Offsetof(b.Sequence), pair{44, 56}},
		{"v4l2_buffer.memory", unsafe.Offsetof(b.Memory), pair{48, 60}},
		{"v4l2_buffer.m", unsafe.Offsetof(b.Offset), pair{52, 64}},
		{"v4l2_buffer.length", unsafe.Offsetof(b.Length), pair{56, 72}},
		{"v4l2_buffer.request_fd", unsafe.Offsetof(b.RequestFD), pair{64, 80}},
		{"sizeof v4l2_querymenu", unsafe.Sizeof(m), same(44)},
		{"v4l2_querymenu.name", unsafe.Offsetof(m.Name), same(8)},
		{"sizeof v4l2_fmtdesc", unsafe.Sizeof(d), same(64)},
		{"v4l2_fmtdesc.pixelformat", unsafe.Offsetof(d.PixelFormat), same(44)},
		{"sizeof v4l2_frmsizeenum", unsafe.Sizeof(z), same(44)},
		{"v4l2_frmsizeenum.stepwise", unsafe.Offsetof(z.MinWidth), same(12)},
		{"v4l2_frmsizeenum.stepwise.step_height", unsafe.Offsetof(z.StepHeight), same(32)},
		{"sizeof v4l2_frmivalenum", unsafe.Sizeof(i), same(52)},
		{"v4l2_frmivalenum.stepwise", unsafe.Offsetof(i.Min), same(20)},
		{"sizeof v4l2_query_ext_ctrl", unsafe.Sizeof(q), same(232)},
		{"v4l2_query_ext_ctrl.minimum", unsafe.Offsetof(q.Minimum), same(40)},
		{"v4l2_query_ext_ctrl.default_value", unsafe.Offsetof(q.Default), same(64)},
		{"v4l2_query_ext_ctrl.flags", unsafe.Offsetof(q.Flags), same(72)},
		{"v4l2_query_ext_ctrl.dims", unsafe.Offsetof(q.Dims), same(88)},
		{"sizeof v4l2_ext_control", unsafe.Sizeof(e), same(20)},
		{"v4l2_ext_control.value64", unsafe.Offsetof(e.value), same(12)},
		{"sizeof v4l2_ext_controls", unsafe.Sizeof(l), pair{24, 32}},
		{"v4l2_ext_controls.controls", unsafe.Offsetof(l.controls), pair{20, 24}},
	} {
		t.Run(x.name, func(t *testing.T) {
			if want := x.want.here(t); x.got != want {
				t.Errorf("got %d, want %d as in C", x.got, want)
			}
		})
	}
}

func TestIoctlNumbers(t *testing.T) {
	for _, x := range []struct {
		name string
		got  uintptr
		want pair
	}{
		{"VIDIOC_QUERYCAP", vidiocQueryCap, same(0x80685600)},
		{"VIDIOC_G_FMT", vidiocGFmt, pair{0xc0cc5604, 0xc0d05604}},
		{"VIDIOC_S_FMT", vidiocSFmt, pair{0xc0cc5605, 0xc0d05605}},
		{"VIDIOC_REQBUFS", vidiocReqBufs, same(0xc0145608)},
		{"VIDIOC_QUERYBUF", vidiocQueryBuf, pair{0xc0445609, 0xc0585609}},
		{"VIDIOC_QBUF", vidiocQBuf, pair{0xc044560f, 0xc058560f}},
		{"VIDIOC_DQBUF", vidiocDQBuf, pair{0xc0445611, 0xc0585611}},
		{"VIDIOC_STREAMON", vidiocStreamOn, same(0x40045612)},
		{"VIDIOC_STREAMOFF", vidiocStreamOff, same(0x40045613)},
		{"VIDIOC_G_PARM", vidiocGParm, same(0xc0cc5615)},
		{"VIDIOC_S_PARM", vidiocSParm, same(0xc0cc5616)},
		{"VIDIOC_QUERYMENU", vidiocQueryMenu, same(0xc02c5625)},
		{"VIDIOC_ENUM_FMT", vidiocEnumFmt, same(0xc0405602)},
		{"VIDIOC_ENUM_FRAMESIZES", vidiocEnumFrameSizes, same(0xc02c564a)},
		{"VIDIOC_ENUM_FRAMEINTERVALS", vidiocEnumFrameIntervals, same(0xc034564b)},
		{"VIDIOC_QUERY_EXT_CTRL", vidiocQueryExtCtrl, same(0xc0e85667)},
		{"VIDIOC_G_EXT_CTRLS", vidiocGExtCtrls, pair{0xc0185647, 0xc0205647}},
		{"VIDIOC_S_EXT_CTRLS", vidiocSExtCtrls, pair{0xc0185648, 0xc0205648}},
		{"USBDEVFS_RESET", usbdevfsReset, same(0x5514)},
	} {
		t.Run(x.name, func(t *testing.T) {
			if want := x.want.here(t); x.got != want {
				t.Errorf("got %#x, want %#x as in C", x.got, want)
			}
		})
	}
}

// TestExtControlValue checks that the upper half of the union is ignored for
// 32-bit values.
func TestExtControlValue(t *testing.T) {
	for _, v := range []int64{0, 1, -1, 1<<31 - 1, -1 << 31} {
		var c ExtControl
		c.value = [8]byte{0xdb, 0xdb, 0xdb, 0xdb, 0xdb, 0xdb, 0xdb, 0xdb}
		c.SetValue(v)
		copy(c.value[4:], "\xdb\xdb\xdb\xdb")
		if got := c.Value(); got != v {
			t.Errorf("Value: got %d, want %d", got, v)
		}
		c.SetValue64(v << 20)
		if got := c.Value64(); got != v<<20 {
			t.Errorf("Value64: got %d, want %d", got, v<<20)
		}
	}
}
