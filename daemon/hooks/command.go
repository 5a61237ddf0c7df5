package hooks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/proctree"
)

// Check returns an error if this process surely cannot start a command: the
// program is missing, or no program. It returns nil for an empty command.
func Check(argv []string) error {
	if len(argv) == 0 {
		return nil
	}
	info, err := os.Stat(argv[0])
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: argv[0], Err: unix.EACCES}
		if info.IsDir() {
			err = &fs.PathError{Op: "open", Path: argv[0], Err: unix.EISDIR}
		}
	} else if err == nil {
		err = unix.Access(argv[0], unix.X_OK)
	}
	return startError(argv[0], err)
}

// startError returns the error for a program that cannot be started; nil for
// nil.
func startError(program string, err error) error {
	if err == nil {
		return nil
	}
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		err = errno
	}
	return fmt.Errorf("%s: %w", program, err)
}

// ending is how a command ended.
type ending struct {
	started   bool
	cancelled bool  // because its context was done
	stuck     bool  // the runner did not answer
	err       error // nil: with exit status 0
}

var errTimeout = fmt.Errorf("ended after %v", Timeout)

// run runs a command until all its processes have ended. It ends them after
// timeout, or when ctx is done.
func run(ctx context.Context, j *job, timeout time.Duration, out *output) ending {
	r, err := startRunner(j)
	if err != nil {
		return ending{err: err}
	}
	var pipes sync.WaitGroup
	pipes.Go(func() {
		_, _ = r.stdin.Write(j.input) // a command that does not read it is no fault
		r.stdin.Close()
	})
	pipes.Go(func() { out.read(r.stdout) })
	timer := time.AfterFunc(timeout, r.end)
	stop := context.AfterFunc(ctx, r.end)
	e := r.wait()
	timedOut := !timer.Stop()
	if !stop() {
		e.cancelled = true
	} else if timedOut && e.started {
		e.err = errTimeout
	}
	r.stdin.Close() // ends the writer
	// Only a process that has escaped still has the other end.
	_ = r.stdout.SetReadDeadline(time.Now().Add(runnerGrace))
	pipes.Wait()
	r.stdout.Close()
	return e
}

// runner is the process that runs a command.
type runner struct {
	cmd     *exec.Cmd
	conn    *net.UnixConn
	program string

	stdin  *os.File // write end
	stdout *os.File // read end, also of standard error
}

// startRunner starts this program again as the runner of a command. Its
// descriptor 3 is a connection: the end of the stream asks it to end the
// command, and so does the end of the daemon.
func startRunner(j *job) (*runner, error) {
	if !mainCalled {
		return nil, errors.New("this program has no runner")
	}
	conn, theirs, err := proctree.SocketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	r := &runner{conn: conn, program: j.argv[0]}
	stdin, stdout, err := r.pipes()
	if err != nil {
		conn.Close()
		return nil, err
	}
	defer stdin.Close()
	defer stdout.Close()
	r.cmd = &exec.Cmd{
		Path: "/proc/self/exe", Args: append([]string{os.Args[0], runnerArg}, j.argv...), Env: j.env, Dir: "/",
		Stdin: stdin, Stdout: stdout, Stderr: stdout, ExtraFiles: []*os.File{theirs},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true}, // Ctrl-C at the daemon's terminal is not for hooks
	}
	if err := r.cmd.Start(); err != nil {
		conn.Close()
		r.stdin.Close()
		r.stdout.Close()
		return nil, startError(j.argv[0], err)
	}
	return r, nil
}

// pipes makes the pipes of a runner and returns the runner's ends.
func (r *runner) pipes() (stdin, stdout *os.File, err error) {
	if stdin, r.stdin, err = os.Pipe(); err != nil {
		return nil, nil, err
	}
	if r.stdout, stdout, err = os.Pipe(); err != nil {
		stdin.Close()
		r.stdin.Close()
		return nil, nil, err
	}
	return stdin, stdout, nil
}

// end asks the runner to end the command.
func (r *runner) end() {
	_ = r.conn.SetReadDeadline(time.Now().Add(Grace + runnerGrace))
	_ = r.conn.CloseWrite()
}

// runnerGrace is how much longer than Grace a runner may take. A command may
// have stopped it (SIGSTOP).
const runnerGrace = 500 * time.Millisecond

// wait returns how the command ended, once all its processes have.
func (r *runner) wait() (e ending) {
	e.err = errors.New("the runner ended unexpectedly")
	b := make([]byte, maxMessage)
	for {
		n, err := r.conn.Read(b)
		if err != nil || n == 0 {
			e.stuck = errors.Is(err, os.ErrDeadlineExceeded)
			break
		}
		e = parse(r.program, string(b[:n]), e)
	}
	r.conn.Close()
	if e.stuck {
		proctree.Kill(r.cmd.Process.Pid)
	}
	_ = r.cmd.Wait() // the messages say more than its exit code
	return e
}

// parse returns the ending with what a message of the runner says.
func parse(program, message string, e ending) ending {
	var n int
	scan := func(format string) bool {
		_, err := fmt.Sscanf(message, format, &n)
		return err == nil
	}
	switch {
	case message == "started":
		e.started = true
	case scan("failed %d"):
		e.err = startError(program, syscall.Errno(n))
	case scan("exited %d"):
		e.err = nil
		if n != 0 {
			e.err = fmt.Errorf("exit status %d", n)
		}
	case scan("signaled %d"):
		e.err = fmt.Errorf("signal: %v", syscall.Signal(n))
	}
	return e
}
