package natlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace without a name in the file system: the
// kernel frees it and its devices with the last descriptor. nil is the one of
// this process.
type namespace struct{ file *os.File }

func newNamespace() (*namespace, error) {
	type result struct {
		n   *namespace
		err error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			made <- result{err: fmt.Errorf("create network namespace: %w", err)}
			return
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		made <- result{&namespace{f}, err}
	}()
	r := <-made
	if r.err != nil {
		return nil, r.err
	}
	return r.n, r.n.run("ip link set lo up")
}

// do runs f on a thread in the namespace. So are the sockets that f opens and
// the processes that it starts.
func (n *namespace) do(f func() error) error {
	if n == nil {
		return f()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		err = f()
		// The thread must survive: PR_SET_PDEATHSIG ends its children with it.
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// run runs commands in the namespace, one after the other. Arguments are
// separated by blanks.
func (n *namespace) run(commands ...string) error {
	for _, command := range commands {
		if _, err := n.output(command); err != nil {
			return err
		}
	}
	return nil
}

func (n *namespace) output(command string) (string, error) {
	var stdout, stderr strings.Builder
	err := n.do(func() error {
		argv := strings.Fields(command)
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		return cmd.Run()
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", command, err, stderr.String())
	}
	return stdout.String(), nil
}

// nft loads rules.
func (n *namespace) nft(rules string) error {
	return n.do(func() error {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(rules)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("nft: %w: %s", err, out)
		}
		return nil
	})
}

// forward makes the namespace a router, or a router that drops all packets
// silently.
func (n *namespace) forward(on bool) error {
	text := "0"
	if on {
		text = "1"
	}
	return n.do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte(text), 0o644) })
}

