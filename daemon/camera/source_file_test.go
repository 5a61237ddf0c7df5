package camera

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vchat/daemon/daemontest/faketime"
	"vchat/daemon/daemontest/teststamp"
	"vchat/daemon/testcard"
	"vchat/v4l2/v4l2test"
)

// film writes a file of n frames with stamps from 1, and zero bytes between
// them.
func film(t *testing.T, n int) string {
	t.Helper()
	c := testcard.New("film", 176, 96, 10)
	var b []byte
	for i := range n {
		b = c.AppendFrame(b, uint64(i+1), 0, noon)
		b = append(b, 0, 0, 0)
	}
	name := filepath.Join(t.TempDir(), "film.mjpeg")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestFile_loop(t *testing.T) {
	name := film(t, 5)
	faketime.Test(t, func(t *testing.T) {
		r := run(t, v4l2test.New(), Config{Device: "file:" + name, FPS: 20})
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		first := r.frame(rd)
		for i := range uint64(23) {
			p := r.frame(rd)
			if got, _, ok := teststamp.Parse(p.data); !ok || got != (i+1)%5+1 || p.seq != first.seq+i+1 {
				t.Fatalf("got stamp %d in frame %d, want %d in %d", got, p.seq, (i+1)%5+1, first.seq+i+1)
			}
			if want := first.captured + time.Duration(i+1)*50*time.Millisecond; p.captured != want {
				t.Errorf("frame %d: got captured %v, want %v", i, p.captured, want)
			}
			if p.width != 176 || p.height != 96 {
				t.Errorf("frame %d: got %dx%d, want 176x96", i, p.width, p.height)
			}
		}
		s := r.state(Streaming)
		if s.Width != 176 || s.Height != 96 || s.Device != "file:"+name || s.Format != "mjpeg" {
			t.Errorf("got status %+v, want 176x96 MJPEG from the file", s)
		}
	})
}

func TestFile_errors(t *testing.T) {
	good, err := os.ReadFile(film(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, content, reason string }{
		{"missing", "", "no such file"},
		{"text", "not a film", "no JPEG frame"},
		{"cut", string(good[:500]), "no JPEG frame"},
		{"empty", "\x00", "no JPEG frame"},
		{"dir/", "", "not a regular file"},
		{"fifo", "", "not a regular file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := filepath.Join(dir, c.name)
			if strings.HasSuffix(c.name, "/") {
				if err := os.Mkdir(name, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if c.content != "" {
				if err := os.WriteFile(name, []byte(c.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			faketime.Test(t, func(t *testing.T) {
				r := run(t, v4l2test.New(), Config{Device: "file:" + name})
				defer r.stop()
				rd := r.Hub().Subscribe()
				defer rd.Close()
				r.card(rd)
				if s := r.state(Failed); !strings.Contains(s.Reason, c.reason) || !strings.Contains(s.Reason, name) {
					t.Errorf("got reason %q, want %q and %q in it", s.Reason, c.reason, name)
				}
				time.Sleep(time.Minute)
				if n := strings.Count(r.log.String(), "camera lost"); n != 1 {
					t.Errorf("got %d lines of camera lost, want 1:\n%s", n, r.log)
				}
				if err := os.RemoveAll(name); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, good, 0o600); err != nil {
					t.Fatal(err)
				}
				r.frame(rd)
			})
		})
	}
}

func TestUnknownDevice(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		r := run(t, v4l2test.New(), Config{Device: "webcam"})
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		r.card(rd)
		if s := r.state(Failed); !strings.Contains(s.Reason, `"webcam"`) {
			t.Errorf("got reason %q, want \"webcam\" in it", s.Reason)
		}
	})
}
