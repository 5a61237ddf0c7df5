package camera

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"vchat/daemon/daemontest/faketime"
	"vchat/daemon/frame"
	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

func TestWarnings_lowRate(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		r := run(t, kernel, small)
		defer r.stop()
		if err := v4l2.SetControl(kernel, "/dev/video0", "exposure_dynamic_framerate", "on"); err != nil {
			t.Fatal(err)
		}
		rd := r.Hub().Subscribe()
		defer rd.Close()
		for _, dark := range []bool{false, true, false} {
			cam.Script(func(f *v4l2test.Faults) { f.Dark = dark })
			end := time.Now().Add(15 * time.Second)
			r.next(rd, "the end", func(*frame.Frame) bool { return time.Now().After(end) })
			s := r.state(Streaming)
			if !dark && len(s.Warnings) > 0 {
				t.Errorf("bright: got warnings %q, want none", s.Warnings)
			}
			if dark && (len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "instead of 30: exposure_dynamic_framerate is on")) {
				t.Errorf("dark: got warnings %q, want one about the exposure", s.Warnings)
			}
		}
		if n := strings.Count(r.log.String(), "camera frame rate low"); n != 1 {
			t.Errorf("got %d lines of a low rate, want 1:\n%s", n, r.log)
		}
	})
}

// The warning follows the rate. The log does not.
func TestWarnings_rateChanges(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		r := run(t, kernel, small)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		for _, c := range []struct {
			dark  bool
			every int // every n-th frame is broken; 0: none
			want  string
		}{
			{true, 0, ` sends 15[.\d]* frames a second`},
			{true, 2, ` sends 7[.\d]* frames a second`},
			{false, 2, ` sends 15[.\d]* frames a second instead of 30: 1[45][.\d]* more are broken$`},
		} {
			cam.Script(func(f *v4l2test.Faults) { f.Dark, f.Truncate = c.dark, c.every })
			end := time.Now().Add(18 * time.Second)
			r.next(rd, "the end", func(*frame.Frame) bool { return time.Now().After(end) })
			if s := r.state(Streaming); len(s.Warnings) != 1 || !regexp.MustCompile(c.want).MatchString(s.Warnings[0]) {
				t.Errorf("got warnings %q, want %q", s.Warnings, c.want)
			}
		}
		if n := strings.Count(r.log.String(), "camera frame rate low"); n != 1 {
			t.Errorf("got %d lines of a low rate, want 1:\n%s", n, r.log)
		}
	})
}
