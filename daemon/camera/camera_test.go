package camera

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/daemontest/faketime"
	"vchat/daemon/frame"
	"vchat/v4l2/v4l2test"
)

// small is a small V4L2 camera.
var small = Config{Device: "auto", Width: 320, Height: 240, FPS: 30, Name: "kitchen"}

func TestCamera_openOnlyWithReaders(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{ID: "usb-Pretend"})
		r := run(t, kernel, small)
		defer r.stop()
		time.Sleep(time.Minute)
		r.state(Idle)
		if n := kernel.Counts().Opens; n != 0 {
			t.Errorf("no readers: got %d opens, want 0", n)
		}
		for range 3 {
			rd := r.Hub().Subscribe()
			p := r.frame(rd)
			s := r.state(Streaming)
			if s.Device != "/dev/v4l/by-id/usb-Pretend" || s.Format != "mjpeg" || s.Width != 320 || s.Height != 240 ||
				s.Reason != "" {
				t.Errorf("got status %+v, want 320x240 MJPEG from the camera by its ID", s)
			}
			checkJPEG(t, p.data, 320, 240)
			rd.Close()
			time.Sleep(time.Second)
			if s := r.state(Idle); s.FPS != 0 {
				t.Errorf("closed camera: got %v frames/s, want 0", s.FPS)
			}
			if cam.Streaming() {
				t.Error("a second after the last reader has left: got an open camera, want it closed")
			}
			if err := kernel.Leaks(); err != nil {
				t.Error(err)
			}
			again := r.Hub().Subscribe()
			if f := again.Take(); f != nil {
				t.Error("new reader: got a frame from before, want none")
				f.Release()
			}
			again.Close()
			time.Sleep(5 * time.Second)
		}
	})
}

func TestCamera_staysOpenBetweenReaders(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		kernel.Plug(v4l2test.Device{})
		r := run(t, kernel, small)
		defer r.stop()
		for range 5 {
			rd := r.Hub().Subscribe()
			r.frame(rd)
			rd.Close()
			time.Sleep(500 * time.Millisecond)
		}
		if n := kernel.Counts().StreamOns; n != 1 {
			t.Errorf("got %d stream starts, want 1", n)
		}
	})
}

func TestCamera_frames(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		cam.Script(func(f *v4l2test.Faults) { f.NoTables = 2 })
		r := run(t, kernel, small)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		first := r.frame(rd)
		base, _, _ := v4l2test.Stamp(first.data)
		for range 90 {
			p := r.frame(rd)
			seq, at, ok := v4l2test.Stamp(p.data)
			if !ok || p.seq-first.seq != uint64(seq-base) {
				t.Fatalf("got frame %d with stamp %d (%v), want the distance of the first, %d and %d",
					p.seq, seq, ok, first.seq, base)
			}
			if p.captured != at || p.at < p.captured || p.at > kernel.Now() {
				t.Errorf("got captured %v, arrived %v; want captured %v, arrived before %v",
					p.captured, p.at, at, kernel.Now())
			}
			checkJPEG(t, p.data, 320, 240)
		}
		s := r.Status()
		if s.FPS < 29.5 || s.FPS > 30.5 || s.Frames != 91 || s.Dropped != 0 || s.Broken != 0 {
			t.Errorf("got status %+v, want 91 frames at 30/s, none dropped or broken", s)
		}
	})
}

