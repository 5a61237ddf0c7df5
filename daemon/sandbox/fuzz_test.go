package sandbox

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzRunner sends any packets to a daemon in place of a runner's. Each line of
// the input is one; a tab in front means that a file comes with it.
func FuzzRunner(f *testing.F) {
	f.Add([]byte("started\nexited 3\nended"))
	f.Add([]byte("\tstarted\nexited 0"))
	f.Add([]byte("\t\tstarted\nexited 1\nended"))
	f.Add([]byte("\t\tstarted\nsignaled 9"))
	f.Add([]byte("\t\tstarted\n\texited 99999999999999999999\n\tended"))
	f.Add([]byte("unavailable \x1b[2J\n\n"))
	f.Add([]byte("failed \xff"))
	f.Fuzz(func(t *testing.T, packets []byte) {
		before := openFiles(t)
		runRunner(t, packets)
		if after := openFiles(t); after != before {
			t.Errorf("got %d open files, want %d", after, before)
		}
	})
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func runRunner(t *testing.T, packets []byte) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := pair[1]
	ours := os.NewFile(uintptr(pair[0]), "runner")
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range bytes.Split(packets, []byte("\n")) {
		if i == 8 { // more are not read
			break
		}
		text := bytes.TrimLeft(p, "\t")
		var rights []byte
		if n := min(len(p)-len(text), 8); n > 0 {
			rights = unix.UnixRights([]int{0, 0, 0, 0, 0, 0, 0, 0}[:n]...)
		}
		_ = unix.Sendmsg(theirs, text, rights, nil, unix.MSG_DONTWAIT)
	}
	_ = unix.Shutdown(theirs, unix.SHUT_WR)
	defer unix.Close(theirs)
	c := &Command{conn: conn.(*net.UnixConn)}
	if err := c.handshake("true"); err != nil {
		c.kill()
		return
	}
	defer closeAll([]*os.File{c.Stdout, c.Stderr})
	var exit *ExitError
	if err := c.Stop(); err != nil && !errors.As(err, &exit) && !errors.Is(err, errNoAnswer) {
		t.Errorf("Stop: got %v", err)
	}
	c.Close()
}
