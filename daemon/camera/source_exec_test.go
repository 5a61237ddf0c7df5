package camera

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/daemontest/publicdir"
	"vchat/daemon/daemontest/teststamp"
	"vchat/daemon/frame"
)

// These tests run in real time: fake time does not wait for processes.

func TestExec_frames(t *testing.T) {
	name := film(t, 3)
	r := run(t, nil, Config{Device: fmt.Sprintf("exec:echo hello >&2; while cat %s; do sleep 0.05; done", name)})
	defer r.stop()
	rd := r.Hub().Subscribe()
	defer rd.Close()
	for range 5 {
		p := r.frame(rd)
		if _, _, ok := teststamp.Parse(p.data); !ok || p.width != 176 {
			t.Errorf("got a frame of %dx%d, stamp %v; want one of the film", p.width, p.height, ok)
		}
	}
	if s := r.Status(); s.State != Streaming || !strings.HasPrefix(s.Device, "exec:") {
		t.Errorf("got status %+v, want streaming from exec:", s)
	}
	if !strings.Contains(r.log.String(), "text=hello") {
		t.Errorf("got no text=hello in the log:\n%s", r.log)
	}
}

func TestExec_restart(t *testing.T) {
	for _, c := range []struct{ name, line, reason string }{
		{"fails", "cat %s; exit 3", "exit status 3"},
		{"ends", "cat %s", "exit status 0"},
		{"closes its output", "cat %s; exec >&-; sleep 600", "terminated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := run(t, nil, Config{Device: "exec:" + fmt.Sprintf(c.line, film(t, 1))})
			defer r.stop()
			rd := r.Hub().Subscribe()
			defer rd.Close()
			p := r.frame(rd)
			card := r.card(rd)
			if card.seq <= p.seq {
				t.Errorf("got card %d after frame %d", card.seq, p.seq)
			}
			if again := r.frame(rd); again.seq <= card.seq {
				t.Errorf("got frame %d after card %d", again.seq, card.seq)
			}
			if log := r.log.String(); !strings.Contains(log, c.reason) {
				t.Errorf("got no %q in the log:\n%s", c.reason, log)
			}
		})
	}
}

func TestExec_noFrames(t *testing.T) {
	good, err := os.ReadFile(film(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(publicdir.New(t), "cut.jpg")
	if err := os.WriteFile(cut, good[:len(good)*3/4], 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, line, reason string }{
		{"not found", "/nonexistent/camera-program", "exit status 127"},
		{"text", "echo no picture at all", "no JPEG frame"},
		{"another format", "while echo h264; do sleep 0.05; done", "the command output is not MJPEG"},
		{"broken frames", "printf xyz; while cat " + cut + "; do sleep 0.05; done", "only broken frames"},
		{"a broken frame", "cat " + cut, "only broken frames"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := run(t, nil, Config{Device: "exec:" + c.line})
			defer r.stop()
			rd := r.Hub().Subscribe()
			defer rd.Close()
			r.card(rd)
			for r.Status().State == Opening {
				r.card(rd)
			}
			s := r.Status()
			if s.State != Lost || !strings.Contains(s.Reason, c.reason) || strings.Contains(s.Reason, c.line) {
				t.Errorf("got status %+v, want lost with %q, without the command", s, c.reason)
			}
		})
	}
}

func TestExec_logLimit(t *testing.T) {
	name := film(t, 1)
	line := fmt.Sprintf("for i in $(seq 200); do echo word $i >&2; done; while cat %s; do sleep 0.05; done", name)
	r := run(t, nil, Config{Device: "exec:" + line})
	rd := r.Hub().Subscribe()
	r.frame(rd)
	rd.Close()
	r.stop()
	log := r.log.String()
	n := strings.Count(log, `"camera command output"`)
	if n != maxLogLines || !strings.Contains(log, "camera command output limit reached") {
		t.Errorf("got %d lines in the log, want %d and the limit:\n%s", n, maxLogLines, log)
	}
}

// All descendants end with the command, also those that ignore SIGTERM and
// those that have left its process group.
func TestExec_descendants(t *testing.T) {
	name, alive := film(t, 1), newAliveTest(t)
	// Frames start when all four processes run.
	line := fmt.Sprintf("exec 9>%[1]s; (trap '' TERM; echo >&9; while :; do sleep 1; done) & "+
		"sh -c 'echo >&9; exec sleep 600' & "+
		"setsid sh -c \"trap '' TERM; echo >&9; exec sleep 600\" & "+
		"(setsid sh -c 'echo >&9; exec sleep 600' &); "+
		"until test -e %[1]s.go; do sleep 0.05; done; while cat %[2]s; do sleep 0.05; done", alive.name, name)
	r := run(t, nil, Config{Device: "exec:" + line})
	rd := r.Hub().Subscribe()
	alive.wait(4)
	alive.release()
	r.frame(rd)
	rd.Close()
	r.stop()
	alive.wantNone()
}

// A command that exits by itself leaves no orphan behind either.
func TestExec_orphans(t *testing.T) {
	alive := newAliveTest(t)
	line := fmt.Sprintf("exec 9>%[1]s; setsid sh -c \"trap '' TERM; echo >&9; exec sleep 600\" >/dev/null & "+
		"(setsid sh -c 'echo >&9; exec sleep 600' >/dev/null &); until test -e %[1]s.go; do sleep 0.05; done",
		alive.name)
	x, err := openExec(sourceEnv{cfg: Config{FPS: 30}, pool: frame.NewPool(1), counters: &counters{}}, line)
	if err != nil {
		t.Fatal(err)
	}
	alive.wait(2)
	alive.release()
	<-x.ended
	x.close()
	alive.wantNone()
}

// The end of a command does not wait for a reader that is busy with its stream.
func TestExec_busyReader(t *testing.T) {
	alive := newAliveTest(t)
	release := make(chan struct{})
	busy := func(x *execSource) error {
		f := x.pool.Get(1)
		<-release
		x.newest.Store(f) // too late
		x.releaseIfClosing()
		return nil
	}
	e := sourceEnv{cfg: Config{FPS: 30}, pool: frame.NewPool(1), counters: &counters{}}
	x, err := startExec(e, fmt.Sprintf("exec 9>%s; trap '' TERM; echo >&9; while :; do echo; done", alive.name), busy)
	if err != nil {
		t.Fatal(err)
	}
	alive.wait(1)
	x.close() // before release: a close that waited for the reader would never return
	alive.wantNone()
	close(release)
	<-x.readerDone
	if x.newest.Load() != nil {
		t.Error("the reader left a frame behind")
	}
}

// aliveTest finds out whether processes of a command run: these keep a pipe
// open. Their ids would not do: the command has a process namespace of its own.
type aliveTest struct {
	t    *testing.T
	name string // of the pipe. A process opens it and writes one byte
	pipe *os.File
}

func newAliveTest(t *testing.T) *aliveTest {
	t.Helper()
	a := &aliveTest{t: t, name: filepath.Join(publicdir.New(t), "alive")}
	if err := errors.Join(unix.Mkfifo(a.name, 0o600), os.Chmod(a.name, 0o666)); err != nil {
		t.Fatal(err)
	}
	var err error
	if a.pipe, err = os.OpenFile(a.name, os.O_RDONLY|unix.O_NONBLOCK, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.pipe.Close() })
	return a
}

