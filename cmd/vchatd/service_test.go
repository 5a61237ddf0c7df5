package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/daemontest"
)

// cmdBind is "bind KIND ADDRESS…". It opens sockets as systemd would: the kind
// is stream, abstract, seqpacket, tcp or unbound.
func cmdBind(ts *testscript.TestScript, _ bool, args []string) {
	for _, address := range args[1:] {
		var f *os.File
		switch args[0] {
		case "stream", "abstract", "seqpacket":
			network := "unix"
			if args[0] == "seqpacket" {
				network = "unixpacket"
			}
			l, err := net.ListenUnix(network, &net.UnixAddr{Name: address, Net: network})
			ts.Check(err)
			l.SetUnlinkOnClose(false)
			f, err = l.File()
			ts.Check(err)
			ts.Check(l.Close())
		case "tcp":
			l, err := net.Listen("tcp", address)
			ts.Check(err)
			f, err = l.(*net.TCPListener).File()
			ts.Check(err)
			ts.Check(l.Close())
		case "unbound":
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			ts.Check(err)
			f = os.NewFile(uintptr(fd), "unbound")
		}
		p := programOf(ts)
		p.inherited = append(p.inherited, f)
		ts.Defer(func() { _ = f.Close() })
	}
}

// cmdInherit is "inherit ARGS…". It starts vchatd with the sockets of bind, as
// a service of systemd, and does not wait for it.
func cmdInherit(ts *testscript.TestScript, _ bool, args []string) {
	p := programOf(ts)
	p.stderr.Reset()
	p.cmd = exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec vchatd "$@"`, "sh"}, args...)...)
	p.cmd.Dir = ts.MkAbs(".")
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: ts.Getenv("RUN") + "/notify" +
		strconv.FormatInt(time.Now().UnixNano(), 36), Net: "unixgram"})
	ts.Check(err)
	ts.Defer(func() { _ = notify.Close() })
	p.cmd.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"), "GORACE="+ts.Getenv("GORACE"),
		"LISTEN_FDS="+strconv.Itoa(len(p.inherited)), "RUNTIME_DIRECTORY="+ts.Getenv("RUN"),
		"NOTIFY_SOCKET="+notify.LocalAddr().String())
	p.cmd.ExtraFiles = p.inherited
	p.cmd.Stderr = &p.stderr
	ts.Check(p.cmd.Start())
}

// cmdRefused is "refused SOCKET TEXT". It asks for the status, and checks that
// the answer is why vchatd cannot start.
func cmdRefused(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), daemontest.Timeout)
	defer cancel()
	c := client.New(args[0])
	defer c.Close()
	_, err := c.Status(ctx)
	var refused *api.Error
	if !errors.As(err, &refused) || refused.Kind != api.CannotStart || !strings.Contains(refused.Message, args[1]) {
		ts.Fatalf("got %v, want that vchatd cannot start: %s", err, args[1])
	}
}

// cmdHeld is "held". It checks that the program runs, and that its standard
// error has one line.
func cmdHeld(ts *testscript.TestScript, _ bool, _ []string) {
	p := programOf(ts)
	ts.Check(p.cmd.Process.Signal(unix.Signal(0)))
	lines := func() int { return strings.Count(p.stderr.String(), "\n") }
	for end := time.Now().Add(daemontest.Timeout); lines() == 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if n := lines(); n != 1 {
		ts.Fatalf("got %d lines, want 1:\n%s", n, p.stderr.String())
	}
}

// cmdCrashes is "crashes". It leaves what a vchatd leaves that has crashed too
// often.
func cmdCrashes(ts *testscript.TestScript, _ bool, _ []string) {
	var now unix.Timespec
	ts.Check(unix.ClockGettime(unix.CLOCK_BOOTTIME, &now))
	ts.Check(os.WriteFile(ts.Getenv("RUN")+"/restarts", []byte("0 "+strconv.FormatInt(now.Nano(), 10)), 0o600))
}
