package natlab

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/daemontest/teststamp"
	"vchat/daemon/identity"
)

// patience is how long a test waits for a state. It is no figure: a machine may
// be loaded.
const patience = 60 * time.Second

var vchatd = flag.String("vchatd", "", "path of vchatd; default: build it")

// build builds vchatd once for all tests, in programs.
var build = sync.OnceValues(func() (string, error) {
	if *vchatd != "" {
		return *vchatd, nil
	}
	path := filepath.Join(programs, "vchatd")
	cmd := exec.Command("go", "build", "-o", path, "vchat/cmd/vchatd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// device is a vchatd in a namespace.
type device struct {
	t      testing.TB
	l      *lab
	name   string
	dir    string
	id     identity.ID
	own    *identity.Identity
	net    *namespace
	client *client.Client
	cmd    *exec.Cmd
	ended  chan struct{}
}

// newDevice returns a device that does not run yet.
func (l *lab) newDevice(name string, n *namespace) *device {
	l.t.Helper()
	dir, err := os.MkdirTemp("", "natlab-") // short: it has a socket
	l.must(err)
	l.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l.must(os.Mkdir(filepath.Join(dir, "state"), 0o700))
	id, err := identity.LoadOrCreate(filepath.Join(dir, "state"))
	l.must(err)
	d := &device{t: l.t, l: l, name: name, dir: dir, net: n, id: id.ID(), own: id,
		client: client.New(filepath.Join(dir, "control.sock"))}
	l.t.Cleanup(func() {
		d.client.Close()
		d.end(syscall.SIGTERM)
		if l.t.Failed() {
			l.t.Logf("log of %s:\n%s", name, d.log())
		}
	})
	return d
}

func (d *device) log() string {
	b, _ := os.ReadFile(filepath.Join(d.dir, "log"))
	return string(b[max(0, len(b)-8000):])
}

func (d *device) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatalf("%s: %v", d.name, err)
	}
}

// configure writes the configuration. The peer has only its id, and perhaps an
// address.
func (d *device) configure(camera string, peer *device, address, more string) {
	d.t.Helper()
	d.configurePeers(camera, fmt.Sprintf("  %s: {id: %s, address: %q}\n", peer.name, peer.id, address), more)
}

func (d *device) configurePeers(camera, peers, more string) {
	d.t.Helper()
	text := fmt.Sprintf("name: %s\ncamera: {%s}\n"+
		"control: {socket: %q, group: \"\", pair_group: \"\", admin_group: \"\"}\n"+
		"state_dir: %q\npeers:\n%s%s", d.name, camera, filepath.Join(d.dir, "control.sock"),
		filepath.Join(d.dir, "state"), peers, more)
	d.must(os.WriteFile(filepath.Join(d.dir, "vchat.yaml"), []byte(text), 0o600))
}

// start starts vchatd and waits until it answers.
func (d *device) start() {
	d.t.Helper()
	program, err := build()
	d.must(err)
	log, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	d.must(err)
	defer log.Close()
	d.cmd, d.ended, err = d.l.starter.start(d.net, log, program, "--config", filepath.Join(d.dir, "vchat.yaml"))
	d.must(err)
	d.wait("answer", func() bool {
		_, err := d.client.Status(context.Background())
		return err == nil
	})
}

func (d *device) end(s syscall.Signal) {
	if d.cmd != nil {
		_ = d.cmd.Process.Signal(s)
		<-d.ended
		d.cmd = nil
	}
}

// starter starts processes from one thread: Pdeathsig follows the thread that
// forked.
type starter chan func()

func newStarter() starter {
	s := make(starter)
	go func() {
		runtime.LockOSThread() // never unlocked: its namespace may be another one
		for f := range s {
			f()
		}
	}()
	return s
}

// start starts a program in a namespace. It is killed with this process.
func (s starter) start(n *namespace, log io.Writer, argv ...string) (*exec.Cmd, chan struct{}, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	s <- func() {
		err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET)
		if err == nil {
			err = cmd.Start()
		}
		started <- err
	}
	if err := <-started; err != nil {
		return nil, nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	return cmd, ended, nil
}

// wait polls until ok returns true. what is a noun, for the failure.
func (d *device) wait(what string, ok func() bool) {
	d.t.Helper()
	for limit := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			s, _ := d.client.Status(context.Background())
			text, _ := json.Marshal(s)
			d.t.Fatalf("%s: no %s within %v\nstatus: %s", d.name, what, patience, text)
		}
	}
}

