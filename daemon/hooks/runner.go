package hooks

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"vchat/daemon/proctree"
)

// runnerArg is the first argument of a program that is to be a runner.
const runnerArg = "hook-command"

const (
	runnerFD   = 3   // of the connection to the daemon
	maxMessage = 128 // bytes from a runner
)

// Exit codes of a runner.
const (
	exitDone  = 0
	exitUsage = 2
)

// mainCalled is whether this program can be a runner.
var mainCalled bool

// Main must be called first in main, with os.Args. If this process is to be the
// runner of a hook, Main runs it and reports that the process must exit with
// code.
func Main(args []string) (code int, isRunner bool) {
	mainCalled = true
	if len(args) < 2 || args[1] != runnerArg {
		return 0, false
	}
	conn, err := connection()
	if err != nil || len(args) < 3 {
		fmt.Fprintf(os.Stderr, "%s: error: %s is only for vchatd itself\n", args[0], runnerArg)
		return exitUsage, true
	}
	defer conn.Close()
	serve(conn, args[2:])
	return exitDone, true
}

func connection() (*net.UnixConn, error) {
	kind, err := unix.GetsockoptInt(runnerFD, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_SEQPACKET {
		return nil, errors.New("not started by vchatd")
	}
	f := os.NewFile(runnerFD, "daemon")
	defer f.Close() // FileConn duplicates it
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.New("not started by vchatd")
	}
	return unixConn, nil
}

// serve runs a command until all its processes have ended.
func serve(conn *net.UnixConn, argv []string) {
	// The kernel kills a hook before the daemon if memory runs out.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte(strconv.Itoa(oomScoreAdj)), 0)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, unix.SIGTERM, unix.SIGINT, unix.SIGHUP) // systemctl stop
	changes, err := proctree.Adopt()
	if err != nil {
		return
	}
	_ = proctree.CloseInherited() // fails without /proc
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{Setpgid: true}, // kill 0 in a script must not hit the runner
	})
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		send(conn, "failed %d", int(errno))
		return
	}
	send(conn, "started")
	// The daemon's ends of the pipes must see the end of the command.
	for fd := range 3 {
		_ = unix.Close(fd)
	}
	go func() {
		_, _ = conn.Read(make([]byte, 1)) // only the end of the stream comes
		select {
		case asked <- unix.SIGTERM:
		default:
		}
	}()
	tree := proctree.Tree{Main: pid, Grace: Grace, Ended: func(status unix.WaitStatus) {
		if status.Signaled() {
			send(conn, "signaled %d", int(status.Signal()))
		} else {
			send(conn, "exited %d", status.ExitStatus())
		}
	}}
	tree.Run(changes, asked)
}

// oomScoreAdj is the highest value.
const oomScoreAdj = 1000

// send sends a message. An error means that the daemon is gone: the read of the
// connection notices.
func send(conn *net.UnixConn, format string, args ...any) {
	_, _ = conn.Write(fmt.Appendf(nil, format, args...))
}
