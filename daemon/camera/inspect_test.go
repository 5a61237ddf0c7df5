package camera

import (
	gocmp "cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"vchat/daemon/daemontest/faketime"
	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

const goodID = "usb-Good_0001-video-index0"

func TestQuestionsWhileItStreams(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{Card: "Good", ID: goodID})
		r := run(t, kernel, small)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		before := r.frame(rd).seq
		q := NewInspector(r.Camera)
		about, formats, err := q.Formats(t.Context(), "")
		if want := (About{"/dev/v4l/by-id/" + goodID, "Good"}); err != nil || about != want || len(formats) == 0 || formats[0].Format != v4l2.MJPEG {
			t.Errorf("formats of %v: %v, %v", about, formats, err)
		}
		s, err := q.Set(t.Context(), "", map[string]string{"brightness": "7"})
		if err != nil || !s.Own || len(s.Changes) != 1 || s.Changes[0].After.Value != 7 {
			t.Errorf("set: %+v, %v", s, err)
		}
		if got := cam.Control("brightness"); got != 7 {
			t.Errorf("brightness is %d while it streams", got)
		}
		for range 20 {
			p := r.frame(rd)
			if p.card || p.seq != before+1 {
				t.Fatalf("frame %d (card: %v) after %d: the questions disturb the stream", p.seq, p.card, before)
			}
			before = p.seq
		}
		// What was set by hand is set again for a camera that has forgotten it; what the camera refused is not.
		if _, err := q.Set(t.Context(), "", map[string]string{"shine": "1"}); !errors.Is(err, ErrNoControl) {
			t.Errorf("an unknown control: %v", err)
		}
		if err := v4l2.SetControl(kernel, "auto", "brightness", "0"); err != nil {
			t.Fatal(err)
		}
		cam.Unplug()
		r.waitFor(Lost)
		cam.Replug()
		r.waitFor(Streaming)
		if got := cam.Control("brightness"); got != 7 {
			t.Errorf("brightness is %d after a replug", got)
		}
		if w := r.Status().Warnings; len(w) > 0 {
			t.Errorf("warnings: %v", w)
		}
	})
}

