package camera

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/daemontest/faketime"
	"vchat/daemon/frame"
	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

func TestPrivacy(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		r := run(t, kernel, small)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		last := r.frame(rd)
		began := time.Now()
		if err := r.SetPrivacy(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		if cam.Streaming() || time.Since(began) > 0 {
			t.Errorf("still open, %v later", time.Since(began))
		}
		synctest.Wait() // for what is let go beside the camera
		if err := kernel.Leaks(); err != nil {
			t.Error(err)
		}
		if c := r.card(rd); c.seq <= last.seq {
			t.Errorf("card %d after frame %d", c.seq, last.seq)
		} else {
			readable(t, c.data, 320, 240)
		}
		if s := r.state(Idle); !s.Privacy || s.Reason != "" || s.Since.Before(began) {
			t.Errorf("status %+v", s)
		}

		// Whatever happens now, it stays closed.
		opens := kernel.Counts().Opens
		time.Sleep(time.Minute)
		rd.Close()
		time.Sleep(time.Minute)
		rd = r.Hub().Subscribe()
		r.card(rd)
		cam.Unplug()
		time.Sleep(time.Second)
		cam.Replug()
		cfg := small
		cfg.FPS, cfg.Kernel = 15, kernel
		r.Reconfigure(cfg)
		if err := r.SetPrivacy(t.Context(), true); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if n := kernel.Counts().Opens - opens; n != 0 {
			t.Errorf("opened %d times under privacy", n)
		}
		if n := kernel.Counts().Watches; n != 0 {
			t.Errorf("%d watches", n)
		}
		if err := r.SetPrivacy(t.Context(), false); err != nil {
			t.Error(err)
		}
		began = time.Now()
		r.frame(rd)
		if d := time.Since(began); d > time.Second {
			t.Errorf("a frame came %v after privacy was lifted", d)
		}
		if s := r.state(Streaming); s.Privacy {
			t.Errorf("status %+v", s)
		}
		if log := r.log.String(); strings.Contains(log, "camera lost") || strings.Contains(log, "camera is back") {
			t.Errorf("privacy is no fault:\n%s", log)
		}
	})
}

func TestPrivacyBeforeTheFirstLook(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		kernel.Plug(v4l2test.Device{})
		cfg := small
		cfg.Kernel = kernel
		r := &rig{Camera: New(cfg, slog.New(slog.DiscardHandler)), t: t, kernel: kernel, log: &journal{}, done: make(chan error, 1)}
		if err := r.SetPrivacy(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		r.cancel = cancel
		rd := r.Hub().Subscribe()
		defer rd.Close()
		go func() { r.done <- r.Run(ctx) }()
		defer r.stop()
		if c := r.card(rd); c.width != cfg.Width || c.height != cfg.Height {
			t.Errorf("a card of %dx%d", c.width, c.height)
		}
		time.Sleep(time.Minute)
		if n := kernel.Counts().Opens; n != 0 {
			t.Errorf("opened %d times", n)
		}
	})
}

// sluggish is a kernel whose opens take their time.
type sluggish struct {
	*v4l2test.Kernel
	takes time.Duration
}

func (k *sluggish) Open(path string) (v4l2.Handle, error) {
	time.Sleep(k.takes)
	return k.Kernel.Open(path)
}

func TestPrivacyDuringASlowOpen(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		cfg := small
		cfg.Kernel = &sluggish{kernel, 10 * time.Second}
		r := run(t, kernel, cfg)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := r.SetPrivacy(ctx, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v; the driver has not let go yet", err)
		}
		r.card(rd)
		if d := time.Since(began); d > time.Second {
			t.Errorf("the card came after %v", d)
		}
		if err := r.SetPrivacy(t.Context(), true); err != nil {
			t.Error(err)
		}
		synctest.Wait() // for what is let go beside the camera
		if cam.Streaming() || kernel.Counts().Frames > 0 {
			t.Errorf("%d frames were taken", kernel.Counts().Frames)
		}
		if err := kernel.Leaks(); err != nil {
			t.Error(err)
		}
	})
}

func TestAnOpenThatFailsUnderPrivacyIsNoFault(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		cam.Script(func(f *v4l2test.Faults) { f.StreamOn = unix.EIO })
		cfg := small
		cfg.Kernel = &sluggish{kernel, time.Second}
		r := run(t, kernel, cfg)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		time.Sleep(time.Millisecond)
		if err := r.SetPrivacy(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := r.state(Idle); s.Reason != "" {
			t.Errorf("status %+v", s)
		}
		if log := r.log.String(); strings.Contains(log, "camera lost") {
			t.Errorf("privacy is no fault:\n%s", log)
		}
	})
}