// wait returns when n processes run.
func (a *aliveTest) wait(n int) {
	a.t.Helper()
	b := make([]byte, 1)
	for deadline := time.Now().Add(20 * time.Second); n > 0; {
		if m, err := a.pipe.Read(b); m == 1 {
			n--
		} else if time.Now().After(deadline) {
			a.t.Fatalf("waiting for processes of the command: %v; %d are missing", err, n)
		} else {
			time.Sleep(10 * time.Millisecond) // no process has opened the pipe yet
		}
	}
}

// release creates a file that the command waits for.
func (a *aliveTest) release() {
	if err := os.WriteFile(a.name+".go", nil, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// wantNone checks that no process has the pipe open.
func (a *aliveTest) wantNone() {
	a.t.Helper()
	_ = a.pipe.SetReadDeadline(time.Now().Add(10 * time.Second)) // a killed process takes a moment
	if _, err := io.Copy(io.Discard, a.pipe); err != nil {
		a.t.Errorf("after the end of the command: got %v, want no process left", err)
	}
}

func TestExec_slowReader(t *testing.T) {
	name := film(t, 50)
	c := New(Config{}, nil)
	cfg, _ := c.config()
	s, err := openExec(sourceEnv{cfg: cfg, log: nil, pool: c.pool, counters: &c.counters}, "cat "+name)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	<-s.ended
	f, err := s.next(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, _ := teststamp.Parse(f.Data); got != 50 || f.Seq != 50 || c.Status().Dropped != 49 {
		t.Errorf("got stamp %d in frame %d, %d dropped; want 50 in 50, 49 dropped", got, f.Seq, c.Status().Dropped)
	}
	f.Release()
	if _, err := s.next(time.Second); err == nil {
		t.Error("after the end: got a frame, want an error")
	}
}

func TestExec_rateLimit(t *testing.T) {
	name := film(t, 50)
	began := time.Now()
	r := run(t, nil, Config{Device: "exec:while cat " + name + "; do :; done"})
	defer r.stop()
	rd := r.Hub().Subscribe()
	defer rd.Close()
	for range 20 {
		r.frame(rd)
	}
	s := r.Status()
	if limit := uint64(time.Since(began).Seconds()*2*30) + maxBurst + 1; s.Frames+s.Dropped > limit {
		t.Errorf("got %d frames in %v, want at most %d", s.Frames+s.Dropped, time.Since(began), limit)
	}
}

// A command that needs longer than firstFrameTimeout must not be restarted
// forever.
func TestExec_slowStart(t *testing.T) {
	t.Parallel()
	seconds := (firstFrameTimeout + time.Second).Seconds()
	// The first start gives no frame at all. The next one has twice the time.
	device := fmt.Sprintf("exec:mkdir %s/started && sleep 600; sleep %v; while cat %s; do sleep 0.1; done",
		publicdir.New(t), seconds, film(t, 1))
	r := run(t, nil, Config{Device: device})
	defer r.stop()
	rd := r.Hub().Subscribe()
	defer rd.Close()
	for r.Status().Frames == 0 {
		time.Sleep(20 * time.Millisecond)
		if s := r.Status(); s.Reopened > 4 {
			t.Fatalf("got %d starts and no frame", s.Reopened)
		}
	}
	if s := r.Status(); s.Reopened == 0 {
		t.Errorf("got status %+v, want the first start in vain", s)
	}
}

// A command that ends after each frame does not fill the log.
func TestExec_flapping(t *testing.T) {
	name := film(t, 1)
	r := run(t, nil, Config{Device: "exec:echo hello >&2; cat " + name})
	defer r.stop()
	rd := r.Hub().Subscribe()
	defer rd.Close()
	for range quotaBurst + 3 {
		r.frame(rd)
		r.card(rd)
	}
	log := r.log.String()
	if n := strings.Count(log, "camera lost"); n != quotaBurst {
		t.Errorf("got %d lines of camera lost, want %d:\n%s", n, quotaBurst, log)
	}
	if n := strings.Count(log, "camera recovered"); n > quotaBurst {
		t.Errorf("got %d lines of camera recovered, want at most %d:\n%s", n, quotaBurst, log)
	}
}
