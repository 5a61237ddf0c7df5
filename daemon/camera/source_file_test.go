package camera

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vchat/daemon/daemontest/faketime"
	"vchat/daemon/daemontest/publicdir"
	"vchat/daemon/daemontest/teststamp"
	"vchat/daemon/frame"
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
	name := filepath.Join(publicdir.New(t), "film.mjpeg")
	if err := os.WriteFile(name, b, 0o644); err != nil {
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
		{"missing", "", "there is no file"},
		{"text", "not a film", "no JPEG frame"},
		{"cut", string(good[:500]), "only broken frames"},
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

// Broken frames of a file and of a command are counted as those of a V4L2
// camera.
func TestDamage(t *testing.T) {
	c := testcard.New("film", 176, 96, 10)
	one := c.AppendFrame(nil, 1, 0, noon)
	garbled := bytes.Clone(one)
	garbled[bytes.Index(garbled, []byte{0xFF, 0xC0})+1] = 0x30 // the frame header
	film := slices.Concat(one, one[:len(one)/2], one, one, garbled, one, one[:200], one, one)
	name := filepath.Join(publicdir.New(t), "film.mjpeg")
	if err := os.WriteFile(name, film, 0o644); err != nil { // the command has another user
		t.Fatal(err)
	}
	counts := &counters{}
	e := sourceEnv{cfg: Config{FPS: 200}, pool: frame.NewPool(2), counters: counts}
	for kind, open := range map[string]func() (source, error){
		"file": func() (source, error) { return openFile(e, name) },
		"exec": func() (source, error) { return openExec(e, "cat "+name) },
	} {
		t.Run(kind, func(t *testing.T) {
			*counts = counters{}
			src, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer src.close()
			for range 6 {
				f, err := src.next(time.Second)
				if err != nil {
					break // of exec, which may have dropped some
				}
				f.Release()
			}
			var st Status
			counts.fill(&st, 0)
			if st.Broken != 3 || st.BrokenBy["garbled"]+st.BrokenBy["truncated"] != 3 {
				t.Errorf("got %d broken, by %v; want 3", st.Broken, st.BrokenBy)
			}
		})
	}
}

// A search for frames in a large file that has none does not delay a wake.
func TestFile_largeWithoutFrames(t *testing.T) {
	name := filepath.Join(t.TempDir(), "zeros")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 1<<40); err != nil { // sparse
		t.Skip(err)
	}
	f, err := openFile(sourceEnv{cfg: Config{FPS: 30}, pool: frame.NewPool(1), counters: &counters{}}, name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	began := time.Now()
	time.AfterFunc(100*time.Millisecond, f.wake)
	if _, err := f.next(10 * time.Second); !errors.Is(err, errWoken) {
		t.Errorf("got %v, want %v", err, errWoken)
	}
	if _, err := f.next(300 * time.Millisecond); !errors.Is(err, errTimeout) {
		t.Errorf("got %v, want %v", err, errTimeout)
	}
	if d := time.Since(began); d > 9*time.Second {
		t.Errorf("took %v, want far less than the 10 s of the first frame", d)
	}
}