func TestWhatWasWrongIsSaidWhenNobodyLooksAnyMore(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		cam.Script(func(f *v4l2test.Faults) { f.Busy = "cheese (4711)" })
		r := run(t, kernel, small)
		defer r.stop()
		rd := r.Hub().Subscribe()
		r.card(rd)
		was := r.state(Lost)
		cam.Script(func(f *v4l2test.Faults) { f.Busy = "firefox (1)" })
		time.Sleep(5 * time.Second)
		now := r.state(Lost)
		if !strings.Contains(was.Reason, "cheese") || !strings.Contains(now.Reason, "firefox") {
			t.Errorf("%q, then %q", was.Reason, now.Reason)
		}
		rd.Close()
		time.Sleep(2 * time.Second)
		if s := r.state(Idle); s.Reason != now.Reason {
			t.Errorf("reason %q, want %q", s.Reason, now.Reason)
		}
		cam.Script(func(f *v4l2test.Faults) { f.Busy = "" })
		rd = r.Hub().Subscribe()
		r.frame(rd)
		rd.Close()
		time.Sleep(2 * time.Second)
		if s := r.state(Idle); s.Reason != "" {
			t.Errorf("reason %q after it was seen to work", s.Reason)
		}
	})
}

func TestSlowFramesAreSaidAndWhy(t *testing.T) {
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
				t.Errorf("warned of %q in bright light", s.Warnings)
			}
			if dark && (len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "of the 30 that it promised: exposure_dynamic_framerate is on")) {
				t.Errorf("warned of %q in dim light", s.Warnings)
			}
		}
		if n := strings.Count(r.log.String(), "camera is slow"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, r.log)
		}
	})
}

// What status says of the rate is not what it was once, and the log does not follow it.
func TestTheRateThatIsToldIsThePresentOne(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		r := run(t, kernel, small)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		for _, c := range []struct {
			dark  bool
			every int // frame is broken
			want  string
		}{
			{true, 0, ` gives 15[.\d]* frames`},
			{true, 2, ` gives 7[.\d]* frames`},
			{false, 2, ` gives 15[.\d]* frames a second of the 30 that it promised: 1[45][.\d]* more are broken$`},
		} {
			cam.Script(func(f *v4l2test.Faults) { f.Dark, f.Truncate = c.dark, c.every })
			end := time.Now().Add(18 * time.Second)
			r.next(rd, "the end", func(*frame.Frame) bool { return time.Now().After(end) })
			if s := r.state(Streaming); len(s.Warnings) != 1 || !regexp.MustCompile(c.want).MatchString(s.Warnings[0]) {
				t.Errorf("told %q, want %q", s.Warnings, c.want)
			}
		}
		if n := strings.Count(r.log.String(), "camera is slow"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, r.log)
		}
	})
}

func TestControlsSetByHandStay(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		cfg := small
		cfg.Controls = map[string]string{"brightness": "10", "contrast": "20"}
		r := run(t, kernel, cfg)
		defer r.stop()
		r.SetControls(map[string]string{"brightness": "30"})
		rd := r.Hub().Subscribe()
		defer rd.Close()
		for range 2 {
			r.frame(rd)
			all, err := v4l2.Controls(kernel, "auto")
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range all {
				if c.Name == "brightness" && c.Value != 30 || c.Name == "contrast" && c.Value != 20 {
					t.Errorf("%s is %d", c.Name, c.Value)
				}
			}
			cam.Unplug()
			r.card(rd)
			cam.Replug()
		}
	})
}

func TestControlsSetByHandGiveWayToTheConfiguration(t *testing.T) {
	hand := map[string]string{"brightness": "30", "contrast": "40"}
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   map[string]string
	}{
		{"nothing of it", func(c *Config) { c.FPS = 15 }, hand},
		{"another value", func(c *Config) { c.Controls = map[string]string{"brightness": "20"} }, map[string]string{"brightness": "20", "contrast": "40"}},
		{"no value", func(c *Config) { c.Controls = nil }, map[string]string{"contrast": "40"}},
		{"another camera", func(c *Config) { c.Device = "/dev/video1" }, map[string]string{"brightness": "10"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := small
			cfg.Controls = map[string]string{"brightness": "10"}
			cam := New(cfg, slog.New(slog.DiscardHandler))
			cam.SetControls(hand)
			c.change(&cfg)
			cam.Reconfigure(cfg)
			if got, _ := cam.config(); !maps.Equal(got.Controls, c.want) {
				t.Errorf("controls %v, want %v", got.Controls, c.want)
			}
		})
	}
}

// A reader who left before privacy was switched on once made the supervisor look a thousand times a second whether he lingers.
func TestALingerThatIsOverEndsNoOtherWait(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		k := newSupervisor(New(small, slog.New(slog.DiscardHandler)))
		k.left = time.Now().Add(-time.Hour)
		k.showPrivacyCard()
		if d := k.untilCard(time.Hour); d != cardEvery {
			t.Errorf("the next look is after %v, want %v", d, cardEvery)
		}
	})
}