func TestUnplug(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{ID: "usb-Pretend"})
		r := run(t, kernel, small)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		before := r.frame(rd)
		cam.Unplug()
		synctest.Wait()
		if err := kernel.Leaks(); err == nil || err.Error() != "1 watches open" {
			t.Errorf("after the unplug: got open %v; want only the watch for its return", err)
		}
		c := r.card(rd)
		if c.seq <= before.seq || c.width != 320 || c.height != 240 {
			t.Errorf("got card %d of %dx%d after frame %d, want a later one of 320x240",
				c.seq, c.width, c.height, before.seq)
		}
		checkJPEG(t, c.data, 320, 240)
		began := time.Now()
		for i := range uint64(20) {
			again := r.card(rd)
			if again.seq != c.seq+i+1 || string(again.data) != string(c.data) {
				t.Errorf("got card %d after card %d, want the same card with the next number", again.seq, c.seq)
			}
		}
		if d := time.Since(began); d < 20*cardInterval || d > 22*cardInterval {
			t.Errorf("got 20 cards in %v, want one a second", d)
		}
		if s := r.state(Lost); !strings.Contains(s.Reason, "unplugged") || s.Since.After(began) {
			t.Errorf("got status %+v, want unplugged since before %v", s, began)
		}
		cam.Replug()
		back := time.Now()
		p := r.frame(rd)
		// The kernel reports the replug, so this is about the time of a frame.
		if d := time.Since(back); d > 50*time.Millisecond {
			t.Errorf("got a frame %v after the replug, want at most 50ms", d)
		}
		if p.seq <= c.seq+20 {
			t.Errorf("got frame %d after card %d", p.seq, c.seq+20)
		}
		if s := r.state(Streaming); s.Reopened != 1 || s.Reason != "" {
			t.Errorf("got status %+v, want one reopen and no reason", s)
		}
		log := r.log.String()
		lost, recovered := strings.Count(log, "camera lost"), strings.Count(log, "camera recovered")
		if lost != 1 || recovered != 1 {
			t.Errorf("got %d lines of lost and %d of recovered, want 1 and 1:\n%s", lost, recovered, log)
		}
	})
}

func TestUnplug_hundredTimes(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		r := run(t, kernel, small)
		rd := r.Hub().Subscribe()
		for i := range 100 {
			r.frame(rd)
			time.Sleep(time.Duration(i) * 7 * time.Millisecond)
			cam.Unplug()
			r.card(rd)
			time.Sleep(time.Duration(i) * 13 * time.Millisecond)
			cam.Replug()
		}
		r.frame(rd)
		if node := cam.Node(); node != "/dev/video0" {
			t.Errorf("got node %s, want /dev/video0: the old node is still open", node)
		}
		if s := r.Status(); s.Reopened != 100 {
			t.Errorf("got %d reopens, want 100", s.Reopened)
		}
		rd.Close()
		r.stop()
	})
}

func TestBrokenFrames(t *testing.T) {
	for _, c := range []struct {
		name, defect string
		fault        func(*v4l2test.Faults)
	}{
		{"truncated", "truncated", func(f *v4l2test.Faults) { f.Truncate = 3 }},
		{"garbage", "garbled", func(f *v4l2test.Faults) { f.Garbage = 3 }},
		{"error flag", "flagged", func(f *v4l2test.Faults) { f.FlagError = 3 }},
		{"empty", "flagged", func(f *v4l2test.Faults) { f.Empty = 3 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				kernel := v4l2test.New()
				kernel.Plug(v4l2test.Device{}).Script(c.fault)
				r := run(t, kernel, small)
				defer r.stop()
				rd := r.Hub().Subscribe()
				defer rd.Close()
				for range 60 {
					p := r.next(rd, "a frame", func(*frame.Frame) bool { return true })
					if seq, _, _ := v4l2test.Stamp(p.data); p.card || seq%3 == 0 {
						t.Errorf("got frame %d, card %v; want only complete frames", seq, p.card)
					}
					checkJPEG(t, p.data, 320, 240)
				}
				s := r.Status()
				if s.Broken < 29 || s.Broken > 31 || s.BrokenBy[c.defect] != s.Broken || s.Dropped != 0 ||
					s.State != Streaming {
					t.Errorf("got status %+v, want 30 frames %s, none dropped", s, c.defect)
				}
			})
		})
	}
}

