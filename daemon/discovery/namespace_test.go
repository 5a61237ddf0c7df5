package discovery

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/daemontest/syncbuffer"
	"vchat/daemon/identity"
	"vchat/daemon/netwatch"
)

// These tests run Debian's avahi-daemon and our own responder in two network
// namespaces, joined by a pair of virtual interfaces.

const helperVariable = "VCHAT_DISCOVERY_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperVariable) != "" {
		os.Exit(helper())
	}
	leaktest.Main(m)
}

// report is what a helper prints at each change.
type report struct {
	By      By
	Devices []Device
}

// helper is Discovery in a process of its own, until its input ends.
func helper() int {
	var id identity.ID
	copy(id[:], os.Args[1])
	changed := make(chan struct{}, 1)
	d := New(Config{ID: id, Version: 1, Changed: func() { notify(changed) }, Network: netwatch.Watch,
		Log:        slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})),
		BusAddress: "unix:path=" + os.Args[2]})
	d.Configure(Settings{On: true, Name: os.Args[1], Listen: netip.MustParseAddrPort("[::]:7450")})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	go func() {
		out := json.NewEncoder(os.Stdout)
		for range changed {
			_ = out.Encode(report{d.By(), d.Devices()})
		}
	}()
	if err := d.Run(ctx); err != nil {
		return 1
	}
	return 0
}

func idOf(name string) (id identity.ID) {
	copy(id[:], name)
	return id
}

// lan is two namespaces, "a" and "b", on one virtual cable.
type lan struct {
	t   *testing.T
	dir string
}

func newLAN(t *testing.T) *lan {
	t.Helper()
	mustHave := os.Getenv("VCHAT_TEST_TOOLS") != ""
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "avahi-daemon", "avahi-publish", "dbus-daemon"} {
		if _, err := exec.LookPath(tool); err != nil && mustHave {
			t.Fatal(err)
		} else if err != nil {
			t.Skip(err)
		}
	}
	// A unix socket's path is short.
	dir, err := os.MkdirTemp("", "vchat-lan-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // dbus-daemon drops its rights
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l := &lan{t, dir}
	for _, side := range []string{"a", "b"} {
		if out, err := exec.Command("ip", "netns", "add", l.ns(side)).CombinedOutput(); err != nil {
			t.Skipf("no network namespaces here: %s", out)
		}
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", l.ns(side)).Run() })
	}
	l.ip("link", "add", "eth0", "netns", l.ns("a"), "type", "veth", "peer", "name", "eth0", "netns", l.ns("b"))
	for i, side := range []string{"a", "b"} {
		l.ip("-n", l.ns(side), "link", "set", "lo", "up")
		l.ip("-n", l.ns(side), "address", "add", fmt.Sprintf("192.0.2.%d/24", i+1), "dev", "eth0")
		l.ip("-n", l.ns(side), "link", "set", "eth0", "up")
	}
	return l
}

func (l *lan) ns(side string) string { return filepath.Base(l.dir) + "-" + side }

func (l *lan) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func (l *lan) socket(side string) string { return filepath.Join(l.dir, side+".bus") }

// start runs a command in a namespace until stop or the end of the test.
func (l *lan) start(side, name string, args ...string) (stop func()) {
	l.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", l.ns(side), name}, args...)...)
	cmd.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS=unix:path="+l.socket(side))
	out := &syncbuffer.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	l.t.Cleanup(func() {
		stop()
		if l.t.Failed() {
			l.t.Logf("%s %s:\n%s", side, name, out)
		}
	})
	return stop
}

// bus starts D-Bus with the policy of the distribution.
func (l *lan) bus(side string) {
	l.t.Helper()
	l.start(side, "dbus-daemon", "--config-file=/usr/share/dbus-1/system.conf", "--nofork", "--nopidfile",
		"--address=unix:path="+l.socket(side))
	l.eventually("D-Bus", func() bool {
		_, err := os.Stat(l.socket(side))
		return err == nil
	})
}

// avahi starts avahi-daemon with a /run of its own.
func (l *lan) avahi(side string) (stop func()) {
	l.t.Helper()
	conf := filepath.Join(l.dir, side+".conf")
	text := "[server]\nhost-name=host-" + side + "\nuse-ipv4=yes\nuse-ipv6=yes\n[publish]\npublish-workstation=no\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
	return l.start(side, "sh", "-c", "mount -t tmpfs none /run && mkdir /run/avahi-daemon && "+
		"exec avahi-daemon --no-drop-root --no-chroot --no-rlimits --no-proc-title --debug -f "+conf)
}

func (l *lan) eventually(what string, ok func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("no %s", what)
		}
	}
}

// device is a helper in a namespace.
type testDevice struct {
	lan    *lan
	name   string
	stdin  io.Closer
	mu     sync.Mutex
	report report
}

func (l *lan) device(side, name string) *testDevice {
	l.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", l.ns(side), os.Args[0], name, l.socket(side))
	cmd.Env = append(os.Environ(), helperVariable+"=1")
	stderr := &syncbuffer.Buffer{}
	cmd.Stderr = stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	d := &testDevice{lan: l, name: name, stdin: stdin}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			var r report
			if json.Unmarshal(s.Bytes(), &r) == nil {
				d.mu.Lock()
				d.report = r
				d.mu.Unlock()
			}
		}
	}()
	l.t.Cleanup(func() {
		_ = stdin.Close()
		<-done
		if err := cmd.Wait(); err != nil {
			l.t.Errorf("%s: %v", name, err)
		}
		if l.t.Failed() {
			l.t.Logf("%s: last report %+v\n%s", name, d.last(), stderr)
		}
	})
	return d
}