func (d *device) status() api.Status {
	d.t.Helper()
	s, err := d.client.Status(context.Background())
	d.must(err)
	return s
}

// link returns the link to the only peer.
func (d *device) link() api.Link {
	d.t.Helper()
	peers, err := d.client.Peers(context.Background())
	d.must(err)
	if len(peers) != 1 {
		d.t.Fatalf("%s: %d peers, want 1", d.name, len(peers))
	}
	return peers[0].Link
}

// waitPath waits for a link that takes a path.
func (d *device) waitPath(path api.Path) {
	d.t.Helper()
	d.wait("link with path "+string(path), func() bool {
		l := d.link()
		return l.State == api.LinkUp && l.Path == path
	})
}

// call makes a call, which the peer answers once it rings.
func (d *device) call(peer *device) {
	d.t.Helper()
	_, err := d.client.Call(context.Background(), api.CallRequest{Peer: peer.name})
	d.must(err)
	peer.wait("incoming call", peer.inCall(api.CallIncoming))
	d.wait("ringing call", d.inCall(api.CallRinging))
	_, err = peer.client.Answer(context.Background(), "")
	d.must(err)
}

func (d *device) inCall(state api.CallState) func() bool {
	return func() bool {
		s := d.status()
		return len(s.Calls) == 1 && s.Calls[0].State == state
	}
}

// sees reports whether there is a call with frames of the peer.
func (d *device) sees() bool {
	s := d.status()
	return len(s.Calls) == 1 && s.Calls[0].State == api.CallActive && s.Calls[0].HasFrames
}

// watcher reads a feed with frames of the test camera, and opens it again
// whenever it ends.
type watcher struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	frames int
	lost   int           // gaps in the camera's numbers
	seq    uint64        // of the newest frame
	taken  time.Duration // when the newest frame was taken, on CLOCK_MONOTONIC
	at     time.Duration // when it arrived
	gap    time.Duration // longest time between two arrivals
	delays []time.Duration
	size   int // of the newest frame, in bytes
}

// watch reads the frames of the peer.
func (d *device) watch(peer *device) *watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for ctx.Err() == nil {
			w.stream(ctx, d.client, peer.name)
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	d.t.Cleanup(w.close)
	return w
}

func (w *watcher) close() {
	w.cancel()
	<-w.done
}

func (w *watcher) stream(ctx context.Context, c *client.Client, feed string) {
	f, err := c.Feed(ctx, feed)
	if err != nil {
		return
	}
	defer f.Close()
	for {
		frame, err := f.Next()
		if err != nil {
			return
		}
		if !frame.Card {
			w.frame(frame.Data)
		}
	}
}

func (w *watcher) frame(data []byte) {
	seq, taken, ok := teststamp.Parse(data)
	now := monotonic()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !ok || seq <= w.seq && taken <= w.taken {
		return // a repetition of the newest frame, in a new stream
	}
	if w.frames > 0 && seq > w.seq {
		w.lost += int(seq - w.seq - 1)
		w.gap = max(w.gap, now-w.at)
	}
	w.frames++
	w.seq, w.taken, w.at, w.size = seq, taken, now, len(data)
	w.delays = append(w.delays, now-taken)
}

// clear starts new counts.
func (w *watcher) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frames, w.lost, w.gap, w.delays = 0, 0, 0, nil
}

// freshAfter waits for a frame that was taken at t or later, and returns how
// long after t it arrived.
func (w *watcher) freshAfter(t time.Duration) (time.Duration, error) {
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(time.Millisecond) {
		w.mu.Lock()
		taken, at := w.taken, w.at
		w.mu.Unlock()
		if taken >= t {
			return at - t, nil
		}
	}
	return 0, fmt.Errorf("no new frame within %v", patience)
}

// counts returns the frames, the lost ones and the longest time without one.
func (w *watcher) counts() (frames, lost int, gap time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.frames, w.lost, w.gap
}

func monotonic() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return time.Duration(t.Nano())
}

// cpu returns the processor time that a process has used.
func cpu(pid int) time.Duration {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 13 {
		return 0
	}
	var user, system int
	_, _ = fmt.Sscan(f[11]+" "+f[12], &user, &system)
	return time.Duration(user+system) * 10 * time.Millisecond
}
