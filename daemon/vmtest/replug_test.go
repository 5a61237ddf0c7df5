//go:build vm

package vmtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// replugs is how often TestReplug pulls the camera out; after each tenth time it waits for the frame.
func replugs() int {
	if testing.Short() {
		return 40
	}
	return 200
}

// seed is for a test's random moments; VCHAT_TEST_SEED repeats a run.
func seed(t *testing.T) *rand.Rand {
	t.Helper()
	s := uint64(time.Now().UnixNano())
	if word := os.Getenv("VCHAT_TEST_SEED"); word != "" {
		var err error
		if s, err = strconv.ParseUint(word, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("VCHAT_TEST_SEED=%d", s)
	return rand.New(rand.NewPCG(s, 0))
}

// TestReplug pulls the camera out and plugs it in at random moments of a call: while it is found, opened, started, in the
// middle of frames.
func TestReplug(t *testing.T) {
	startCall(t)
	random := seed(t)
	upTo := func(d time.Duration) { time.Sleep(time.Duration(random.Int64N(int64(d)))) }
	nodes := watchNodes(t)
	w := bob.watch(t)
	w.frames(t, 30)
	node := strings.TrimSpace(sh(t, "readlink -f "+alice.camera.node()))
	before, files := alice.footprint(t), alice.files(t)
	var back []time.Duration
	for i := range replugs() {
		alice.camera.tell(t, "unplug")
		upTo(300 * time.Millisecond)
		was, _ := w.report()
		alice.camera.tell(t, "plug")
		if i%10 < 9 {
			upTo(time.Second)
			continue
		}
		is := w.until(t, "frame after the camera was plugged in", func(r frameReport) bool { return r.own() >= was.own()+30 })
		if is.Returns > was.Returns { // else the card was overtaken by a frame
			back = append(back, time.Duration(is.ReturnedAt)-nodes.when(t, filepath.Base(node)))
		}
		if i == 19 { // the first rounds warm up pools and caches
			before, files = alice.footprint(t), alice.files(t)
		}
	}
	r := w.frames(t, 30)
	t.Logf("%+v", r)
	if r.Altered+r.Foreign+r.Repeated > 0 {
		t.Errorf("%+v, want none altered, none twice", r)
	}
	after := alice.footprint(t)
	if got := strings.TrimSpace(sh(t, "readlink -f "+alice.camera.node())); got != node {
		t.Errorf("the camera is %s now, it was %s", got, node)
	}
	if names := nodes.names(); len(names) != 2 { // the camera's and its metadata's
		t.Errorf("the camera's nodes came as %v, want the same two each time", names)
	}
	if after.PID != before.PID {
		t.Errorf("before %+v, after %+v, want the same process", before, after)
	}
	// A request of ours or another connection of the peer's may be there for a moment.
	for deadline := time.Now().Add(10 * time.Second); alice.files(t) != files; time.Sleep(500 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("descriptors before\n%s, after\n%s", files, alice.files(t))
			break
		}
	}
	// Threads that waited in the kernel at the same moment stay; memory is Go's to give back when it likes.
	if after.Threads > before.Threads+4 || after.ResidentKB > before.ResidentKB+4096 {
		t.Errorf("before %+v, after %+v: it grows", before, after)
	}
	used := alice.goroutines(t)
	w.frames(t, 30) // of the daemon that took the call up
	fresh := alice.goroutines(t)
	if len(used) == 0 || len(used) > len(fresh)+2 { // heartbeats and requests come and go
		t.Errorf("%d goroutines, a daemon that has just begun has %d:\n%s", len(used), len(fresh), strings.Join(used, "\n\n"))
	}
	slices.Sort(back)
	t.Logf("node to frame at the other side: median %v, longest %v of %d; before %+v, after %+v; %d goroutines, fresh %d",
		back[len(back)/2], back[len(back)-1], len(back), before, after, len(used), len(fresh))
}

// TestUnpluggedCostsNothing compares a daemon whose viewer waits for a camera that is not there with one that nobody uses.
func TestUnpluggedCostsNothing(t *testing.T) {
	startDevices(t)
	time.Sleep(2 * time.Second) // for the start to be over
	idle := alice.load(t)
	follow(t, alice.ctl("view self --to pipe >/dev/null"), func([]byte) {}, func(error) {})
	state := func(s string) func(deviceStatus) bool {
		return func(st deviceStatus) bool { return st.Camera.State == s }
	}
	alice.has(t, "streaming camera", state("streaming"))
	streaming := alice.load(t)
	alice.camera.tell(t, "unplug")
	alice.has(t, "lost camera", state("lost"))
	time.Sleep(3 * time.Second) // for the pauses between its tries to grow
	out := alice.load(t)
	t.Logf("thousandths of a processor: idle %.1f, streaming %.1f, unplugged %.1f", idle, streaming, out)
	// What is more is a card a second and a look at /dev every two, in an emulation that is seven times slower.
	if out > idle+15 {
		t.Errorf("unplugged it takes %.1f thousandths of a processor, idle %.1f", out, idle)
	}
}

// A nodeLog is what the kernel tells of video nodes that come.
type nodeLog struct {
	mu   sync.Mutex
	came map[string]time.Duration // when last, CLOCK_MONOTONIC
	err  error
}

// watchNodes begins to listen to the kernel's own events of video nodes.
func watchNodes(t *testing.T) *nodeLog {
	t.Helper()
	l := &nodeLog{came: make(map[string]time.Duration)}
	listening := make(chan struct{})
	follow(t, "exec stdbuf -oL udevadm monitor --kernel --subsystem-match=video4linux", func(line []byte) {
		if bytes.HasPrefix(line, []byte("KERNEL - ")) { // the legend, when it listens
			close(listening)
			return
		}
		var seconds float64
		var action, path string
		if n, _ := fmt.Sscanf(string(line), "KERNEL[%f] %s %s", &seconds, &action, &path); n != 3 || action != "add" {
			return
		}
		l.mu.Lock()
		l.came[filepath.Base(path)] = time.Duration(seconds * float64(time.Second))
		l.mu.Unlock()
	}, func(err error) {
		l.mu.Lock()
		l.err = err
		l.mu.Unlock()
	})
	select {
	case <-listening:
	case <-time.After(comesBack):
		t.Fatal("udevadm monitor does not begin")
	}
	return l
}

// when is the time at which the node came last.
func (l *nodeLog) when(t *testing.T, node string) time.Duration {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		t.Fatal(l.err)
	}
	return l.came[node]
}

func (l *nodeLog) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for name := range l.came {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
