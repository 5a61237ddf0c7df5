package camera

import (
	"errors"
	"log/slog"
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
			const cause = "instead of 30: exposure_dynamic_framerate is on"
			if dark && (len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], cause)) {
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

// A driver may report a rate that the camera does not have. The measured rate
// counts, for the warnings and for the time until a restart.
func TestWarnings_wrongPromise(t *testing.T) {
	for _, c := range []struct {
		name    string
		claimed [2]uint32 // seconds per frame
		rates   []int     // real
		early   string    // part of the warning at the open; "": none
		late    string    // part of the warning after 15 s; "": none
	}{
		{"too low", [2]uint32{1, 1}, nil, "gives 1 frames a second, not 30", ""},
		{"much too low", [2]uint32{60, 1}, nil, "gives 0.0167 frames a second, not 30", ""},
		{"too low, and slow", [2]uint32{1, 1}, []int{15},
			"gives 1 frames a second, not 30", "frames a second instead of 30"},
		{"too high", [2]uint32{1, 1000}, nil, "", ""},
		{"too high, and slow", [2]uint32{1, 1000}, []int{10}, "", "frames a second instead of 30"},
		{"very slow", [2]uint32{1, 30}, []int{1}, "", "instead of 30"},
	} {
		t.Run(c.name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				kernel := v4l2test.New()
				cam := kernel.Plug(v4l2test.Device{Rates: c.rates})
				cam.Script(func(f *v4l2test.Faults) { f.ClaimedInterval = c.claimed })
				cfg := small
				cfg.FPS = 30
				r := run(t, kernel, cfg)
				defer r.stop()
				rd := r.Hub().Subscribe()
				defer rd.Close()
				check := func(want string) {
					t.Helper()
					s := r.state(Streaming)
					n := len(s.Warnings)
					if n > 1 || (want == "") != (n == 0) || n > 0 && !strings.Contains(s.Warnings[0], want) {
						t.Errorf("got warnings %q, want %q", s.Warnings, want)
					}
				}
				r.frame(rd)
				check(c.early)
				end := time.Now().Add(15 * time.Second)
				r.next(rd, "the end", func(*frame.Frame) bool { return time.Now().After(end) })
				check(c.late)
				if s := r.Status(); s.Restarted > 0 || s.Reopened > 0 {
					t.Errorf("got %d restarts and %d reopens, want none", s.Restarted, s.Reopened)
				}
				cam.Script(func(f *v4l2test.Faults) { f.Freeze = true })
				frozen := time.Now()
				r.card(rd)
				limit := 1500 * time.Millisecond
				if len(c.rates) > 0 {
					limit = 6500 * time.Millisecond / time.Duration(min(c.rates[0], 4))
				}
				if d := time.Since(frozen); d > limit {
					t.Errorf("got the card %v after the last frame, want %v", d, limit)
				}
			})
		})
	}
}

// The command of an exec source may contain a password.
func TestWarnings_lowRateOfCommand(t *testing.T) {
	s := newSupervisor(New(Config{FPS: 30}, slog.New(slog.DiscardHandler)))
	s.cfg, _ = s.config()
	s.setWarnings(sourceInfo{device: "exec:secret", fps: 30})
	s.checkRate(&fakeSource{sourceInfo{device: "exec:secret", fps: 30}})
	if w := s.Status().Warnings; len(w) != 1 || !strings.HasPrefix(w[0], "exec sends ") {
		t.Errorf("got %q, want a warning without the command", w)
	}
}

// fakeSource has only info.
type fakeSource struct{ about sourceInfo }

func (f *fakeSource) info() sourceInfo                         { return f.about }
func (f *fakeSource) next(time.Duration) (*frame.Frame, error) { return nil, errTimeout }
func (f *fakeSource) noFramesError() error                     { return errNoFrames }
func (f *fakeSource) restart() error                           { return errors.ErrUnsupported }
func (f *fakeSource) lowRateReason() string                    { return "" }
func (f *fakeSource) wake()                                    {}
func (f *fakeSource) close()                                   {}
