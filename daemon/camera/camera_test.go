package camera

import (
	"context"
	"errors"
	"fmt"
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

var small = Config{Device: "auto", Width: 320, Height: 240, FPS: 30, Name: "kitchen"}

func TestOpenOnlyWhileSomebodyLooks(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{ID: "usb-Pretend"})
		r := run(t, kernel, small)
		defer r.stop()
		time.Sleep(time.Minute)
		r.state(Idle)
		if n := kernel.Counts().Opens; n != 0 {
			t.Errorf("opened %d times while nobody looked", n)
		}
		for range 3 {
			rd := r.Hub().Subscribe()
			p := r.frame(rd)
			s := r.state(Streaming)
			if s.Device != "/dev/v4l/by-id/usb-Pretend" || s.Format != "mjpeg" || s.Width != 320 || s.Height != 240 || s.Reason != "" {
				t.Errorf("status %+v", s)
			}
			readable(t, p.data, 320, 240)
			rd.Close()
			time.Sleep(time.Second)
			if s := r.state(Idle); s.FPS != 0 {
				t.Errorf("%v frames a second from a closed camera", s.FPS)
			}
			if cam.Streaming() {
				t.Error("open a second after the last reader has left")
			}
			if err := kernel.Leaks(); err != nil {
				t.Error(err)
			}
			late := r.Hub().Subscribe()
			if f := late.Take(); f != nil {
				t.Error("an old frame is handed out as a live one")
				f.Release()
			}
			late.Close()
			time.Sleep(5 * time.Second)
		}
	})
}

func TestStaysOpenForAReaderThatComesBackAtOnce(t *testing.T) {
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
			t.Errorf("streamed %d times, want once", n)
		}
	})
}

func TestFramesAreTheCamerasOwn(t *testing.T) {
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
				t.Fatalf("feed's %d is the camera's %d (%v); the first were %d and %d", p.seq, seq, ok, first.seq, base)
			}
			if p.captured != at || p.at < p.captured || p.at > kernel.Now() {
				t.Errorf("captured %v, the camera says %v; arrived %v, now %v", p.captured, at, p.at, kernel.Now())
			}
			readable(t, p.data, 320, 240)
		}
		s := r.Status()
		if s.FPS < 29.5 || s.FPS > 30.5 || s.Frames != 91 || s.Dropped != 0 || s.Broken != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestUnplugCardReplug(t *testing.T) {
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
			t.Errorf("after the unplug: %v; want the watch for its return, and no hold on the dead node", err)
		}
		c := r.card(rd)
		if c.seq <= before.seq || c.width != 320 || c.height != 240 {
			t.Errorf("card %d of %dx%d after frame %d", c.seq, c.width, c.height, before.seq)
		}
		readable(t, c.data, 320, 240)
		began := time.Now()
		for i := range uint64(20) {
			again := r.card(rd)
			if again.seq != c.seq+i+1 || string(again.data) != string(c.data) {
				t.Errorf("card %d after %d, or another one", again.seq, c.seq)
			}
		}
		if d := time.Since(began); d < 20*cardEvery || d > 22*cardEvery {
			t.Errorf("20 cards in %v, want one a second", d)
		}
		if s := r.state(Lost); !strings.Contains(s.Reason, "unplugged") || s.Since.After(began) {
			t.Errorf("status %+v", s)
		}
		cam.Replug()
		back := time.Now()
		p := r.frame(rd)
		if d := time.Since(back); d > 50*time.Millisecond { // the kernel tells of it: what is left is a frame's own time
			t.Errorf("back %v after the replug", d)
		}
		if p.seq <= c.seq+20 {
			t.Errorf("frame %d after card %d", p.seq, c.seq+20)
		}
		if s := r.state(Streaming); s.Reopened != 1 || s.Reason != "" {
			t.Errorf("status %+v", s)
		}
		log := r.log.String()
		if lost, found := strings.Count(log, "camera lost"), strings.Count(log, "camera is back"); lost != 1 || found != 1 {
			t.Errorf("lost is logged %d times, back %d times:\n%s", lost, found, log)
		}
	})
}

func TestHundredUnplugsLeaveNothingBehind(t *testing.T) {
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
			t.Errorf("it came back as %s: something held the old one", node)
		}
		if s := r.Status(); s.Reopened != 100 {
			t.Errorf("reopened %d times", s.Reopened)
		}
		rd.Close()
		r.stop()
	})
}

