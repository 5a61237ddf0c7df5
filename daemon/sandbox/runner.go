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
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become a subreaper: %w", err)
	}
	// The command has the same user. It must not write this process's memory.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("refuse tracers: %w", err)
	}
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, unix.SIGCHLD)
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
	r := runner{conn: conn, shell: shell}
	r.run(changes, asked)
	return nil
}

func notify(c chan os.Signal) {
	select {
	case c <- unix.SIGTERM:
	default:
	}
}

// runner waits for the processes of a command.
type runner struct {
	conn  *net.UnixConn
	shell int // process id
}

// killRounds is how often SIGKILL is repeated, for processes that forked
// between the search and the signal. What remains is killed by the kernel, with
// the process namespace, or by systemd, with the control group.
const killRounds = 10

func (r *runner) run(changes, asked <-chan os.Signal) {
	// Under systemd the command can stop this process by SIGSTOP. Then the
	// watchdog ends both. In namespaces the kernel protects the first process.
	var alive <-chan time.Time
	if interval, err := daemon.SdWatchdogEnabled(false); err == nil && interval > 0 {
		ticker := time.NewTicker(interval / 5)
		defer ticker.Stop()
		alive = ticker.C
	}
	var kill <-chan time.Time
	rounds := 0
	for r.reap() && rounds < killRounds {
		select {
		case <-changes:
		case <-alive:
			_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog)
		case <-asked:
			asked = nil
			r.signal(unix.SIGTERM)
			kill = time.After(Grace)
		case <-kill:
			r.signal(unix.SIGKILL)
			rounds++
			kill = time.After(10 * time.Millisecond)
		}
	}
	send(r.conn, nil, "ended")
}

// reap takes the exit status of the children that have ended. It reports
// whether there are others.
func (r *runner) reap() bool {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
		case err != nil: // ECHILD
			return false
		case pid == 0:
			return true
		case pid == r.shell && status.Signaled():
			send(r.conn, nil, "signaled %d", int(status.Signal()))
		case pid == r.shell:
			send(r.conn, nil, "exited %d", status.ExitStatus())
		}
	}
}

// signal signals all processes of the command. Those that have ended are
// ignored.
func (r *runner) signal(s syscall.Signal) {
	for _, pid := range descendants(os.Getpid()) {
		_ = unix.Kill(pid, s)
	}
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