func (r *rig) waitFor(s State) {
	r.t.Helper()
	for range 1000 {
		if r.Status().State == s {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("the camera is %s, not %s", r.Status().State, s)
}

func TestWhichCameraIsMeant(t *testing.T) {
	for _, tt := range []struct {
		configured, asked string
		path              string
		own               bool
		err               error
	}{
		{"auto", "", "/dev/v4l/by-id/" + goodID, true, nil},
		{"auto", "/dev/video0", "/dev/video0", true, nil},
		{"auto", "/dev/video1", "/dev/video1", false, nil},
		{"/dev/video1", "", "/dev/video1", true, nil},
		{"/dev/video0", "/dev/v4l/by-id/" + goodID, "/dev/v4l/by-id/" + goodID, true, nil},
		{"/dev/video1", "auto", "/dev/v4l/by-id/" + goodID, false, nil},
		{"test", "", "", false, ErrNotAsked},
		{"file:/a", "", "", false, ErrNotAsked},
		{"exec:a", "", "", false, ErrNotAsked},
		{"test", "/dev/video1", "/dev/video1", false, nil},
		{"auto", "/dev/video9", "", false, v4l2.ErrNotFound},
		{"/dev/video9", "", "", false, v4l2.ErrNotFound},
		{"auto", "video1", "", false, ErrNoPath},
		{"auto", "/etc/passwd", "", false, ErrNoPath},
		{"auto", "/dev/../etc/passwd", "", false, ErrNoPath},
		{"auto", "test", "", false, ErrNoPath},
	} {
		t.Run(tt.configured+" "+tt.asked, func(t *testing.T) {
			kernel := v4l2test.New()
			kernel.Plug(v4l2test.Device{Card: "Good", ID: goodID})
			kernel.Plug(v4l2test.Device{Card: "Other"})
			c := New(Config{Device: tt.configured, Kernel: kernel}, nil)
			q := NewInspector(c)
			s, err := q.Set(t.Context(), tt.asked, map[string]string{"Brightness": "9"})
			if !errors.Is(err, tt.err) || s.Path != tt.path || s.Own != tt.own {
				t.Errorf("got %q, own %v, %v", s.Path, s.Own, err)
			}
			cfg, _ := c.config()
			if want := (map[string]string{"brightness": "9"}); tt.own != maps.Equal(cfg.Controls, want) {
				t.Errorf("kept for the next opening: %v", cfg.Controls)
			}
			if err := kernel.Leaks(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWhatWasSetBeforeAFaultIsSaid(t *testing.T) {
	kernel := v4l2test.New()
	kernel.Plug(v4l2test.Device{})
	c := New(Config{Kernel: kernel}, nil)
	q := NewInspector(c)
	s, err := q.Set(t.Context(), "", map[string]string{"brightness": "3", "exposure_time_absolute": "100"})
	if !errors.Is(err, ErrInactive) || !strings.Contains(err.Error(), "set before it: brightness") || len(s.Changes) != 1 {
		t.Errorf("%+v, %v", s.Changes, err)
	}
	if cfg, _ := c.config(); cfg.Controls["brightness"] != "3" || len(cfg.Controls) != 1 {
		t.Errorf("kept: %v", cfg.Controls)
	}
}

func TestNothingIsOpenedWhilePrivacyIsOn(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := &counting{Kernel: v4l2test.New()}
		kernel.Plug(v4l2test.Device{Card: "Good", ID: goodID})
		cfg := small
		cfg.Kernel = kernel
		r := run(t, kernel.Kernel, cfg)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		r.waitFor(Streaming)
		if err := r.SetPrivacy(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		r.waitFor(Idle)
		q := NewInspector(r.Camera)
		if err := q.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		before := kernel.Counts().Opens
		if _, _, err := q.Formats(t.Context(), ""); !errors.Is(err, ErrPrivacy) {
			t.Errorf("formats: %v", err)
		}
		if _, _, err := q.Controls(t.Context(), "/dev/video0"); !errors.Is(err, ErrPrivacy) {
			t.Errorf("controls: %v", err)
		}
		if _, err := q.Set(t.Context(), "", map[string]string{"brightness": "1"}); !errors.Is(err, ErrPrivacy) {
			t.Errorf("set: %v", err)
		}
		found, err := q.List(t.Context())
		if err != nil || len(found) != 1 || found[0].Card != "Good" || !found[0].Used || !errors.Is(found[0].Err, ErrPrivacy) {
			t.Errorf("list: %+v, %v", found, err)
		}
		if name, missing := r.Label("auto"); name != "Good" || missing != "" {
			t.Errorf("label: %q, %q", name, missing)
		}
		time.Sleep(5 * time.Second)
		if after := kernel.Counts().Opens; after != before || kernel.tries.Load() == 0 {
			t.Errorf("%d opens while privacy is on", after-before)
		}
	})
}

// stuck is a kernel with a driver that hangs in open until it is let go.
type stuck struct {
	*v4l2test.Kernel
	let chan struct{}
}

func (k *stuck) Open(path string) (v4l2.Handle, error) {
	<-k.let
	return k.Kernel.Open(path)
}

func TestADriverThatHangs(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := &stuck{v4l2test.New(), make(chan struct{})}
		kernel.Plug(v4l2test.Device{})
		q := NewInspector(New(Config{Kernel: kernel}, nil))
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { _ = q.Run(ctx); close(ended) }()

		began := time.Now()
		asked := func(ctx context.Context, name string, want error, within time.Duration) {
			_, _, err := q.Controls(ctx, "")
			if took := time.Since(began); !errors.Is(err, want) || took > within {
				t.Errorf("%s: %v after %v", name, err, took)
			}
		}
		second := make(chan struct{})
		go func() {
			time.Sleep(time.Second)
			asked(t.Context(), "the second", ErrHangs, 6*time.Second)
			close(second)
		}()
		asked(t.Context(), "the first", ErrHangs, answerWithin)
		<-second
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		asked(short, "one that does not wait", context.DeadlineExceeded, time.Second)
		if err := q.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, while the camera is still held by a question", err)
		}

		end()
		synctest.Wait()
		select {
		case <-ended:
			t.Error("Run has ended while a question is asked")
		default:
		}
		close(kernel.let)
		<-ended
		if err := kernel.Leaks(); err != nil {
			t.Error(err)
		}
	})
}

func TestList(t *testing.T) {
	for _, tt := range []struct {
		configured string
		unplug     bool
		want       []string
	}{
		{"auto", false, []string{"used /dev/video0 Good", "/dev/video1 Stage unfit", "/dev/video2  permission"}},
		{"/dev/video1", false, []string{"/dev/video0 Good", "used /dev/video1 Stage unfit", "/dev/video2  permission"}},
		{"/dev/v4l/by-id/" + goodID, false, []string{"used /dev/video0 Good", "/dev/video1 Stage unfit", "/dev/video2  permission"}},
		{"test", false, []string{"used test", "/dev/video0 Good", "/dev/video1 Stage unfit", "/dev/video2  permission"}},
		{"exec:a", true, []string{"used exec:a", "/dev/video1 Stage unfit", "/dev/video2  permission"}},
		{"auto", true, []string{"/dev/video1 Stage unfit", "/dev/video2  permission"}},
		{"/dev/v4l/by-id/" + goodID, true, []string{"used /dev/v4l/by-id/" + goodID, "/dev/video1 Stage unfit", "/dev/video2  permission"}},
	} {
		t.Run(fmt.Sprint(tt.configured, tt.unplug), func(t *testing.T) {
			kernel := v4l2test.New()
			good := kernel.Plug(v4l2test.Device{Card: "Good", ID: goodID})
			kernel.Plug(v4l2test.Device{Card: "Stage", Driver: "unicam"})
			kernel.Plug(v4l2test.Device{}).Script(func(f *v4l2test.Faults) { f.Open = unix.EACCES })
			if tt.unplug {
				good.Unplug()
			}
			found, err := NewInspector(New(Config{Device: tt.configured, Kernel: kernel}, nil)).List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found {
				line := strings.TrimSpace(gocmp.Or(f.Node, f.Path) + " " + f.Card)
				switch {
				case f.Err != nil && errors.Is(f.Err, v4l2.ErrPermission):
					line += "  permission"
				case !f.Usable && f.Node != "":
					line += " unfit"
				}
				if f.Used {
					line = "used " + line
				}
				got = append(got, line)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestLabel(t *testing.T) {
	kernel := v4l2test.New()
	c := New(Config{Kernel: kernel}, nil)
	check := func(device, name, missing string) {
		t.Helper()
		if n, m := c.Label(device); n != name || m != missing {
			t.Errorf("%s: %q, %q, want %q, %q", device, n, m, name, missing)
		}
	}
	check("auto", "", "auto: no camera is connected")
	check("/dev/video0", "", "/dev/video0: no such camera")
	check("test", "", "")
	kernel.Plug(v4l2test.Device{Card: "Good", ID: goodID})
	kernel.Plug(v4l2test.Device{Card: "Good", Kind: v4l2test.Metadata})
	check("auto", "Good", "")
	check("/dev/v4l/by-id/"+goodID, "Good", "")
	kernel.Plug(v4l2test.Device{Card: "Other"})
	check("auto", "", "")
	check("/dev/video2", "Other", "")
	if n := kernel.Counts().Opens; n != 0 {
		t.Errorf("%d opens", n)
	}
}