func (d *testDevice) last() report {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.report
}

// sees waits until d sees a device with all these addresses.
func (d *testDevice) sees(by By, other string, addresses ...string) {
	d.lan.t.Helper()
	d.lan.eventually(fmt.Sprintf("%s at %v seen by %s with %s", other, addresses, d.name, by), func() bool {
		r := d.last()
		return r.By == by && slices.ContainsFunc(r.Devices, func(x Device) bool {
			if x.ID != idOf(other) || x.Name != other {
				return false
			}
			for _, want := range addresses {
				if !slices.ContainsFunc(x.Addresses, func(a netip.AddrPort) bool {
					return want == "link-local" && a.Addr().Is6() && a.Addr().IsLinkLocalUnicast() &&
						a.Addr().Zone() == "eth0" && a.Port() == 7450 || a.String() == want
				}) {
					return false
				}
			}
			return true
		})
	})
}

func (d *testDevice) seesNot(other string) {
	d.lan.t.Helper()
	d.lan.eventually(fmt.Sprintf("end of %s for %s", other, d.name), func() bool {
		return !slices.ContainsFunc(d.last().Devices, func(x Device) bool { return x.ID == idOf(other) })
	})
}

func TestNamespaces_mdnsOnBothSides(t *testing.T) {
	l := newLAN(t)
	alice, bob := l.device("a", "alice"), l.device("b", "bob")
	alice.sees(ByMDNS, "bob", "192.0.2.2:7450", "link-local")
	bob.sees(ByMDNS, "alice", "192.0.2.1:7450", "link-local")
	// Its address changes.
	l.ip("-n", l.ns("b"), "address", "del", "192.0.2.2/24", "dev", "eth0")
	l.ip("-n", l.ns("b"), "address", "add", "192.0.2.77/24", "dev", "eth0")
	alice.sees(ByMDNS, "bob", "192.0.2.77:7450")
	// It says goodbye.
	_ = bob.stdin.Close()
	alice.seesNot("bob")
}

func TestNamespaces_avahiOnOneSide(t *testing.T) {
	l := newLAN(t)
	l.bus("a")
	stop := l.avahi("a")
	alice, bob := l.device("a", "alice"), l.device("b", "bob")
	alice.sees(ByAvahi, "bob", "192.0.2.2:7450", "link-local")
	bob.sees(ByMDNS, "alice", "192.0.2.1:7450", "link-local")
	l.ip("-n", l.ns("b"), "address", "del", "192.0.2.2/24", "dev", "eth0")
	l.ip("-n", l.ns("b"), "address", "add", "192.0.2.77/24", "dev", "eth0")
	alice.sees(ByAvahi, "bob", "192.0.2.77:7450")
	l.ip("-n", l.ns("a"), "address", "del", "192.0.2.1/24", "dev", "eth0")
	l.ip("-n", l.ns("a"), "address", "add", "192.0.2.66/24", "dev", "eth0")
	bob.sees(ByMDNS, "alice", "192.0.2.66:7450")
	// Avahi goes and comes back.
	stop()
	alice.sees(ByMDNS, "bob", "192.0.2.77:7450")
	bob.sees(ByMDNS, "alice", "192.0.2.66:7450")
	l.avahi("a")
	alice.sees(ByAvahi, "bob", "192.0.2.77:7450")
	bob.sees(ByMDNS, "alice", "192.0.2.66:7450")
	_ = bob.stdin.Close()
	alice.seesNot("bob")
}

func TestNamespaces_avahiOnBothSides(t *testing.T) {
	l := newLAN(t)
	for _, side := range []string{"a", "b"} {
		l.bus(side)
		l.avahi(side)
	}
	alice, bob := l.device("a", "alice"), l.device("b", "bob")
	alice.sees(ByAvahi, "bob", "192.0.2.2:7450", "link-local")
	bob.sees(ByAvahi, "alice", "192.0.2.1:7450", "link-local")
}

func TestNamespaces_linkLocalOnly(t *testing.T) {
	l := newLAN(t)
	for _, side := range []string{"a", "b"} {
		l.ip("-n", l.ns(side), "-4", "address", "flush", "dev", "eth0")
	}
	l.bus("a")
	l.avahi("a")
	alice, bob := l.device("a", "alice"), l.device("b", "bob")
	alice.sees(ByAvahi, "bob", "link-local")
	bob.sees(ByMDNS, "alice", "link-local")
}

// The name that bob wants is taken on the network before he comes.
func TestNamespaces_nameCollision(t *testing.T) {
	for _, by := range []By{ByMDNS, ByAvahi} {
		t.Run(string(by), func(t *testing.T) {
			l := newLAN(t)
			l.bus("a")
			l.avahi("a")
			taken := Own{ID: idOf("bob"), Name: "bob"}.instance(1)
			l.start("a", "avahi-publish", "-s", taken, ServiceType, "9", "id=nobody")
			alice := l.device("a", "alice")
			alice.lan.eventually("start", func() bool { return alice.last().By == ByAvahi })
			if by == ByAvahi {
				l.bus("b")
				l.avahi("b")
			}
			bob := l.device("b", "bob")
			alice.sees(ByAvahi, "bob", "192.0.2.2:7450")
			bob.sees(by, "alice", "192.0.2.1:7450")
		})
	}
}