func TestBrokenFramesAreCountedAndNeverPublished(t *testing.T) {
	for _, c := range []struct {
		why   string
		fault func(*v4l2test.Faults)
	}{
		{"truncated", func(f *v4l2test.Faults) { f.Truncate = 3 }},
		{"garbled", func(f *v4l2test.Faults) { f.Garbage = 3 }},
		{"flagged", func(f *v4l2test.Faults) { f.FlagError = 3 }},
		{"flagged", func(f *v4l2test.Faults) { f.Empty = 3 }},
	} {
		t.Run(c.why, func(t *testing.T) {
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
						t.Errorf("frame %d was published, card: %v", seq, p.card)
					}
					readable(t, p.data, 320, 240)
				}
				s := r.Status()
				if s.Broken < 29 || s.Broken > 31 || s.BrokenBy[c.why] != s.Broken || s.Dropped != 0 || s.State != Streaming {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
}

func TestSilenceIsAnsweredByRestartThenReopen(t *testing.T) {
	for _, c := range []struct {
		name, logged string
		fault        func(*v4l2test.Faults)
	}{
		{"frozen", "sends no frames", func(f *v4l2test.Faults) { f.Freeze = true }},
		{"all broken", "sends broken frames", func(f *v4l2test.Faults) { f.Truncate = 1 }},
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
				cam.Script(c.fault)
				began := time.Now()
				card := r.card(rd)
				if d := time.Since(began); d < 900*time.Millisecond || d > 1100*time.Millisecond || card.seq <= last.seq {
					t.Errorf("card %d after %v", card.seq, d)
				}
				s := r.state(Lost)
				if s.Restarted != 1 || s.Reopened != 0 || kernel.Counts().StreamOns != 2 {
					t.Errorf("after the first second: %+v", s)
				}
				time.Sleep(1500 * time.Millisecond)
				s = r.state(Lost)
				if s.Restarted != 1 || s.Reopened != 1 || kernel.Counts().StreamOns != 3 {
					t.Errorf("after two and a half: %+v", s)
				}
				time.Sleep(time.Minute)
				cam.Script(func(f *v4l2test.Faults) { *f = v4l2test.Faults{} })
				p := r.frame(rd)
				if p.seq <= card.seq {
					t.Errorf("frame %d after card %d", p.seq, card.seq)
				}
				r.state(Streaming)
				if n := strings.Count(r.log.String(), c.logged); n != 2 { // the headline and the error, in one line
					t.Errorf("%d times:\n%s", n, r.log)
				}
			})
		})
	}
}

func TestRestartIsEnoughForAShortSilence(t *testing.T) {
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
			t.Errorf("frame %d after card %d", p.seq, card.seq)
		}
		if s := r.state(Streaming); s.Restarted != 1 || s.Reopened != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestFaultsAtOpen(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  func(*v4l2test.Faults)
		state  State
		reason string
	}{
		{"busy", func(f *v4l2test.Faults) { f.Busy = "cheese (4711)" }, Lost, "cheese (4711)"},
		{"no permission", func(f *v4l2test.Faults) { f.Open = unix.EACCES }, Failed, "video"},
		{"no room on the bus", func(f *v4l2test.Faults) { f.StreamOn = unix.ENOSPC }, Lost, "USB bus"},
		{"broken", func(f *v4l2test.Faults) { f.StreamOn = unix.EIO }, Lost, "does not work"},
		{"vanishes", func(f *v4l2test.Faults) { f.VanishAtOpen = true }, Lost, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				kernel := v4l2test.New()
				cam := kernel.Plug(v4l2test.Device{ID: "usb-Pretend"})
				cam.Script(c.fault)
				cfg := small
				counted := &counting{Kernel: kernel}
				cfg.Device, cfg.Kernel = "/dev/v4l/by-id/usb-Pretend", counted
				r := run(t, kernel, cfg)
				defer r.stop()
				rd := r.Hub().Subscribe()
				defer rd.Close()
				began := time.Now()
				r.card(rd)
				if d := time.Since(began); d > 100*time.Millisecond {
					t.Errorf("the card came after %v", d)
				}
				time.Sleep(time.Minute)
				s := r.state(c.state)
				if !strings.Contains(s.Reason, c.reason) {
					t.Errorf("reason %q", s.Reason)
				}
				if n := strings.Count(r.log.String(), "camera lost"); n != 1 {
					t.Errorf("logged %d times:\n%s", n, r.log)
				}
				tries := counted.tries.Load()
				time.Sleep(time.Minute)
				if n := counted.tries.Load() - tries; c.name != "vanishes" && (n < 25 || n > 90) {
					t.Errorf("%d tries in a minute", n)
				}
				cam.Script(func(f *v4l2test.Faults) { *f = v4l2test.Faults{} })
				cam.Replug()
				mended := time.Now()
				r.frame(rd)
				if d := time.Since(mended); d > 2500*time.Millisecond {
					t.Errorf("a frame came %v after it was mended", d)
				}
			})
		})
	}
}

