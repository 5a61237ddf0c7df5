package v4l2_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

var (
	mjpegOnly = []v4l2test.Format{{FourCC: v4l2.MJPEG, Sizes: [][2]int{{640, 480}}}}
	jpegOnly  = []v4l2test.Format{{FourCC: v4l2.JPEG, Sizes: [][2]int{{640, 480}}}}
	yuyvOnly  = []v4l2test.Format{{FourCC: v4l2.YUYV, Sizes: [][2]int{{640, 480}}}}
	nv12Only  = []v4l2test.Format{{FourCC: v4l2.NV12, Sizes: [][2]int{{640, 480}}}}
	greyOnly  = []v4l2test.Format{{FourCC: v4l2.GREY, Sizes: [][2]int{{640, 480}}}}
	bayerOnly = []v4l2test.Format{{FourCC: 'B' | 'A'<<8 | '8'<<16 | '1'<<24, Sizes: [][2]int{{640, 480}}}}
)

func TestFind_auto(t *testing.T) {
	metadata := v4l2test.Device{Kind: v4l2test.Metadata, ID: "usb-index1"}
	converter := v4l2test.Device{Kind: v4l2test.Converter}
	for _, x := range []struct {
		name    string
		devices []v4l2test.Device // in the order of their nodes
		list    []string          // paths, in order
		auto    string            // "": not found
	}{
		{"none", nil, nil, ""},
		{"path by id", []v4l2test.Device{{ID: "usb-A-index0"}},
			[]string{"/dev/v4l/by-id/usb-A-index0"}, "/dev/v4l/by-id/usb-A-index0"},
		{"path by node without id", []v4l2test.Device{{}}, []string{"/dev/video0"}, "/dev/video0"},
		{"MJPEG before YUYV", []v4l2test.Device{{Formats: yuyvOnly}, {Formats: mjpegOnly}},
			[]string{"/dev/video1", "/dev/video0"}, "/dev/video1"},
		{"JPEG counts as MJPEG", []v4l2test.Device{{Formats: yuyvOnly}, {Formats: jpegOnly}},
			[]string{"/dev/video1", "/dev/video0"}, "/dev/video1"},
		{"lowest number among equals", []v4l2test.Device{{Number: 10}, {Number: 2}},
			[]string{"/dev/video2", "/dev/video10"}, "/dev/video2"},
		{"GREY after NV12 after YUYV", []v4l2test.Device{{Formats: greyOnly}, {Formats: nv12Only}, {Formats: yuyvOnly}},
			[]string{"/dev/video2", "/dev/video1", "/dev/video0"}, "/dev/video2"},
		{"NV12 only", []v4l2test.Device{{Formats: nv12Only}}, []string{"/dev/video0"}, "/dev/video0"},
		{"GREY only", []v4l2test.Device{{Formats: greyOnly}}, []string{"/dev/video0"}, "/dev/video0"},
		{"YUYV only", []v4l2test.Device{{Formats: yuyvOnly}}, []string{"/dev/video0"}, "/dev/video0"},
		{"metadata and converter left out", []v4l2test.Device{metadata, converter, {}},
			[]string{"/dev/video2"}, "/dev/video2"},
		{"metadata and converter only", []v4l2test.Device{metadata, converter}, nil, ""},
		{"pipeline stage listed, not selected", []v4l2test.Device{{Driver: "bcm2835-isp", Formats: yuyvOnly}},
			[]string{"/dev/video0"}, ""},
		{"Bayer sensor listed, not selected", []v4l2test.Device{{Formats: bayerOnly}}, []string{"/dev/video0"}, ""},
		{"Bayer sensor last", []v4l2test.Device{{Formats: bayerOnly}, {Formats: yuyvOnly}},
			[]string{"/dev/video1", "/dev/video0"}, "/dev/video1"},
	} {
		t.Run(x.name, func(t *testing.T) {
			k := v4l2test.New()
			for _, d := range x.devices {
				k.Plug(d)
			}
			all, err := v4l2.List(k)
			if err != nil {
				t.Fatal(err)
			}
			var paths []string
			for _, d := range all {
				paths = append(paths, d.Path)
			}
			if d := cmp.Diff(x.list, paths); d != "" {
				t.Errorf("List (-want +got):\n%s", d)
			}
			got, err := v4l2.Find(k, "auto")
			if got.Path != x.auto || x.auto == "" && !errors.Is(err, v4l2.ErrNotFound) || x.auto != "" && err != nil {
				t.Errorf("Find auto: got %q, %v; want %q", got.Path, err, x.auto)
			}
			if err := k.Leaks(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFind_path(t *testing.T) {
	k := v4l2test.New()
	k.Plug(v4l2test.Device{ID: "usb-A-index0", Card: "Kitchen\x01 Cam ", Formats: append(jpegOnly, yuyvOnly...)})
	k.Plug(v4l2test.Device{Kind: v4l2test.Metadata})
	k.Plug(v4l2test.Device{Kind: v4l2test.Converter})
	want := v4l2.Device{Path: "/dev/v4l/by-id/usb-A-index0", Node: "/dev/video0", Card: "Kitchen Cam",
		Driver: "uvcvideo", Bus: "usb-0000:00:14.0-1", Formats: []v4l2.PixelFormat{v4l2.MJPEG, v4l2.YUYV}}
	got, err := v4l2.Find(k, want.Path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Find (-want +got):\n%s", d)
	}
	if got, err := v4l2.Find(k, "/dev/video0"); err != nil || got.Path != "/dev/video0" {
		t.Errorf("got path %q, %v; want /dev/video0", got.Path, err)
	}
	for path, kind := range map[string]error{
		"/dev/video1": v4l2.ErrNotCamera,
		"/dev/video2": v4l2.ErrNotCamera,
		"/dev/video3": v4l2.ErrNotFound,
	} {
		t.Run(path, func(t *testing.T) {
			if _, err := v4l2.Find(k, path); !errors.Is(err, kind) {
				t.Errorf("got %v, want %v", err, kind)
			}
		})
	}
}

// A node that cannot be opened does not hide the others. If there is no other,
// its error is returned.
func TestList_faultyNode(t *testing.T) {
	k := v4l2test.New()
	a := k.Plug(v4l2test.Device{})
	a.Script(func(f *v4l2test.Faults) { f.Open = unix.EACCES })
	_, err := v4l2.List(k)
	if !errors.Is(err, v4l2.ErrPermission) || !errors.Is(err, unix.EACCES) {
		t.Fatalf("List: got %v, want ErrPermission with EACCES", err)
	}
	if !strings.Contains(err.Error(), `group "video"`) {
		t.Errorf("List: got %v, want it to name the group", err)
	}
	if _, err := v4l2.Find(k, "auto"); !errors.Is(err, v4l2.ErrPermission) {
		t.Errorf("Find: got %v, want ErrPermission", err)
	}
	k.Plug(v4l2test.Device{})
	if d, err := v4l2.Find(k, "auto"); err != nil || d.Node != "/dev/video1" {
		t.Errorf("Find: got %v, %v; want /dev/video1", d.Node, err)
	}
	a.Script(func(f *v4l2test.Faults) { *f = v4l2test.Faults{VanishAtOpen: true} })
	if all, err := v4l2.List(k); err != nil || len(all) != 1 {
		t.Errorf("List while a node is unplugged: got %v, %v; want one camera", all, err)
	}
	if all, err := v4l2.List(k); err != nil || len(all) != 1 {
		t.Errorf("List after the unplug: got %v, %v; want one camera", all, err)
	}
	if err := k.Leaks(); err != nil {
		t.Error(err)
	}
}

// A camera without a usable format does not help Find, but its formats can be
// queried. The message names a command that converts its frames.
func TestFind_noUsableFormat(t *testing.T) {
	k := v4l2test.New()
	k.Plug(v4l2test.Device{ID: "usb-A-index0", Formats: bayerOnly})
	for _, device := range []string{"auto", "/dev/video0"} {
		_, err := v4l2.Open(v4l2.Config{Kernel: k, Device: device})
		path := map[string]string{"auto": "/dev/v4l/by-id/usb-A-index0"}[device]
		if path == "" {
			path = device
		}
		want := `set camera.device to "exec:ffmpeg -loglevel error -f v4l2 -i ` + path +
			` -c:v mjpeg -q:v 4 -f mjpeg -"`
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "BA81") {
			t.Errorf("%s: got %v, want BA81 and %s", device, err, want)
		}
	}
	if d, err := v4l2.FindAny(k, "auto"); err != nil || d.Node != "/dev/video0" {
		t.Errorf("FindAny: got %v, %v; want /dev/video0", d.Node, err)
	}
	k.Plug(v4l2test.Device{Driver: "unicam", Formats: bayerOnly, Number: 5})
	k.Plug(v4l2test.Device{Formats: greyOnly, Number: 9})
	if d, err := v4l2.FindAny(k, "auto"); err != nil || d.Node != "/dev/video9" {
		t.Errorf("FindAny: got %v, %v; want /dev/video9", d.Node, err)
	}
	if err := k.Leaks(); err != nil {
		t.Error(err)
	}
}

// On a Raspberry Pi without a USB camera, FindAny finds none either.
func TestFindAny_pipelineStage(t *testing.T) {
	k := v4l2test.New()
	k.Plug(v4l2test.Device{Driver: "unicam", Formats: yuyvOnly})
	_, err := v4l2.FindAny(k, "auto")
	if !errors.Is(err, v4l2.ErrNotFound) || !strings.Contains(err.Error(), `"exec:rpicam-vid --codec mjpeg`) {
		t.Errorf("got %v, want ErrNotFound with rpicam-vid", err)
	}
}

// Find ends although the driver's list of formats never does.
func TestFind_endlessFormats(t *testing.T) {
	k := v4l2test.New()
	k.Plug(v4l2test.Device{}).Script(func(f *v4l2test.Faults) { f.EndlessFormats, f.EndlessSizes = true, true })
	d, err := v4l2.Find(k, "auto")
	if err != nil || len(d.Formats) != 2 {
		t.Errorf("got %v, %v; want MJPEG and YUYV", d.Formats, err)
	}
}

func TestFind_onlyCameraUnplugged(t *testing.T) {
	k := v4l2test.New()
	k.Plug(v4l2test.Device{}).Script(func(f *v4l2test.Faults) { f.VanishAtOpen = true })
	if _, err := v4l2.Find(k, "auto"); !errors.Is(err, v4l2.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

// List opens and queries a streaming camera, but does not change the stream.
func TestList_duringStream(t *testing.T) {
	k := v4l2test.New()
	cam := k.Plug(v4l2test.Device{})
	c, err := v4l2.Open(v4l2.Config{Kernel: k, Device: "auto", Width: 320, Height: 240})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	before := k.Counts()
	if _, err := v4l2.List(k); err != nil {
		t.Fatal(err)
	}
	after := k.Counts()
	if !cam.Streaming() || after.StreamOns != before.StreamOns || after.Maps != before.Maps || c.Mode().Width != 320 {
		t.Errorf("List changed the stream: got %+v, want %+v", after, before)
	}
}
