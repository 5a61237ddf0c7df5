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

// replugCount is the number of replugs in TestReplug. Each tenth waits for
// frames.
func replugCount() int {
	if testing.Short() {
		return 40
	}
	return 200
}

// newRand returns a source for random delays. VCHAT_TEST_SEED repeats a run.
func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("VCHAT_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("VCHAT_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestReplug replugs the camera during a call, after random delays. So a replug
// hits each phase: search, open, start of the stream, and the stream itself.
func TestReplug(t *testing.T) {
	startCall(t)
	random := newRand(t)
	sleepUpTo := func(d time.Duration) { time.Sleep(time.Duration(random.Int64N(int64(d)))) }
	nodes := watchNodes(t)
	w := bob.watch(t)
	w.awaitFrames(t, 30)
	node := strings.TrimSpace(sh(t, "readlink -f "+alice.camera.node()))
	before, descriptors := alice.footprint(t), alice.descriptors(t)
	var delays []time.Duration // from the node to the first frame at bob's side
	for i := range replugCount() {
		alice.camera.send(t, "unplug")
		sleepUpTo(300 * time.Millisecond)
		old, _ := w.report()
		alice.camera.send(t, "plug")
		if i%10 < 9 {
			sleepUpTo(time.Second)
			continue
		}
		r := w.await(t, "30 frames after a replug", func(r frameReport) bool { return r.intact() >= old.intact()+30 })
		if r.Returns > old.Returns { // otherwise the camera was faster than the card
			delays = append(delays, time.Duration(r.ReturnedAt)-nodes.lastAdded(t, filepath.Base(node)))
		}
		if i == 19 { // the first replugs fill pools and caches
			before, descriptors = alice.footprint(t), alice.descriptors(t)
		}
	}
	r := w.awaitFrames(t, 30)
	t.Logf("%+v", r)
	if r.Altered+r.Foreign+r.Repeated > 0 {
		t.Errorf("got frames %+v, want none altered, foreign or repeated", r)
	}
	after := alice.footprint(t)
	if got := strings.TrimSpace(sh(t, "readlink -f "+alice.camera.node())); got != node {
		t.Errorf("node after the replugs: got %s, want %s", got, node)
	}
	if names := nodes.names(); len(names) != 2 { // of the camera and of its metadata
		t.Errorf("added nodes: got %v, want the same two each time", names)
	}
	if after.PID != before.PID {
		t.Errorf("got footprint %+v after %+v, want the same process", after, before)
	}
	// A request or a second connection of the peer may be open for a moment.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		got := alice.descriptors(t)
		if got == descriptors {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("descriptors: got\n%s\nwant\n%s", got, descriptors)
			break
		}
	}
	// Memory that the Go runtime has not returned yet is no leak. It does so
	// within a minute.
	grown := func() bool { return after.AnonymousKB > before.AnonymousKB+3072 || after.Mappings > before.Mappings }
	for end := time.Now().Add(time.Minute); grown() && time.Now().Before(end); {
		time.Sleep(time.Second)
		after = alice.footprint(t)
	}
	// Threads that blocked in the kernel together remain.
	if grown() || after.Threads > before.Threads+4 {
		t.Errorf("got footprint %+v after %+v, want no growth", after, before)
	}
	used := alice.goroutines(t)
	w.awaitFrames(t, 30) // of the new process, which resumes the call
	fresh := alice.goroutines(t)
	if len(used) == 0 || len(used) > len(fresh)+2 { // heartbeats and requests may add some
		t.Errorf("got %d goroutines, want about the %d of a new process:\n%s",
			len(used), len(fresh), strings.Join(used, "\n\n"))
	}
	slices.Sort(delays)
	t.Logf("from node to frame: median %v, maximum %v of %d; before %+v, after %+v; %d goroutines, new process %d",
		delays[len(delays)/2], delays[len(delays)-1], len(delays), before, after, len(used), len(fresh))
}

// TestDaemon_unpluggedLoad compares the CPU load of an idle daemon with that of
// a daemon whose viewer waits for an unplugged camera.
func TestDaemon_unpluggedLoad(t *testing.T) {
	startDevices(t)
	time.Sleep(2 * time.Second) // for the end of the start
	idle := alice.cpuLoad(t)
	follow(t, alice.ctl("view self --to pipe >/dev/null"), func([]byte) {}, func(error) {})
	hasState := func(s string) func(deviceStatus) bool {
		return func(st deviceStatus) bool { return st.Camera.State == s }
	}
	alice.await(t, "a streaming camera", hasState("streaming"))
	streaming := alice.cpuLoad(t)
	alice.camera.send(t, "unplug")
	alice.await(t, "a lost camera", hasState("lost"))
	time.Sleep(3 * time.Second) // for the retries to become less frequent
	unplugged := alice.cpuLoad(t)
	t.Logf("thousandths of a processor: idle %.1f, streaming %.1f, unplugged %.1f", idle, streaming, unplugged)
	// The difference is a card each second and a look at /dev every two, in
	// slow emulation.
	if unplugged > idle+15 {
		t.Errorf("unplugged: got %.1f thousandths of a processor, want at most %.1f", unplugged, idle+15)
	}
}

// nodeEvents are the kernel's events about video nodes.
type nodeEvents struct {
	mu    sync.Mutex
	added map[string]time.Duration // last event by node: CLOCK_MONOTONIC
	err   error
}

// watchNodes collects the events until the end of the test.
func watchNodes(t *testing.T) *nodeEvents {
	t.Helper()
	e := &nodeEvents{added: make(map[string]time.Duration)}
	listening := make(chan struct{})
	follow(t, "exec stdbuf -oL udevadm monitor --kernel --subsystem-match=video4linux", func(line []byte) {
		if bytes.HasPrefix(line, []byte("KERNEL - ")) { // in the header, which udevadm prints when it listens
			close(listening)
			return
		}
		var seconds float64
		var action, path string
		if n, _ := fmt.Sscanf(string(line), "KERNEL[%f] %s %s", &seconds, &action, &path); n != 3 || action != "add" {
			return
		}
		e.mu.Lock()
		e.added[filepath.Base(path)] = time.Duration(seconds * float64(time.Second))
		e.mu.Unlock()
	}, func(err error) {
		e.mu.Lock()
		e.err = err
		e.mu.Unlock()
	})
	select {
	case <-listening:
	case <-time.After(waitTimeout):
		t.Fatalf("udevadm monitor: got no header within %v, want it", waitTimeout)
	}
	return e
}

// lastAdded returns the time of the last event that added the node.
func (e *nodeEvents) lastAdded(t *testing.T, node string) time.Duration {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		t.Fatal(e.err)
	}
	return e.added[node]
}

// names returns the names of all nodes that were added.
func (e *nodeEvents) names() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var names []string
	for name := range e.added {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
