// Package sandbox runs the command of an exec: camera where it cannot reach the
// daemon.
//
// Guarantees:
//   - The command can neither read nor write the key and the state of this
//     device, and cannot connect to the control socket.
//   - It can neither signal nor trace the daemon, nor read its memory, its
//     environment and its open files.
//   - It is never root, and reads no disk but by files: see rootUser.
//   - It keeps what cameras need: video devices, the network, other files.
//   - All processes that it starts end with it. They also end with the daemon,
//     even after kill -9.
//   - Nothing runs outside a sandbox: without one, Start fails.
//
// The program starts itself again as a runner, which starts the command and
// ends it. None of these sandboxes needs to be configured:
//
//	the packaged units:                   a user of its own
//
//	vchatd ── /run/vchat-camera.sock ──▶ systemd ──▶ vchat-camera@.service: runner ──▶ sh -c
//
//	vchatd without them (a user's run):   user, mount and process namespaces
//
//	vchatd ── socket pair ──▶ cover paths, mount /proc, drop rights ──▶ runner ──▶ sh -c
//
//	the same, started by root:            also a user of its own, a /dev of cameras
//
// The units come first. Another user is stopped by the ordinary permissions of
// every kernel, vchatd.service needs no right to create namespaces, and systemd
// kills the control group. Landlock would not do: Raspberry Pi OS has a kernel
// without it, it does not restrict connect(2) to sockets with a path, and it
// restricts signals only since Linux 6.12.
//
// The protocol has one packet for each message:
//
//	daemon                               runner
//	   ── the command ────────────────────▶
//	   ◀── started, with two read ends ────  stdout, stderr
//	   ◀── exited N, or signaled N ────────  the shell has ended
//	   ── end of stream ──────────────────▶  SIGTERM to all; SIGKILL after Grace
//	   ◀── ended, or end of stream ────────  no process is left
package sandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Grace is the time between SIGTERM and SIGKILL.
	Grace = 400 * time.Millisecond
	// stopTimeout limits Stop and Close together. A runner that does not
	// answer must not hold up the close of the camera.
	stopTimeout = Grace + 300*time.Millisecond
	// startTimeout is long enough for systemd on a slow board under load.
	startTimeout = 10 * time.Second

	socketPath = "/run/vchat-camera.sock" // of vchat-camera.socket
	maxCommand = 128 << 10                // bytes: MAX_ARG_STRLEN of the kernel
	maxMessage = 512                      // bytes from a runner
)

// ErrUnavailable is wrapped by the error of Start if there is no sandbox.
var ErrUnavailable = errors.New("camera command not started: nothing here can keep it away from this device's key")

// An ExitError is how a command ended that did not exit with 0.
type ExitError struct {
	Code   int            // exit status
	Signal syscall.Signal // that killed it, or 0
}

func (e *ExitError) Error() string {
	if e.Signal != 0 {
		return "signal: " + e.Signal.String()
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// Command is a command in its sandbox. Stop must be called, then Close, by one
// goroutine.
type Command struct {
	Stdout, Stderr *os.File // read ends of pipes. The caller closes them

	conn   *net.UnixConn
	runner *exec.Cmd // nil if systemd runs it
}

// Start starts command by /bin/sh. hidden are the absolute paths that it must
// not reach; those that do not exist are skipped. Start fails with
// ErrUnavailable if there is no sandbox, with E2BIG for a command of 128 KiB or
// more, and after 10 s without an answer of the runner. The program's main must
// call Main first.
func Start(command string, hidden []string) (*Command, error) {
	return start(socketPath, command, hidden)
}

func start(socket, command string, hidden []string) (*Command, error) {
	if len(command) >= maxCommand {
		return nil, fmt.Errorf("start: %w", unix.E2BIG)
	}
	c, err := dialRunner(socket)
	if err != nil { // the socket is missing, or for another user
		if c, err = forkRunner(hidden); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	if err := c.handshake(command); err != nil {
		c.kill()
		return nil, err
	}
	return c, nil
}

func dialRunner(path string) (*Command, error) {
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, err
	}
	return &Command{conn: conn}, nil
}

// handshake sends the command and takes the pipes.
func (c *Command) handshake(command string) error {
	_ = c.conn.SetDeadline(time.Now().Add(startTimeout))
	if _, err := c.conn.Write([]byte(command)); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	message, files, err := receive(c.conn)
	if err == nil && message == "started" && len(files) == 2 {
		c.Stdout, c.Stderr = files[0], files[1]
		return c.conn.SetDeadline(time.Time{})
	}
	closeAll(files)
	if reason, ok := strings.CutPrefix(message, "unavailable "); ok {
		return fmt.Errorf("%w: %q", ErrUnavailable, reason)
	}
	if reason, ok := strings.CutPrefix(message, "failed "); ok {
		return fmt.Errorf("start: %q", reason)
	}
	if c.runner == nil {
		return errors.New("start: vchat-camera@.service failed: see journalctl -u 'vchat-camera@*'")
	}
	if err == nil {
		err = fmt.Errorf("it sent %q", message)
	}
	return fmt.Errorf("start: %w: %w", errNoAnswer, err)
}

var errNoAnswer = errors.New("the runner does not answer")

// Stop ends the command, if it still runs, and returns how it ended: nil for
// exit status 0, or an ExitError. It returns after Grace and a moment at the
// latest. Processes that the command started may still be ending.
func (c *Command) Stop() error {
	_ = c.conn.SetReadDeadline(time.Now().Add(stopTimeout))
	if err := c.conn.CloseWrite(); err != nil {
		return fmt.Errorf("end: %w", err)
	}
	message, files, err := receive(c.conn)
	closeAll(files)
	var n int
	switch {
	case err != nil:
		return fmt.Errorf("end: %w: %w", errNoAnswer, err)
	case parse(message, "exited %d", &n):
		if n == 0 {
			return nil
		}
		return &ExitError{Code: n}
	case parse(message, "signaled %d", &n):
		return &ExitError{Signal: syscall.Signal(n)}
	}
	return fmt.Errorf("end: %w", errNoAnswer)
}

func parse(message, format string, n *int) bool {
	_, err := fmt.Sscanf(message, format, n)
	return err == nil
}

// Close returns when all processes of the command have ended, at most
// stopTimeout after the call of Stop.
func (c *Command) Close() {
	_, files, _ := receive(c.conn) // ended, or the end of the stream, or the deadline
	closeAll(files)
	c.kill()
}

// kill closes the connection. In namespaces it also kills the runner, and so
// the kernel all processes of its process namespace.
func (c *Command) kill() {
	c.conn.Close()
	if c.runner != nil {
		_ = c.runner.Process.Kill() // it may have ended
		_ = c.runner.Wait()         // killed, or any exit code
	}
}

// receive returns the next message and the files with it. The end of the
// stream is an error.
func receive(conn *net.UnixConn) (string, []*os.File, error) {
	text, control := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4*4))
	n, m, _, _, err := conn.ReadMsgUnix(text, control)
	if err != nil {
		return "", nil, err
	}
	var files []*os.File
	messages, err := unix.ParseSocketControlMessage(control[:m])
	for _, m := range messages {
		fds, _ := unix.ParseUnixRights(&m)
		for _, fd := range fds {
			_ = unix.SetNonblock(fd, true) // for the poller, so that Close ends a read
			files = append(files, os.NewFile(uintptr(fd), "camera command"))
		}
	}
	return string(text[:n]), files, err
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
