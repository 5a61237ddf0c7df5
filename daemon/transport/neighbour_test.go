package transport

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestConfirmNeighbour(t *testing.T) {
	for _, address := range []string{"127.0.0.1:7450", "[::ffff:127.0.0.1]:7450"} {
		if err := ConfirmNeighbour(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := ConfirmNeighbour("workshop:7450"); err == nil {
		t.Error("ConfirmNeighbour of a host name: got no error, want one")
	}
}

// BenchmarkConfirmNeighbour measures how soon a connection is up after an
// outage, with and without ConfirmNeighbour. Two network namespaces are joined
// by a veth pair. The outage removes the address of the far one, so the near
// one keeps its carrier. The kernel forgets neighbours sooner than usual, so
// that 6 s are enough.
func BenchmarkConfirmNeighbour(b *testing.B) {
	runtime.LockOSThread() // stays locked: the namespace ends with the thread
	far := newNamespace(b)
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		b.Skipf("cannot create a network namespace: %v", err)
	}
	ip(b, "link add near type veth peer name far")
	ip(b, fmt.Sprintf("link set far netns /proc/%d/ns/net", far.thread))
	ip(b, "link set near up")
	ip(b, "addr add 10.99.0.1/24 dev near")
	for name, value := range map[string]string{"base_reachable_time_ms": "1000", "delay_first_probe_time": "1"} {
		if err := os.WriteFile("/proc/sys/net/ipv4/neigh/near/"+name, []byte(value), 0); err != nil {
			b.Fatal(err)
		}
	}
	far.run(func() { ip(b, "link set far up") })
	var listener int
	far.run(func() {
		ip(b, "addr add 10.99.0.2/24 dev far")
		listener = listenAny(b, 7450)
	})
	defer unix.Close(listener)
	connectAfter := func(confirm bool) time.Duration {
		far.run(func() { ip(b, "addr del 10.99.0.2/24 dev far") })
		var d dialLoop
		defer d.close()
		d.run(b, confirm, time.Now().Add(6*time.Second+rand.N(time.Second))) // any phase of the kernel's requests
		began := time.Now()
		far.run(func() { ip(b, "addr add 10.99.0.2/24 dev far") })
		d.run(b, confirm, began.Add(10*time.Second))
		return time.Since(began)
	}
	var took [2]time.Duration
	for b.Loop() {
		for i, confirm := range []bool{false, true} {
			took[i] += connectAfter(confirm)
		}
	}
	for i, name := range []string{"before-ms/cut", "after-ms/cut"} {
		b.ReportMetric(float64(took[i].Milliseconds())/float64(b.N), name)
	}
	b.ReportMetric(float64(took[1])/float64(took[0]), "ratio")
}

// dialLoop connects as a link in a call does: every 150 ms, for a second each.
type dialLoop struct {
	fds   []int
	since []time.Time
}

// run dials until a connection is up or the time is over.
func (d *dialLoop) run(b *testing.B, confirm bool, until time.Time) {
	var next time.Time
	for time.Now().Before(until) {
		if now := time.Now(); now.After(next) {
			next = now.Add(150 * time.Millisecond)
			if confirm {
				_ = ConfirmNeighbour("10.99.0.2:7450")
			}
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				b.Fatal(err)
			}
			_ = unix.Connect(fd, &unix.SockaddrInet4{Port: 7450, Addr: [4]byte{10, 99, 0, 2}})
			d.fds, d.since = append(d.fds, fd), append(d.since, now)
		}
		for len(d.fds) > 0 && time.Since(d.since[0]) > time.Second {
			_ = unix.Close(d.fds[0])
			d.fds, d.since = d.fds[1:], d.since[1:]
		}
		var poll []unix.PollFd
		for _, fd := range d.fds {
			poll = append(poll, unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT})
		}
		_, _ = unix.Poll(poll, 5)
		for _, p := range poll {
			if p.Revents&(unix.POLLERR|unix.POLLHUP) == 0 && p.Revents&unix.POLLOUT != 0 {
				return
			}
		}
		time.Sleep(time.Millisecond)
	}
}

func (d *dialLoop) close() {
	for _, fd := range d.fds {
		_ = unix.Close(fd)
	}
}

func listenAny(b *testing.B, port int) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Port: port})
	}
	if err == nil {
		err = unix.Listen(fd, 1000)
	}
	if err != nil {
		b.Fatal(err)
	}
	return fd
}

// ip runs iproute2 in the network namespace of the calling thread.
func ip(b *testing.B, arguments string) {
	if out, err := exec.Command("ip", strings.Fields(arguments)...).CombinedOutput(); err != nil {
		b.Fatalf("ip %s: %v: %s", arguments, err, out)
	}
}

// namespace is a thread in its own network namespace.
type namespace struct {
	thread int
	calls  chan func()
}

func newNamespace(b *testing.B) *namespace {
	n := &namespace{calls: make(chan func())}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		n.thread = unix.Gettid()
		err := unix.Unshare(unix.CLONE_NEWNET)
		started <- err
		for f := range n.calls {
			f()
		}
	}()
	b.Cleanup(func() { close(n.calls) })
	if err := <-started; err != nil {
		b.Skipf("cannot create a network namespace: %v", err)
	}
	return n
}

func (n *namespace) run(f func()) {
	done := make(chan struct{})
	n.calls <- func() { defer close(done); f() }
	<-done
}
