package v4l2_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"vchat/daemon/daemontest/faketime"
	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

const byID = "/dev/v4l/by-id/usb-Fake_0001-video-index0"

func TestSuite_fakeKernel(t *testing.T) {
	sizes := [][2]int{{1280, 720}, {640, 480}, {320, 240}}
	for _, formats := range [][]v4l2test.Format{
		nil, // the default: a UVC camera
		{{FourCC: v4l2.NV12, Sizes: sizes, Padding: 64}},
		{{FourCC: v4l2.GREY, Sizes: sizes}},
	} {
		for _, x := range v4l2test.Suite() {
			name := x.Name
			if formats != nil {
				name += "/" + formats[0].FourCC.String()
			}
			t.Run(name, func(t *testing.T) {
				faketime.Test(t, func(t *testing.T) {
					k := v4l2test.New()
					cam := k.Plug(v4l2test.Device{ID: "usb-Fake_0001-video-index0", Formats: formats})
					x.Run(t, v4l2test.Subject{Kernel: k, Device: byID, Do: cam.Do, Leaks: k.Leaks})
				})
			})
		}
	}
}

// TestSuiteOnRealCamera runs the suite with a camera of this machine:
//
//	VCHAT_TEST_CAMERA=/dev/video0 go test ./v4l2 -run RealCamera
//
// VCHAT_TEST_CAMERA_CTL is a command that makes an emulated camera fail. Its
// arguments are those of v4l2test.Subject.Do. Without it the cases with faults
// are skipped.
func TestSuiteOnRealCamera(t *testing.T) {
	device := os.Getenv("VCHAT_TEST_CAMERA")
	if device == "" {
		t.Skip("VCHAT_TEST_CAMERA is not set")
	}
	s := v4l2test.Subject{Device: device}
	if ctl := strings.Fields(os.Getenv("VCHAT_TEST_CAMERA_CTL")); len(ctl) > 0 {
		s.Do = func(words ...string) error {
			out, err := exec.Command(ctl[0], append(ctl[1:], words...)...).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		}
	}
	for _, x := range v4l2test.Suite() {
		if x.Fault && s.Do == nil {
			continue
		}
		t.Run(x.Name, func(t *testing.T) { x.Run(t, s) })
	}
}
