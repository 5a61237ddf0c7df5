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

func TestInspector_whileStreaming(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{Card: "Good", ID: goodID})
		r := run(t, kernel, small)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		before := r.frame(rd).seq
		q := NewInspector(r.Camera)
		info, formats, err := q.Formats(t.Context(), "")
		want := DeviceInfo{"/dev/v4l/by-id/" + goodID, "Good"}
		if err != nil || info != want || len(formats) == 0 || formats[0].Format != v4l2.MJPEG {
			t.Errorf("got formats of %v: %v, %v; want MJPEG first, of %v", info, formats, err, want)
		}
		s, err := q.Set(t.Context(), "", map[string]string{"brightness": "7"})
		if err != nil || !s.Own || len(s.Changes) != 1 || s.Changes[0].After.Value != 7 {
			t.Errorf("got %+v, %v; want one change to 7", s, err)
		}
		if got := cam.Control("brightness"); got != 7 {
			t.Errorf("streaming: got brightness %d, want 7", got)
		}
		for range 20 {
			p := r.frame(rd)
			if p.card || p.seq != before+1 {
				t.Fatalf("got frame %d (card %v) after %d, want no gap", p.seq, p.card, before)
			}
			before = p.seq
		}
		// A camera forgets its controls when unplugged. The next open sets them
		// again, but not those that the camera refused.
		if _, err := q.Set(t.Context(), "", map[string]string{"shine": "1"}); !errors.Is(err, ErrNoControl) {
			t.Errorf("unknown control: got %v, want %v", err, ErrNoControl)
		}
		if err := v4l2.SetControl(kernel, "auto", "brightness", "0"); err != nil {
			t.Fatal(err)
		}
		cam.Unplug()
		r.waitFor(Lost)
		cam.Replug()
		r.waitFor(Streaming)
		if got := cam.Control("brightness"); got != 7 {
			t.Errorf("after a replug: got brightness %d, want 7", got)
		}
		if w := r.Status().Warnings; len(w) > 0 {
			t.Errorf("got warnings %v, want none", w)
		}
	})
}

