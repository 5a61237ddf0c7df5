package sandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"vchat/daemon/proctree"
)

// The first argument of a program that is not to be the daemon.
const (
	runnerArg    = "camera-command"   // be the runner: ExecStart of vchat-camera@.service
	namespaceArg = "camera-namespace" // cover the paths that follow, then be the runner
)

// Exit codes of a runner.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// mainCalled is whether this program can be a runner.
var mainCalled bool

// Main must be called first in main, with os.Args. If this process is to be a
// runner, Main runs it and reports that the process must exit with code.
func Main(args []string) (code int, isRunner bool) {
	mainCalled = true
	if len(args) < 2 || args[1] != runnerArg && args[1] != namespaceArg {
		return 0, false
	}
	conn, err := connection()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: error: %s is only for vchat-camera.socket: %v\n", args[0], args[1], err)
		return exitUsage, true
	}
	defer conn.Close()
	if args[1] == namespaceArg {
		err = enterNamespace(args[2:])
		send(conn, nil, "unavailable %v", err)
		return exitFailed, true
	}
	if err := serve(conn); err != nil {
		send(conn, nil, "failed %v", err)
		return exitFailed, true
	}
	return exitDone, true
}

// connection returns the connection to the daemon, which is standard input.
func connection() (*net.UnixConn, error) {
	kind, err := unix.GetsockoptInt(0, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	if kind != unix.SOCK_SEQPACKET {
		return nil, errors.New("standard input is another kind of socket")
	}
	conn, err := net.FileConn(os.Stdin)
	if err != nil {
		return nil, err
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.New("standard input is another kind of socket")
	}
	return unixConn, nil
}

// serve runs one command. Orphans of the command become children of this
// process: it is the first one of its process namespace, or their subreaper. So
// all processes of the command have ended when it has no children.
func serve(conn *net.UnixConn) error {
	b := make([]byte, maxCommand)
	n, err := conn.Read(b)
	if err != nil {
		return fmt.Errorf("read the command: %w", err)
	}
	changes, err := proctree.Adopt()
	if err != nil {
		return err
	}
	// The command has the same user. It must not write this process's memory.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("refuse tracers: %w", err)
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, unix.SIGTERM, unix.SIGINT, unix.SIGHUP) // systemctl stop
	shell, err := startShell(conn, string(b[:n]))
	if err != nil {
		return err
	}
	go func() {
		_, _ = conn.Read(make([]byte, 1)) // only the end of the stream comes
		notify(asked)
	}()
	run(conn, shell, changes, asked)
	return nil
}

func notify(c chan os.Signal) {
	select {
	case c <- unix.SIGTERM:
	default:
	}
}

// run waits for the processes of a command. What remains of them is killed by
// the kernel, with the process namespace, or by systemd, with the control
// group.
func run(conn *net.UnixConn, shell int, changes, asked <-chan os.Signal) {
	t := proctree.Tree{Main: shell, Grace: Grace, Ended: func(status unix.WaitStatus) {
		if status.Signaled() {
			send(conn, nil, "signaled %d", int(status.Signal()))
		} else {
			send(conn, nil, "exited %d", status.ExitStatus())
		}
	}}
	// Under systemd the command can stop this process by SIGSTOP. Then the
	// watchdog ends both. In namespaces the kernel protects the first process.
	if interval, err := daemon.SdWatchdogEnabled(false); err == nil && interval > 0 {
		ticker := time.NewTicker(interval / 5)
		defer ticker.Stop()
		t.Alive = ticker.C
		t.Tick = func() { _, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog) }
	}
	t.Run(changes, asked)
	send(conn, nil, "ended")
}

// startShell starts the command and sends the read ends of its outputs. This
// process makes the pipes: only their owner can open them again, by
// /dev/stdout.
func startShell(conn *net.UnixConn, command string) (pid int, err error) {
	var read, write [2]*os.File // stdout, stderr
	for i := range read {
		if read[i], write[i], err = os.Pipe(); err != nil {
			return 0, err
		}
		defer read[i].Close()
		defer write[i].Close()
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	pid, err = syscall.ForkExec("/bin/sh", []string{"/bin/sh", "-c", command}, &syscall.ProcAttr{
		Env:   environment(os.Environ()),
		Files: []uintptr{null.Fd(), write[0].Fd(), write[1].Fd()},
		Sys:   &syscall.SysProcAttr{Setpgid: true}, // kill 0 in a script must not hit the runner
	})
	if err != nil {
		return 0, fmt.Errorf("start /bin/sh: %w", err)
	}
	send(conn, unix.UnixRights(int(read[0].Fd()), int(read[1].Fd())), "started")
	return pid, nil
}

// environment drops the variables by which systemd speaks to the daemon.
func environment(all []string) []string {
	return slices.DeleteFunc(all, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == "NOTIFY_SOCKET" || strings.HasPrefix(name, "LISTEN_") || strings.HasPrefix(name, "WATCHDOG_")
	})
}

// send sends a message. An error means that the daemon is gone: the read of the
// connection notices.
func send(conn *net.UnixConn, rights []byte, format string, args ...any) {
	text := fmt.Appendf(nil, format, args...)
	_, _, _ = conn.WriteMsgUnix(text[:min(len(text), maxMessage)], rights, nil)
}