func TestNoFrames_restartThenReopen(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		fault        func(*v4l2test.Faults)
	}{
		{"frozen", "the camera sends no frames", func(f *v4l2test.Faults) { f.Freeze = true }},
		{"all broken", "the camera sends only broken frames", func(f *v4l2test.Faults) { f.Truncate = 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				kernel := v4l2test.New()
				cam := kernel.Plug(v4l2test.Device{})
				r := run(t, kernel, small)
				defer r.stop()
				rd := r.Hub().Subscribe()
				defer rd.Close()
				last := r.frame(rd)
				for range 2 * minIntervals { // until the rate is measured
					last = r.frame(rd)
				}
				cam.Script(c.fault)
				began := time.Now()
				card := r.card(rd)
				d := time.Since(began)
				if d < 900*time.Millisecond || d > 1100*time.Millisecond || card.seq <= last.seq {
					t.Errorf("got card %d after frame %d and %v, want a later one after 1s", card.seq, last.seq, d)
				}
				s := r.state(Lost)
				if s.Restarted != 1 || s.Reopened != 0 || kernel.Counts().StreamOns != 2 {
					t.Errorf("after 1s: got status %+v, want one restart and no reopen", s)
				}
				time.Sleep(1500 * time.Millisecond)
				s = r.state(Lost)
				if s.Restarted != 1 || s.Reopened != 1 || kernel.Counts().StreamOns != 3 {
					t.Errorf("after 2.5s: got status %+v, want one restart and one reopen", s)
				}
				time.Sleep(time.Minute)
				cam.Script(func(f *v4l2test.Faults) { *f = v4l2test.Faults{} })
				p := r.frame(rd)
				if p.seq <= card.seq {
					t.Errorf("got frame %d after card %d", p.seq, card.seq)
				}
				r.state(Streaming)
				if n := strings.Count(r.log.String(), c.reason); n != 1 {
					t.Errorf("got %q in the log %d times, want 1:\n%s", c.reason, n, r.log)
				}
			})
		})
	}
}

func TestNoFrames_restartHelps(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		r := run(t, kernel, small)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		r.frame(rd)
		cam.Script(func(f *v4l2test.Faults) { f.Freeze = true })
		card := r.card(rd)
		cam.Script(func(f *v4l2test.Faults) { f.Freeze = false })
		if p := r.frame(rd); p.seq <= card.seq {
			t.Errorf("got frame %d after card %d", p.seq, card.seq)
		}
		if s := r.state(Streaming); s.Restarted != 1 || s.Reopened != 0 {
			t.Errorf("got status %+v, want one restart and no reopen", s)
		}
	})
}

func TestOpenErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  func(*v4l2test.Faults)
		state  State
		reason string
	}{
		{"in use", func(f *v4l2test.Faults) { f.Busy = "cheese (4711)" }, Lost, "cheese (4711)"},
		{"no permission", func(f *v4l2test.Faults) { f.Open = unix.EACCES }, Failed, "video"},
		{"no USB bandwidth", func(f *v4l2test.Faults) { f.StreamOn = unix.ENOSPC }, Lost, "USB bus"},
		{"driver error", func(f *v4l2test.Faults) { f.StreamOn = unix.EIO }, Lost, "does not work"},
		{"vanishes", func(f *v4l2test.Faults) { f.VanishAtOpen = true }, Lost, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				kernel := v4l2test.New()
				cam := kernel.Plug(v4l2test.Device{ID: "usb-Pretend"})
				cam.Script(c.fault)
				time.Sleep(time.Minute) // the node is not new
				cfg := small
				counted := &countingKernel{Kernel: kernel}
				cfg.Device, cfg.Kernel = "/dev/v4l/by-id/usb-Pretend", counted
				r := run(t, kernel, cfg)
				defer r.stop()
				rd := r.Hub().Subscribe()
				defer rd.Close()
				began := time.Now()
				r.card(rd)
				if d := time.Since(began); d > 100*time.Millisecond {
					t.Errorf("got a card after %v, want at most 100ms", d)
				}
				time.Sleep(time.Minute)
				s := r.state(c.state)
				if !strings.Contains(s.Reason, c.reason) {
					t.Errorf("got reason %q, want %q in it", s.Reason, c.reason)
				}
				if n := strings.Count(r.log.String(), "camera lost"); n != 1 {
					t.Errorf("got %d lines of camera lost, want 1:\n%s", n, r.log)
				}
				opens := counted.opens.Load()
				time.Sleep(time.Minute)
				if n := counted.opens.Load() - opens; c.name != "vanishes" && (n < 25 || n > 90) {
					t.Errorf("got %d tries in a minute, want 25 to 90", n)
				}
				cam.Script(func(f *v4l2test.Faults) { *f = v4l2test.Faults{} })
				cam.Replug()
				repaired := time.Now()
				r.frame(rd)
				if d := time.Since(repaired); d > 2500*time.Millisecond {
					t.Errorf("got a frame %v after the fault ended, want at most 2.5s", d)
				}
			})
		})
	}
}