// waitFor waits up to ten seconds for a state.
func (r *rig) waitFor(s State) {
	r.t.Helper()
	for range 1000 {
		if r.Status().State == s {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("got state %s, want %s", r.Status().State, s)
}

func TestInspector_find(t *testing.T) {
	for _, tt := range []struct {
		configured, device string
		path               string
		own                bool
		err                error
	}{
		{"auto", "", "/dev/v4l/by-id/" + goodID, true, nil},
		{"auto", "/dev/video0", "/dev/video0", true, nil},
		{"auto", "/dev/video1", "/dev/video1", false, nil},
		{"/dev/video1", "", "/dev/video1", true, nil},
		{"/dev/video0", "/dev/v4l/by-id/" + goodID, "/dev/v4l/by-id/" + goodID, true, nil},
		{"/dev/video1", "auto", "/dev/v4l/by-id/" + goodID, false, nil},
		{"test", "", "", false, ErrNotV4L2},
		{"file:/a", "", "", false, ErrNotV4L2},
		{"exec:a", "", "", false, ErrNotV4L2},
		{"test", "/dev/video1", "/dev/video1", false, nil},
		{"auto", "/dev/video9", "", false, v4l2.ErrNotFound},
		{"/dev/video9", "", "", false, v4l2.ErrNotFound},
		{"auto", "video1", "", false, ErrBadPath},
		{"auto", "/etc/passwd", "", false, ErrBadPath},
		{"auto", "/dev/../etc/passwd", "", false, ErrBadPath},
		{"auto", "test", "", false, ErrBadPath},
	} {
		t.Run(fmt.Sprintf("%s %q", tt.configured, tt.device), func(t *testing.T) {
			kernel := v4l2test.New()
			kernel.Plug(v4l2test.Device{Card: "Good", ID: goodID})
			kernel.Plug(v4l2test.Device{Card: "Other"})
			c := New(Config{Device: tt.configured, Kernel: kernel}, nil)
			q := NewInspector(c)
			s, err := q.Set(t.Context(), tt.device, map[string]string{"Brightness": "9"})
			if !errors.Is(err, tt.err) || s.Path != tt.path || s.Own != tt.own {
				t.Errorf("got %q, own %v, %v; want %q, own %v, %v", s.Path, s.Own, err, tt.path, tt.own, tt.err)
			}
			cfg, _ := c.config()
			if want := (map[string]string{"brightness": "9"}); tt.own != maps.Equal(cfg.Controls, want) {
				t.Errorf("got controls %v for the next open; own camera: %v", cfg.Controls, tt.own)
			}
			if err := kernel.Leaks(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestInspector_partialSet(t *testing.T) {
	kernel := v4l2test.New()
	kernel.Plug(v4l2test.Device{})
	c := New(Config{Kernel: kernel}, nil)
	q := NewInspector(c)
	s, err := q.Set(t.Context(), "", map[string]string{"brightness": "3", "exposure_time_absolute": "100"})
	if !errors.Is(err, ErrInactive) || !strings.Contains(err.Error(), "already set: brightness") ||
		len(s.Changes) != 1 {
		t.Errorf("got %+v, %v; want %v after a change of brightness", s.Changes, err, ErrInactive)
	}
	if cfg, _ := c.config(); cfg.Controls["brightness"] != "3" || len(cfg.Controls) != 1 {
		t.Errorf("got controls %v for the next open, want only brightness 3", cfg.Controls)
	}
}

func TestInspector_privacy(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := &countingKernel{Kernel: v4l2test.New()}
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
			t.Errorf("Formats: got %v, want %v", err, ErrPrivacy)
		}
		if _, _, err := q.Controls(t.Context(), "/dev/video0"); !errors.Is(err, ErrPrivacy) {
			t.Errorf("Controls: got %v, want %v", err, ErrPrivacy)
		}
		if _, err := q.Set(t.Context(), "", map[string]string{"brightness": "1"}); !errors.Is(err, ErrPrivacy) {
			t.Errorf("Set: got %v, want %v", err, ErrPrivacy)
		}
		found, err := q.List(t.Context())
		if err != nil || len(found) != 1 || found[0].Card != "Good" || !found[0].Own ||
			!errors.Is(found[0].Err, ErrPrivacy) {
			t.Errorf("List: got %+v, %v; want the name of the own camera", found, err)
		}
		if name, missing := r.Label("auto"); name != "Good" || missing != "" {
			t.Errorf("Label: got %q, %q; want Good", name, missing)
		}
		time.Sleep(5 * time.Second)
		if after := kernel.Counts().Opens; after != before || kernel.opens.Load() == 0 {
			t.Errorf("privacy on: got %d opens, want 0", after-before)
		}
	})
}

// hangingKernel hangs in each open until release is closed.
type hangingKernel struct {
	*v4l2test.Kernel
	release chan struct{}
}

func (k *hangingKernel) Open(path string) (v4l2.Handle, error) {
	<-k.release
	return k.Kernel.Open(path)
}

func TestInspector_hangingDriver(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := &hangingKernel{v4l2test.New(), make(chan struct{})}
		kernel.Plug(v4l2test.Device{})
		q := NewInspector(New(Config{Kernel: kernel}, nil))
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { _ = q.Run(ctx); close(ended) }()

		began := time.Now()
		call := func(ctx context.Context, name string, want error, limit time.Duration) {
			_, _, err := q.Controls(ctx, "")
			if took := time.Since(began); !errors.Is(err, want) || took > limit {
				t.Errorf("%s: got %v after %v, want %v within %v", name, err, took, want, limit)
			}
		}
		second := make(chan struct{})
		go func() {
			time.Sleep(time.Second)
			call(t.Context(), "second", ErrNoAnswer, 6*time.Second)
			close(second)
		}()
		call(t.Context(), "first", ErrNoAnswer, answerTimeout)
		<-second
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		call(short, "short context", context.DeadlineExceeded, time.Second)
		if err := q.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain during a query: got %v, want %v", err, context.DeadlineExceeded)
		}

		end()
		synctest.Wait()
		select {
		case <-ended:
			t.Error("got the end of Run during a query, want it to wait")
		default:
		}
		close(kernel.release)
		<-ended
		if err := kernel.Leaks(); err != nil {
			t.Error(err)
		}
	})
}

func TestInspector_list(t *testing.T) {
	const byID = "/dev/v4l/by-id/" + goodID
	for _, tt := range []struct {
		configured string
		unplug     bool
		want       []string
	}{
		{"auto", false, []string{"own /dev/video0 Good", "/dev/video1 Stage unfit", "/dev/video2  permission"}},
		{"/dev/video1", false, []string{"/dev/video0 Good", "own /dev/video1 Stage unfit", "/dev/video2  permission"}},
		{byID, false, []string{"own /dev/video0 Good", "/dev/video1 Stage unfit", "/dev/video2  permission"}},
		{"test", false, []string{"own test", "/dev/video0 Good", "/dev/video1 Stage unfit", "/dev/video2  permission"}},
		{"exec:a", true, []string{"own exec:a", "/dev/video1 Stage unfit", "/dev/video2  permission"}},
		{"auto", true, []string{"/dev/video1 Stage unfit", "/dev/video2  permission"}},
		{byID, true, []string{"own " + byID, "/dev/video1 Stage unfit", "/dev/video2  permission"}},
	} {
		t.Run(fmt.Sprintf("%s unplugged=%v", tt.configured, tt.unplug), func(t *testing.T) {
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
				if f.Own {
					line = "own " + line
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
			t.Errorf("%s: got %q, %q; want %q, %q", device, n, m, name, missing)
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
		t.Errorf("got %d opens, want 0", n)
	}
}

// The formats of a camera can be listed although auto cannot use it.
func TestInspector_noUsableFormat(t *testing.T) {
	kernel := v4l2test.New()
	h264 := v4l2.PixelFormat('H' | '2'<<8 | '6'<<16 | '4'<<24)
	kernel.Plug(v4l2test.Device{Formats: []v4l2test.Format{{FourCC: h264, Sizes: [][2]int{{640, 480}}}}})
	q := NewInspector(New(Config{Kernel: kernel}, nil))
	for _, device := range []string{"", "auto", "/dev/video0"} {
		_, all, err := q.Formats(t.Context(), device)
		if err != nil || len(all) != 1 || all[0].Format != h264 {
			t.Errorf("device %q: got %v, %v; want H264", device, all, err)
		}
	}
	if err := kernel.Leaks(); err != nil {
		t.Error(err)
	}
}
