//go:build vm

package vmtest

import (
	"fmt"
	"testing"
	"time"
)

// These tests are of the emulated camera alone, with a reader that is not ours (v4l2-ctl): what the others build upon.

// capture reads count frames with v4l2-ctl, after a second of warming up.
func (c simCamera) capture(t *testing.T, count int) (r frameReport) {
	t.Helper()
	decode(t, sh(t, fmt.Sprintf("v4l2-ctl -d %s --set-fmt-video=width=1280,height=720,pixelformat=MJPG "+
		"--stream-mmap=4 --stream-to=- 2>/dev/null | framecheck -camera %d -skip 30 -count %d", c.node(), c.id, count)), &r)
	return r
}

func TestCameraSendsWhatItSays(t *testing.T) {
	plugIn(t, alicesCamera)
	before := alicesCamera.status(t)
	r := alicesCamera.capture(t, 90)
	if err := r.faultless(); err != nil {
		t.Error(err)
	}
	if sent := alicesCamera.status(t).Sent - before.Sent; r.Exact != 90 || sent < 90+30 {
		t.Errorf("%d of the %d frames that the camera counts, want 90", r.Exact, sent)
	}
	t.Logf("%.2f fps, %d missing, delay %+v ms", r.FPS, r.Missing, r.DelayMS)
}

func TestCameraIsPluggedInAgain(t *testing.T) {
	plugIn(t, alicesCamera)
	first := alicesCamera.capture(t, 5)
	alicesCamera.tell(t, "unplug")
	eventually(t, 30*time.Second, "! test -e "+alicesCamera.node())
	alicesCamera.tell(t, "plug")
	eventually(t, 30*time.Second, "test -c "+alicesCamera.node())
	second := alicesCamera.capture(t, 5)
	if err := second.faultless(); err != nil {
		t.Error(err)
	}
	if second.First <= first.Last {
		t.Errorf("sequence numbers begin again: %d after %d", second.First, first.Last)
	}
}

func TestTwoCamerasAtOnce(t *testing.T) {
	cameras := []simCamera{alicesCamera, bobsCamera}
	plugIn(t, cameras...)
	for _, c := range cameras {
		c.tell(t, "fps 10") // both at 30 are too much for the emulation; each reader still has to get its own camera's
	}
	t.Run("read", func(t *testing.T) {
		for _, c := range cameras {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				if err := c.capture(t, 30).faultless(); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

func TestCameraFaults(t *testing.T) {
	plugIn(t, alicesCamera)
	alicesCamera.tell(t, "notables on")
	if r := alicesCamera.capture(t, 10); r.Bare != 10 {
		t.Errorf("notables: %+v, want 10 without tables", r)
	}
	alicesCamera.tell(t, "reset")
	alicesCamera.tell(t, "stall on")
	start := fmt.Sprintf("v4l2-ctl -d %s --stream-mmap=4 --stream-count=1 2>&1", alicesCamera.node())
	if out := sh(t, start+" || true"); !contains(out, "VIDIOC_STREAMON", "Input/output error") {
		t.Errorf("stall: v4l2-ctl says %q, want VIDIOC_STREAMON refused", out)
	}
	alicesCamera.tell(t, "reset")
	for _, silent := range []string{"freeze", "err"} {
		alicesCamera.tell(t, silent+" on")
		if out, err := machine.shell(t.Context(), "timeout 3 "+start, ""); err == nil {
			t.Errorf("%s: a frame came all the same: %q", silent, out)
		}
		alicesCamera.tell(t, "reset")
	}
	if err := alicesCamera.capture(t, 10).faultless(); err != nil {
		t.Errorf("after all faults: %v", err)
	}
}