func TestCard_delayAtStart(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		kernel.Plug(v4l2test.Device{}).Script(func(f *v4l2test.Faults) { f.Freeze = true })
		r := run(t, kernel, small)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		began := time.Now()
		time.Sleep(1900 * time.Millisecond)
		r.state(Opening)
		first := r.next(rd, "a frame", func(*frame.Frame) bool { return true })
		if d := time.Since(began); !first.card || d < 2*time.Second || d > 2100*time.Millisecond {
			t.Errorf("got card %v after %v, want a card after about 2s", first.card, d)
		}
		r.state(Opening)
		r.next(rd, "another card", func(f *frame.Frame) bool { return string(f.Data) != string(first.data) })
		if d := time.Since(began); d > 3100*time.Millisecond {
			t.Errorf("got the card for no frames after %v, want at most 3.1s", d)
		}
		r.state(Lost)
	})
}

func TestReconfigure(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		kernel.Plug(v4l2test.Device{})
		cfg := small
		cfg.Kernel, cfg.Controls = kernel, map[string]string{"brightness": "1"}
		r := run(t, kernel, cfg)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		last := r.frame(rd)
		same := cfg
		same.Controls = map[string]string{"brightness": "1"}
		r.Reconfigure(same)
		for range 30 {
			p := r.frame(rd)
			if p.seq != last.seq+1 {
				t.Fatalf("equal configuration: got frame %d after %d, want no gap", p.seq, last.seq)
			}
			last = p
		}
		larger := cfg
		larger.Width, larger.Height = 640, 480
		r.Reconfigure(larger)
		p := r.next(rd, "a larger frame", func(f *frame.Frame) bool { return f.Width == 640 })
		if p.card || p.seq <= last.seq {
			t.Errorf("got frame %d (card %v) after %d, want a later frame", p.seq, p.card, last.seq)
		}
		if s := r.state(Streaming); s.Width != 640 || s.Reopened != 0 || kernel.Counts().StreamOns != 2 {
			t.Errorf("got status %+v, want 640x480 with a second stream start", s)
		}
		absent := cfg
		absent.Device = "/dev/video7"
		r.Reconfigure(absent)
		r.card(rd)
		r.Reconfigure(cfg) // in the middle of a pause
		r.frame(rd)
	})
}

func TestRun_end(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		r := run(t, kernel, small)
		rd := r.Hub().Subscribe()
		defer rd.Close()
		r.frame(rd)
		r.stop()
		if cam.Streaming() {
			t.Error("after Run: got a streaming camera, want it closed")
		}
		for {
			f, err := rd.Next(context.Background())
			if errors.Is(err, frame.ErrEnded) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			f.Release()
		}
	})
}

func TestChanged_everyState(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		r := run(t, kernel, small)
		var states []string
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-r.Changed():
					if s := string(r.Status().State); len(states) == 0 || states[len(states)-1] != s {
						states = append(states, s)
					}
				case <-ctx.Done():
					return
				}
			}
		}()
		rd := r.Hub().Subscribe()
		r.frame(rd)
		synctest.Wait()
		cam.Unplug()
		r.card(rd)
		synctest.Wait()
		cam.Replug()
		r.frame(rd)
		synctest.Wait()
		rd.Close()
		time.Sleep(time.Second)
		synctest.Wait()
		cancel()
		<-done
		want := "opening streaming lost streaming idle"
		if got := strings.Join(states, " "); got != want {
			t.Errorf("got states %q, want %q", got, want)
		}
		r.stop()
	})
}
