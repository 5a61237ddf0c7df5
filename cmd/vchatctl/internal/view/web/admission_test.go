package web

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func addrPort(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }

// dialPair returns both ends of a connection to 127.0.0.1.
func dialPair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp4", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return client, server
}

func TestLookup(t *testing.T) {
	for name, find := range map[string]lookup{"sock_diag": diagUser, "proc": procUser} {
		t.Run(name, func(t *testing.T) {
			client, server := dialPair(t)
			local, remote := addrPort(server.LocalAddr()), addrPort(server.RemoteAddr())
			uid, err := find(remote, local)
			if name == "sock_diag" && err != nil && !errors.Is(err, errNoOwner) {
				t.Skip("this kernel has no inet_diag: ", err)
			}
			if err != nil || uid != uint32(os.Getuid()) {
				t.Errorf("got %d, %v; want %d", uid, err, os.Getuid())
			}
			// A closed socket still has an entry. It must not count as root's.
			client.Close()
			for range 3 {
				if uid, err := find(remote, local); !errors.Is(err, errNoOwner) {
					t.Errorf("closed: got %d, %v; want %v", uid, err, errNoOwner)
				}
			}
			server.Close()
			if uid, err := find(remote, local); !errors.Is(err, errNoOwner) {
				t.Errorf("both closed: got %d, %v; want %v", uid, err, errNoOwner)
			}
			listener, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			if uid, err := find(addrPort(listener.Addr()), local); !errors.Is(err, errNoOwner) {
				t.Errorf("listener: got %d, %v; want %v", uid, err, errNoOwner)
			}
		})
	}
}

// A socket of IPv6 that is connected to an IPv4-mapped address is in another
// table of the kernel.
func TestLookup_mapped(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := dialMapped(addrPort(l.Addr()).Port())
	if err != nil {
		t.Skip("no IPv6: ", err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for name, find := range map[string]lookup{"sock_diag": newLookup(l), "proc": procUser} {
		uid, err := find(addrPort(server.RemoteAddr()), addrPort(server.LocalAddr()))
		if err != nil || uid != uint32(os.Getuid()) {
			t.Errorf("%s: got %d, %v; want %d", name, uid, err, os.Getuid())
		}
	}
}

// asNobody returns a command that another user runs. It skips the test without
// the right to do that.
func asNobody(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to run a program as another user")
	}
	for _, tool := range []string{"setpriv", name} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
	return exec.Command("setpriv",
		append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", name}, args...)...)
}

// Another user who knows the addresses, and is first, gets nothing. The
// one-time address still works afterwards.
func TestAdmission_otherUser(t *testing.T) {
	r := serve(t, "")
	r.server.oneTime.enable()
	oneTime := "http://" + r.server.listener.Addr().String() + "/" + r.server.oneTime.path
	mapped := strings.Replace(oneTime, "127.0.0.1", "[::ffff:127.0.0.1]", 1)
	for _, url := range []string{oneTime, r.server.URL(), mapped} {
		out, err := asNobody(t, "curl", "-sS", "-g", "--max-time", "10",
			"-H", "Host: "+r.server.listener.Addr().String(), "-w", "%{http_code}", url).CombinedOutput()
		if err == nil || strings.Contains(string(out), "303") || strings.Contains(string(out), r.server.secret) {
			t.Errorf("another user got %q from %s, want no answer", out, url)
		}
	}
	res := r.do("GET", "", "", func(req *http.Request) { req.URL.Path = "/" + r.server.oneTime.path })
	if res.StatusCode != http.StatusSeeOther {
		t.Errorf("this user, afterwards: got %d, want %d", res.StatusCode, http.StatusSeeOther)
	}
}

// Connections of another user take no places.
func TestAdmission_flood(t *testing.T) {
	r := serve(t, "")
	_, port, _ := net.SplitHostPort(r.server.listener.Addr().String())
	script := fmt.Sprintf("for i in $(seq 200); do exec {f}<>/dev/tcp/127.0.0.1/%s; done; echo ready; "+
		"exec sleep 60", port)
	flood := asNobody(t, "bash", "-c", script)
	out, err := flood.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := flood.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { flood.Process.Kill(); flood.Wait() }()
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if res := r.do("GET", "", "", nil); res.StatusCode != 200 {
		t.Errorf("page: got %d, want 200", res.StatusCode)
	}
}

func TestAdmission_users(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	own := uint32(os.Geteuid())
	for _, tt := range []struct {
		sudo string
		uid  uint32
		want bool
	}{
		{"", own, true}, {"", 0, true}, {"", own + 1, false}, {"1234", 1234, true}, {"1234", own, true},
		{"1234", 1235, false}, {"-1", 0xffffffff, false}, {"x", own + 1, false},
	} {
		t.Setenv("SUDO_UID", tt.sudo)
		if got := newAdmission(l, nil).users[tt.uid]; got != tt.want {
			t.Errorf("SUDO_UID=%s, uid %d: admitted is %v, want %v", tt.sudo, tt.uid, got, tt.want)
		}
	}
}

// dialMapped connects an IPv6 socket to ::ffff:127.0.0.1.
func dialMapped(port uint16) (net.Conn, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	to := &unix.SockaddrInet6{Port: int(port), Addr: netip.MustParseAddr("::ffff:127.0.0.1").As16()}
	if err := unix.Connect(fd, to); err != nil {
		return nil, err
	}
	return net.FileConn(f)
}