func TestNoCardInTheFirstTwoSeconds(t *testing.T) {
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
			t.Errorf("card: %v, after %v", first.card, d)
		}
		r.state(Opening)
		r.next(rd, "another card", func(f *frame.Frame) bool { return string(f.Data) != string(first.data) })
		if d := time.Since(began); d > 3100*time.Millisecond {
			t.Errorf("silence was noticed after %v", d)
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
				t.Fatalf("frame %d after %d: an equal configuration disturbs", p.seq, last.seq)
			}
			last = p
		}
		larger := cfg
		larger.Width, larger.Height = 640, 480
		r.Reconfigure(larger)
		p := r.next(rd, "a larger frame", func(f *frame.Frame) bool { return f.Width == 640 })
		if p.card || p.seq <= last.seq {
			t.Errorf("frame %d (card: %v) after %d", p.seq, p.card, last.seq)
		}
		if s := r.state(Streaming); s.Width != 640 || s.Reopened != 0 || kernel.Counts().StreamOns != 2 {
			t.Errorf("status %+v", s)
		}
		absent := cfg
		absent.Device = "/dev/video7"
		r.Reconfigure(absent)
		r.card(rd)
		r.Reconfigure(cfg) // in the middle of a pause
		r.frame(rd)
	})
}

func TestRunEndsTheFeedAndClosesEverything(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		r := run(t, kernel, small)
		rd := r.Hub().Subscribe()
		defer rd.Close()
		r.frame(rd)
		r.stop()
		if cam.Streaming() {
			t.Error("the camera streams after Run has returned")
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

func TestChangedTellsOfEveryState(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		r := run(t, kernel, small)
		var states []string
		ctx, cancel := context.WithCancel(context.Background())
		told := make(chan struct{})
		go func() {
			defer close(told)
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
		<-told
		want := "opening streaming lost streaming idle"
		if got := strings.Join(states, " "); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		r.stop()
	})
}

func TestPausesGrowAndAreBounded(t *testing.T) {
	for _, c := range []*cause{unplug, busy, denied} {
		for tries := range 100 {
			for told, most := range map[bool]time.Duration{false: c.most, true: slow} {
				d, nominal := c.pauseAfter(tries, told), min(100*time.Millisecond<<min(tries, 10), most)
				if d < nominal*3/4 || d > nominal*5/4 || d > most {
					t.Errorf("%s, try %d, told %v: %v", c.headline, tries, told, d)
				}
			}
		}
	}
}

// After the kernel has made a node, udev takes some moments to give it to the group video. That is not another fault.
func TestACameraThatIsNotOursYetIsNoNews(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		r := run(t, kernel, small)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		r.frame(rd)
		cam.Unplug()
		r.card(rd)
		cam.Script(func(f *v4l2test.Faults) { f.Open = unix.EACCES })
		cam.Replug()
		time.Sleep(200 * time.Millisecond)
		if s := r.state(Lost); s.Headline != unplug.headline {
			t.Errorf("while udev has not come to it: %q", s.Headline)
		}
		time.Sleep(3 * time.Second)
		if s := r.state(Failed); s.Headline != denied.headline {
			t.Errorf("when udev should have come to it: %q", s.Headline)
		}
		cam.Script(func(f *v4l2test.Faults) { f.Open = nil })
		r.frame(rd)
	})
}

func TestCauses(t *testing.T) {
	gone := fmt.Errorf("poll: %w", v4l2.ErrUnplugged)
	for _, c := range []struct {
		err    error
		before *cause
		want   *cause
	}{
		{gone, nil, unplug}, {v4l2.ErrNotFound, unplug, unplug}, {v4l2.ErrNotFound, nil, missing}, {v4l2.ErrNotFound, busy, missing},
		{v4l2.ErrNotCamera, nil, noCamera}, {v4l2.ErrNoFormat, nil, noFormat}, {v4l2.ErrFailed, nil, faulty}, {errSilent, unplug, silent},
	} {
		if got := causeOf(c.err, c.before); got != c.want {
			t.Errorf("%v after %v is %q, want %q", c.err, c.before, got.headline, c.want.headline)
		}
	}
}
