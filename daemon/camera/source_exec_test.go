package camera

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vchat/daemon/daemontest/teststamp"
)

// The tests of a command run in real time: a bubble does not wait for processes.

func TestCommandsFramesArrive(t *testing.T) {
	name := film(t, 3)
	r := run(t, nil, Config{Device: fmt.Sprintf("exec:echo hello >&2; while cat %s; do sleep 0.05; done", name)})
	defer r.stop()
	rd := r.Hub().Subscribe()
	defer rd.Close()
	for range 5 {
		p := r.frame(rd)
		if _, _, ok := teststamp.Parse(p.data); !ok || p.width != 176 {
			t.Errorf("not a frame of the film: %dx%d", p.width, p.height)
		}
	}
	if s := r.Status(); s.State != Streaming || !strings.HasPrefix(s.Device, "exec:") {
		t.Errorf("status %+v", s)
	}
	if !strings.Contains(r.log.String(), "text=hello") {
		t.Errorf("what it said is not in the log:\n%s", r.log)
	}
}

func TestCommandIsStartedAgain(t *testing.T) {
	for _, c := range []struct{ name, line, reason string }{
		{"fails", "cat %s; exit 3", "exit status 3"},
		{"ends", "cat %s", "stopped"},
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
				t.Errorf("card %d after frame %d", card.seq, p.seq)
			}
			if again := r.frame(rd); again.seq <= card.seq {
				t.Errorf("frame %d after card %d", again.seq, card.seq)
			}
			if log := r.log.String(); !strings.Contains(log, c.reason) {
				t.Errorf("the log does not say %q:\n%s", c.reason, log)
			}
		})
	}
}

func TestCommandWithoutFrames(t *testing.T) {
	for _, c := range []struct{ name, line, reason string }{
		{"not there", "/nonexistent/camera-program", "exit status 127"},
		{"text", "echo no picture at all", "no JPEG frame"},
		{"another format", "while echo h264; do sleep 0.05; done", "what its command writes is not MJPEG"},
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
			if s := r.Status(); s.State != Lost || !strings.Contains(s.Reason, c.reason) || strings.Contains(s.Reason, c.line) {
				t.Errorf("status %+v", s)
			}
		})
	}
}

func TestCommandsWordsInTheLogAreBounded(t *testing.T) {
	name := film(t, 1)
	line := fmt.Sprintf("for i in $(seq 200); do echo word $i >&2; done; while cat %s; do sleep 0.05; done", name)
	r := run(t, nil, Config{Device: "exec:" + line})
	rd := r.Hub().Subscribe()
	r.frame(rd)
	rd.Close()
	r.stop()
	log := r.log.String()
	if n := strings.Count(log, `"camera command says"`); n != mostLines || !strings.Contains(log, "from now on is not logged") {
		t.Errorf("%d lines in the log, want %d and a word that there were more:\n%s", n, mostLines, log)
	}
}

// What a command starts must end with it, also what does not listen to SIGTERM, and what has left its process group.
func TestCommandEndsWithAllOfItsChildren(t *testing.T) {
	name := film(t, 1)
	pids := filepath.Join(t.TempDir(), "pids")
	// Frames come only when all four have written their numbers down.
	line := fmt.Sprintf("(trap '' TERM; echo $$ >>%[1]s; while :; do sleep 1; done) & echo $! >>%[1]s; sleep 600 & echo $! >>%[1]s; "+
		"setsid sh -c \"trap '' TERM; echo \\$\\$ >>%[1]s; exec sleep 600\" & until [ $(wc -l <%[1]s) -eq 4 ]; do sleep 0.05; done; while cat %[2]s; do sleep 0.05; done", pids, name)
	r := run(t, nil, Config{Device: "exec:" + line})
	rd := r.Hub().Subscribe()
	r.frame(rd)
	rd.Close()
	r.stop()
	b, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	all := bytes.Fields(b)
	if len(all) < 4 {
		t.Fatalf("only %d processes: %s", len(all), b)
	}
	for _, f := range all {
		pid, err := strconv.Atoi(string(f))
		if err != nil {
			t.Fatal(err)
		}
		if alive(pid) {
			t.Errorf("process %d still runs", pid)
		}
	}
}

// alive says whether a process runs: one that is dead and waits for its parent to notice does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	rest := b[bytes.LastIndexByte(b, ')')+1:]
	return !bytes.HasPrefix(bytes.TrimSpace(rest), []byte("Z"))
}

func TestCommandsSlowReaderGetsTheNewest(t *testing.T) {
	name := film(t, 50)
	c := New(Config{}, nil)
	cfg, _ := c.config()
	s, err := openCommand(source{cfg: cfg, log: nil, pool: c.pool, counters: &c.counters}, "cat "+name)
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
		t.Errorf("frame %d, numbered %d, %d dropped", got, f.Seq, c.Status().Dropped)
	}
	f.Release()
	if _, err := s.next(time.Second); err == nil {
		t.Error("frames after the end")
	}
}

func TestACommandThatKeepsNoTimeIsHeldUp(t *testing.T) {
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
	if most := uint64(time.Since(began).Seconds()*2*30) + burst + 1; s.Frames+s.Dropped > most {
		t.Errorf("%d frames in %v, want %d at most", s.Frames+s.Dropped, time.Since(began), most)
	}
}