// path is the path of the namespace for other programs.
func (n *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// dial connects from the namespace. With a port it comes from that one.
func (n *namespace) dial(address string, port int, timeout time.Duration) (c net.Conn, err error) {
	err = n.do(func() error {
		d := net.Dialer{Timeout: timeout, KeepAlive: -1}
		if port != 0 {
			d.LocalAddr = &net.TCPAddr{Port: port}
			d.Control = func(_, _ string, c syscall.RawConn) (err error) {
				return errors.Join(c.Control(func(fd uintptr) {
					err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
				}), err)
			}
		}
		c, err = d.DialContext(context.Background(), "tcp4", address)
		return err
	})
	return c, err
}

// nat is the way in which a home is connected to the internet.
type nat struct {
	name       string
	masquerade string
	carrier    bool // one more NAT, of the carrier
}

var (
	masquerade  = nat{"masquerade", "masquerade", false}
	fullyRandom = nat{"fully-random", "masquerade fully-random", false}
	carrierNAT  = nat{"carrier", "masquerade fully-random", true}
)

// Addresses. Both homes have the same ones inside.
const (
	deviceAddress = "192.168.1.20"
	relayHost     = "192.0.2.10"
	relayAddress  = relayHost + ":4001"
	peerPort      = 7450
)

// rules are those of a household's router and of a carrier's: what comes from
// inside may leave, and its answers may come in. The rule for SYN is that of
// routers which do not know simultaneous opens.
const rules = `
table ip nat {
	chain prerouting { type nat hook prerouting priority dstnat; }
	chain postrouting { type nat hook postrouting priority srcnat; oifname "wan" %s; }
}
table ip filter {
	chain input { type filter hook input priority filter; policy drop;
		iifname { "lan", "lo" } accept
		iifname "wan" tcp flags & (syn | ack) == syn drop
		ct state established,related accept
	}
	chain closed { }
	chain forward { type filter hook forward priority filter; policy drop;
		iifname "wan" jump closed
		ct status dnat accept
		iifname "wan" tcp flags & (syn | ack) == syn drop
		ct state established,related accept
		iifname "lan" accept
	}
}
`

// home is a household.
type home struct {
	name    string
	device  *namespace
	router  *namespace
	edge    *namespace // has the public address: the router, or the carrier's
	public  string     // address
	network string     // of the public address, with one %d for the host
}

// lab is a network with two homes and a relay's host.
type lab struct {
	t        testing.TB
	a, b     *home
	internet *namespace
	relay    *namespace
	all      []*namespace
	starter  starter
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) namespace() *namespace {
	n, err := newNamespace()
	l.must(err)
	l.all = append(l.all, n)
	return n
}

// newLab builds the network. It is removed at the end of the test, after the
// processes in it.
func newLab(t testing.TB, a, b nat) *lab {
	t.Helper()
	need(t)
	l := &lab{t: t, starter: newStarter()}
	t.Cleanup(func() {
		close(l.starter)
		for _, n := range l.all {
			n.file.Close()
		}
	})
	l.internet, l.relay = l.namespace(), l.namespace()
	l.must(l.internet.forward(true))
	l.must(l.internet.run("ip link add name to-relay type veth peer name eth0 netns "+l.relay.path(),
		"ip address add 192.0.2.1/24 dev to-relay", "ip link set to-relay up"))
	l.must(l.relay.run("ip address add "+relayHost+"/24 dev eth0", "ip link set eth0 up",
		"ip route add default via 192.0.2.1"))
	l.a = l.newHome("a", a, "198.51.100.%d", 10)
	l.b = l.newHome("b", b, "203.0.113.%d", 20)
	return l
}

func (l *lab) newHome(name string, kind nat, network string, host int) *home {
	h := &home{name: name, device: l.namespace(), network: network}
	l.must(l.internet.run("ip link add name to-"+name+" type veth peer name wan netns "+l.router(h, kind).path(),
		"ip address add "+fmt.Sprintf(network, 1)+"/24 dev to-"+name, "ip link set to-"+name+" up"))
	l.must(h.edge.run("ip link set wan up"))
	l.must(h.setAddress(host))
	return h
}

// router makes what is between the device and the internet, and returns the
// namespace that gets the public address.
func (l *lab) router(h *home, kind nat) *namespace {
	h.router = l.namespace()
	h.edge = h.router
	l.must(h.router.run("ip link add name lan type veth peer name eth0 netns "+h.device.path(),
		"ip address add 192.168.1.1/24 dev lan", "ip link set lan up"))
	l.must(h.device.run("ip address add "+deviceAddress+"/24 dev eth0", "ip link set eth0 up",
		"ip route add default via 192.168.1.1"))
	l.must(h.router.forward(true))
	l.must(h.router.nft(fmt.Sprintf(rules, kind.masquerade)))
	if kind.carrier {
		h.edge = l.namespace()
		l.must(h.edge.run("ip link add name lan type veth peer name wan netns "+h.router.path(),
			"ip address add 100.64.0.1/10 dev lan", "ip link set lan up"))
		l.must(h.router.run("ip address add 100.64.0.2/10 dev wan", "ip link set wan up",
			"ip route add default via 100.64.0.1"))
		l.must(h.edge.forward(true))
		l.must(h.edge.nft(fmt.Sprintf(rules, kind.masquerade)))
	}
	return h.edge
}

// setAddress changes the public address, as a reconnecting line does. The
// router forgets its connections.
func (h *home) setAddress(host int) error {
	h.public = fmt.Sprintf(h.network, host)
	if err := h.edge.run("ip address flush dev wan", "ip address add "+h.public+"/24 dev wan",
		"ip route add default via "+fmt.Sprintf(h.network, 1)); err != nil {
		return err
	}
	return h.forget()
}

// routers returns the home's router, and that of its carrier.
func (h *home) routers() []*namespace {
	if h.edge == h.router {
		return []*namespace{h.router}
	}
	return []*namespace{h.router, h.edge}
}

// forget makes the routers forget their connections.
func (h *home) forget() error {
	for _, r := range h.routers() {
		if err := r.run("conntrack -F"); err != nil {
			return err
		}
	}
	return nil
}

// cut cuts the line of the home silently.
func (h *home) cut(off bool) error { return h.edge.forward(!off) }

// openPort forwards the port of vchatd to the device, in the home's router. An
// owner cannot do that in the carrier's.
func (h *home) openPort() error {
	return h.router.nft(fmt.Sprintf("flush chain ip filter closed\n"+
		"add rule ip nat prerouting iifname wan tcp dport %d dnat to %s\n", peerPort, deviceAddress))
}

// closePort ends the forwarding. Of the connections through it nothing comes in
// any more.
func (h *home) closePort() error {
	return h.router.nft(fmt.Sprintf("flush chain ip nat prerouting\n"+
		"add rule ip filter closed tcp dport %d drop\n", peerPort))
}

// slow limits what the home receives. A queue of a router is before the limit.
func (l *lab) slow(h *home, mbits float64, queue time.Duration) error {
	rate := mbits * 1e6
	return l.internet.run(fmt.Sprintf("tc qdisc replace dev to-%s root tbf rate %.0fbit burst %d latency %dms",
		h.name, rate, max(int(rate/8/250), 5*1514), queue.Milliseconds()))
}

// connections returns to what the TCP connections go that a router knows, as
// ADDRESS:PORT, with their number.
func (n *namespace) connections() (map[string]int, error) {
	out, err := n.output("conntrack -L -p tcp")
	if err != nil {
		return nil, err
	}
	ends := map[string]int{}
	for line := range strings.Lines(out) {
		var dst, port string
		for _, f := range strings.Fields(line) {
			if v, ok := strings.CutPrefix(f, "dst="); ok && dst == "" {
				dst = v
			}
			if v, ok := strings.CutPrefix(f, "dport="); ok && port == "" {
				port = v
			}
		}
		ends[dst+":"+port]++
	}
	return ends, nil
}
