package camera

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/daemontest/faketime"
	"vchat/daemon/frame"
	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

// slow is a camera with few and small frames, for tests that last a day.
var slow = Config{Device: "auto", Width: 64, Height: 48, FPS: 1, Name: "kitchen"}

var slowDevice = v4l2test.Device{
	Formats: []v4l2test.Format{{FourCC: v4l2.MJPEG, Sizes: [][2]int{{64, 48}}}},
	Rates:   []int{1},
}

// runSlow runs a slow camera with a reader.
func runSlow(t *testing.T) (*v4l2test.Camera, *rig, *frame.Reader) {
	t.Helper()
	kernel := v4l2test.New()
	cam := kernel.Plug(slowDevice)
	r := run(t, kernel, slow)
	return cam, r, r.Hub().Subscribe()
}

// TestDay counts the lines that a camera writes into the journal in a day.
func TestDay(t *testing.T) {
	day := 24 * time.Hour
	if testing.Short() || faketime.Slow {
		day /= 4
	}
	// each does a step again and again, until the day is over.
	each := func(pause time.Duration, steps ...func()) {
		for end := time.Now().Add(day); time.Now().Before(end); {
			for _, step := range steps {
				step()
				time.Sleep(pause)
			}
		}
	}
	set := func(cam *v4l2test.Camera, change func(*v4l2test.Faults)) func() {
		return func() { cam.Script(change) }
	}
	for _, tt := range []struct {
		name   string
		day    func(cam *v4l2test.Camera)
		lines  int      // at most
		causes []string // that the log has to name
	}{
		{"works", func(*v4l2test.Camera) { time.Sleep(time.Hour) }, 0, nil},
		{"unplugged", func(cam *v4l2test.Camera) { cam.Unplug(); time.Sleep(day) }, 1, []string{"unplugged"}},
		{"unplugged, back, then in use", func(cam *v4l2test.Camera) {
			cam.Unplug()
			time.Sleep(day / 2)
			cam.Replug()
			time.Sleep(time.Minute)
			cam.Script(func(f *v4l2test.Faults) { f.Dequeue, f.Open = unix.EIO, unix.EBUSY })
			time.Sleep(day / 2)
		}, 4, []string{"unplugged", "in use"}},
		{"unplugged and replugged every 10 s", func(cam *v4l2test.Camera) {
			each(10*time.Second, cam.Unplug, cam.Replug)
		}, 80, []string{"unplugged", "omitted=179"}},
		{"away for 6 minutes, back for 6", func(cam *v4l2test.Camera) {
			each(6*time.Minute, cam.Unplug, cam.Replug)
		}, 240, []string{"unplugged"}},
		{"freezes every minute", func(cam *v4l2test.Camera) {
			each(30*time.Second, set(cam, func(f *v4l2test.Faults) { f.Freeze = true }),
				set(cam, func(f *v4l2test.Faults) { f.Freeze = false }))
		}, 160, []string{"no frames"}},
		{"dim and light in turns", func(cam *v4l2test.Camera) {
			each(30*time.Second, set(cam, func(f *v4l2test.Faults) { f.Dark = true }),
				set(cam, func(f *v4l2test.Faults) { f.Dark = false }))
		}, 80, []string{"frame rate low"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				cam, r, rd := runSlow(t)
				defer r.stop()
				defer rd.Close()
				r.frame(rd)
				tt.day(cam)
				time.Sleep(time.Minute)
				log := r.log.String()
				if n := strings.Count(log, "\n"); n > tt.lines {
					t.Errorf("got %d lines in a day, want at most %d:\n%.3000s", n, tt.lines, log)
				}
				for _, cause := range tt.causes {
					if !strings.Contains(log, cause) {
						t.Errorf("got no %q in the log:\n%.3000s", cause, log)
					}
				}
			})
		})
	}
}

// What keeps a camera away at the end of a day of flapping is in the log.
func TestDay_lastState(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		cam, r, rd := runSlow(t)
		defer r.stop()
		defer rd.Close()
		for range 2 * quotaBurst {
			r.frame(rd)
			time.Sleep(10 * time.Second)
			cam.Unplug()
			r.card(rd)
			time.Sleep(10 * time.Second)
			cam.Replug()
		}
		r.frame(rd)
		cam.Unplug()
		r.card(rd)
		if log := strings.TrimSpace(r.log.String()); !strings.Contains(lastLine(log), "camera recovered") {
			t.Errorf("got last line %q, want none about an outage of a moment", lastLine(log))
		}
		time.Sleep(lastingFaultTime + time.Minute)
		log := strings.TrimSpace(r.log.String())
		if !strings.Contains(lastLine(log), "camera lost") || !strings.Contains(lastLine(log), "omitted=10") {
			t.Errorf("got last line %q, want that the camera is lost", lastLine(log))
		}
	})
}

func lastLine(log string) string { return log[strings.LastIndex(log, "\n")+1:] }
