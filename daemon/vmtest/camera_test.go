//go:build vm

package vmtest

import (
	"fmt"
	"testing"
)

// The tests of this file check the emulated camera alone, by v4l2-ctl. The
// other tests depend on it.

// capture reads count frames by v4l2-ctl. It ignores those of the first second.
func (c simCamera) capture(t *testing.T, count int) (r frameReport) {
	t.Helper()
	out := sh(t, fmt.Sprintf("v4l2-ctl -d %s --set-fmt-video=width=1280,height=720,pixelformat=MJPG "+
		"--stream-mmap=4 --stream-to=- 2>/dev/null | framecheck -camera %d -skip 30 -count %d", c.node(), c.id, count))
	decode(t, out, &r)
	return r
}

func TestSimCamera(t *testing.T) {
	plugIn(t, alicesCamera)
	before := alicesCamera.status(t)
	r := alicesCamera.capture(t, 90)
	if err := r.check(); err != nil {
		t.Error(err)
	}
	if sent := alicesCamera.status(t).Sent - before.Sent; r.Exact != 90 || sent < 90+30 {
		t.Errorf("got %d exact frames of %d sent ones, want 90 of at least 120", r.Exact, sent)
	}
	t.Logf("%.2f fps, %d missing, delay %+v ms", r.FPS, r.Missing, r.DelayMS)
}

func TestSimCamera_replug(t *testing.T) {
	plugIn(t, alicesCamera)
	first := alicesCamera.capture(t, 5)
	alicesCamera.send(t, "unplug")
	eventually(t, nodeTimeout, "! test -e "+alicesCamera.node())
	alicesCamera.send(t, "plug")
	eventually(t, nodeTimeout, "test -c "+alicesCamera.node())
	second := alicesCamera.capture(t, 5)
	if err := second.check(); err != nil {
		t.Error(err)
	}
	if second.First <= first.Last {
		t.Errorf("first sequence number after a replug: got %d, want more than %d", second.First, first.Last)
	}
}

func TestSimCamera_twoCameras(t *testing.T) {
	cameras := []simCamera{alicesCamera, bobsCamera}
	plugIn(t, cameras...)
	for _, c := range cameras {
		c.send(t, "fps 10") // emulation is too slow for two cameras at 30
	}
	t.Run("capture", func(t *testing.T) {
		for _, c := range cameras {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				if err := c.capture(t, 30).check(); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

func TestSimCamera_faults(t *testing.T) {
	plugIn(t, alicesCamera)
	start := fmt.Sprintf("v4l2-ctl -d %s --stream-mmap=4 --stream-count=1 2>&1", alicesCamera.node())

	t.Run("notables", func(t *testing.T) {
		alicesCamera.send(t, "notables on")
		if r := alicesCamera.capture(t, 10); r.Bare != 10 {
			t.Errorf("got frames %+v, want 10 without tables", r)
		}
		alicesCamera.send(t, "reset")
	})
	t.Run("stall", func(t *testing.T) {
		alicesCamera.send(t, "stall on")
		if out := sh(t, start+" || true"); !containsAll(out, "VIDIOC_STREAMON", "Input/output error") {
			t.Errorf("v4l2-ctl: got %q, want an I/O error of VIDIOC_STREAMON", out)
		}
		alicesCamera.send(t, "reset")
	})
	for _, fault := range []string{"freeze", "err"} {
		t.Run(fault, func(t *testing.T) {
			alicesCamera.send(t, fault+" on")
			if out, err := machine.shell(t.Context(), "timeout 3 "+start, ""); err == nil {
				t.Errorf("v4l2-ctl: got a frame and %q, want a timeout", out)
			}
			alicesCamera.send(t, "reset")
		})
	}
	t.Run("reset", func(t *testing.T) {
		if err := alicesCamera.capture(t, 10).check(); err != nil {
			t.Error(err)
		}
	})
}
