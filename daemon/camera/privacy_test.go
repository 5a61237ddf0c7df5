package camera

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/daemontest/faketime"
	"vchat/daemon/daemontest/syncbuffer"
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
			t.Errorf("got streaming %v after %v, want a closed camera at once", cam.Streaming(), time.Since(began))
		}
		synctest.Wait() // for goroutines that close the rest
		if err := kernel.Leaks(); err != nil {
			t.Error(err)
		}
		if c := r.card(rd); c.seq <= last.seq {
			t.Errorf("got card %d after frame %d", c.seq, last.seq)
		} else {
			checkJPEG(t, c.data, 320, 240)
		}
		if s := r.state(Idle); !s.Privacy || s.Reason != "" || s.Since.Before(began) {
			t.Errorf("got status %+v, want privacy without a reason", s)
		}

		// The camera stays closed, whatever happens.
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
			t.Errorf("privacy on: got %d opens, want 0", n)
		}
		if n := kernel.Counts().Watches; n != 0 {
			t.Errorf("privacy on: got %d watches, want 0", n)
		}
		if err := r.SetPrivacy(t.Context(), false); err != nil {
			t.Error(err)
		}
		began = time.Now()
		r.frame(rd)
		if d := time.Since(began); d > time.Second {
			t.Errorf("privacy off: got a frame after %v, want at most 1s", d)
		}
		if s := r.state(Streaming); s.Privacy {
			t.Errorf("got status %+v, want no privacy", s)
		}
		if log := r.log.String(); strings.Contains(log, "camera lost") || strings.Contains(log, "camera recovered") {
			t.Errorf("got a fault in the log, want none:\n%s", log)
		}
	})
}

func TestPrivacy_beforeFirstOpen(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		kernel.Plug(v4l2test.Device{})
		cfg := small
		cfg.Kernel = kernel
		cam := New(cfg, slog.New(slog.DiscardHandler))
		r := &rig{Camera: cam, t: t, kernel: kernel, log: &syncbuffer.Buffer{}, done: make(chan error, 1)}
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
			t.Errorf("got a card of %dx%d, want %dx%d", c.width, c.height, cfg.Width, cfg.Height)
		}
		time.Sleep(time.Minute)
		if n := kernel.Counts().Opens; n != 0 {
			t.Errorf("got %d opens, want 0", n)
		}
	})
}

// slowOpenKernel delays each open.
type slowOpenKernel struct {
	*v4l2test.Kernel
	delay time.Duration
}

func (k *slowOpenKernel) Open(path string) (v4l2.Handle, error) {
	time.Sleep(k.delay)
	return k.Kernel.Open(path)
}

func TestPrivacy_duringSlowOpen(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		cfg := small
		cfg.Kernel = &slowOpenKernel{kernel, 10 * time.Second}
		r := run(t, kernel, cfg)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := r.SetPrivacy(ctx, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v: the open is not done", err, context.DeadlineExceeded)
		}
		r.card(rd)
		if d := time.Since(began); d > time.Second {
			t.Errorf("got the card after %v, want at most 1s", d)
		}
		if err := r.SetPrivacy(t.Context(), true); err != nil {
			t.Error(err)
		}
		synctest.Wait() // for goroutines that close the rest
		if cam.Streaming() || kernel.Counts().Frames > 0 {
			t.Errorf("got streaming %v and %d frames, want a closed camera", cam.Streaming(), kernel.Counts().Frames)
		}
		if err := kernel.Leaks(); err != nil {
			t.Error(err)
		}
	})
}

func TestPrivacy_openFails(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		cam.Script(func(f *v4l2test.Faults) { f.StreamOn = unix.EIO })
		cfg := small
		cfg.Kernel = &slowOpenKernel{kernel, time.Second}
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
			t.Errorf("got reason %q, want none", s.Reason)
		}
		if log := r.log.String(); strings.Contains(log, "camera lost") {
			t.Errorf("got a fault in the log, want none:\n%s", log)
		}
	})
}

func TestSetControls_reopen(t *testing.T) {
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
					t.Errorf("got %s %d, want brightness 30 and contrast 20", c.Name, c.Value)
				}
			}
			cam.Unplug()
			r.card(rd)
			cam.Replug()
		}
	})
}

func TestSetControls_reconfigure(t *testing.T) {
	manual := map[string]string{"brightness": "30", "contrast": "40"}
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   map[string]string
	}{
		{"another rate", func(c *Config) { c.FPS = 15 }, manual},
		{"another value", func(c *Config) { c.Controls = map[string]string{"brightness": "20"} },
			map[string]string{"brightness": "20", "contrast": "40"}},
		{"no value", func(c *Config) { c.Controls = nil }, map[string]string{"contrast": "40"}},
		{"another camera", func(c *Config) { c.Device = "/dev/video1" }, map[string]string{"brightness": "10"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := small
			cfg.Controls = map[string]string{"brightness": "10"}
			cam := New(cfg, slog.New(slog.DiscardHandler))
			cam.SetControls(manual)
			c.change(&cfg)
			cam.Reconfigure(cfg)
			if got, _ := cam.config(); !maps.Equal(got.Controls, c.want) {
				t.Errorf("got controls %v, want %v", got.Controls, c.want)
			}
		})
	}
}

// After closeDelay is over, it must not shorten the waits of privacyLoop: the
// supervisor would wake a thousand times a second.
func TestUntilCard_afterCloseDelay(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		s := newSupervisor(New(small, slog.New(slog.DiscardHandler)))
		s.lastReaderAt = time.Now().Add(-time.Hour)
		s.showPrivacyCard()
		if d := s.untilCard(time.Hour); d != cardInterval {
			t.Errorf("got the next wakeup after %v, want %v", d, cardInterval)
		}
	})
}
