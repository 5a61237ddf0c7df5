package camera

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
)

// command is a program that writes frames to its standard output, such as rpicam-vid. It runs in a process group of its
// own, so that it ends with all that it started; children that have left the group are looked for (see procTree).
//
// Goroutines: one reads frames, one reads messages, one waits for the end; close waits for all of them.
type command struct {
	source
	line     string
	cmd      *exec.Cmd
	children procTree // its children when it was told to end
	out      *os.File // our ends of its pipes
	msgs     *os.File
	newest   atomic.Pointer[frame.Frame]
	wrote    atomic.Bool   // anything
	gave     atomic.Bool   // a frame
	ready    chan struct{} // of one: newest is new
	woken    chan struct{} // of one
	ended    chan struct{} // closed after err was set
	err      error
	all      sync.WaitGroup
	timer    *time.Timer
}

// termGrace is how long a command has to end after SIGTERM. With linger it is below the second in which a camera closes.
const termGrace = 400 * time.Millisecond

func openCommand(s source, line string) (*command, error) {
	out, outEnd, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("run the camera command: %w", err)
	}
	msgs, msgsEnd, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("run the camera command: %w", err), out.Close(), outEnd.Close())
	}
	c := &command{
		source: s, line: line, cmd: exec.Command("/bin/sh", "-c", line), out: out, msgs: msgs,
		ready: make(chan struct{}, 1), woken: make(chan struct{}, 1), ended: make(chan struct{}), timer: time.NewTimer(time.Hour),
	}
	c.cmd.Stdout, c.cmd.Stderr = outEnd, msgsEnd
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = c.cmd.Start()
	outEnd.Close() // the command has its own copies
	msgsEnd.Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("run the camera command: %w", err), out.Close(), msgs.Close())
	}
	var frames sync.WaitGroup
	var why error
	frames.Go(func() { why = c.read() })
	c.all.Go(c.listen)
	c.all.Go(func() {
		frames.Wait() // what it wrote before it ended still counts
		// Without the command: peers see this on the card, and it may hold a password.
		c.err = fmt.Errorf("%w: %w", errCommand, cmp.Or(errors.Join(c.end(), why), errEnded))
		close(c.ended)
		c.clear()
	})
	return c, nil
}

// read takes frames until the command closes its output: at most twice as many as were asked for, for a command that plays
// a file keeps no time, and would keep a processor busy.
func (c *command) read() error {
	cut := mjpeg.NewSplitter(c, maxFrame)
	step := time.Second / time.Duration(2*c.cfg.FPS)
	var paid time.Time
	for seq := uint64(1); ; seq++ {
		b, info, err := cut.Next()
		if err != nil {
			if _, why := cut.Skipped(); seq == 1 && why != nil {
				return fmt.Errorf("%w: %w", errNoFrame, why)
			}
			return nil
		}
		c.gave.Store(true)
		f := jpegFrame(c.pool, b, info)
		f.Seq, f.Captured = seq, c.cfg.now()
		f.Arrived = f.Captured
		if old := c.newest.Swap(f); old != nil {
			old.Release()
			c.counters.drop(1)
		}
		signal(c.ready)
		now := time.Now()
		if credit := now.Add(-burst * step); paid.Before(credit) {
			paid = credit
		}
		paid = paid.Add(step)
		time.Sleep(paid.Sub(now))
	}
}

// Read is for the splitter.
func (c *command) Read(b []byte) (int, error) {
	n, err := c.out.Read(b)
	if n > 0 {
		c.wrote.Store(true)
	}
	return n, err
}

// burst is how many frames of a command may come at once, after a pause of the scheduler or of its own.
const burst = 4

// mostLines bounds what a command may put into the log each time it is started; some write a line for each frame.
const mostLines = 20

// listen puts what the command says to the log.
func (c *command) listen() {
	lines := bufio.NewScanner(c.msgs)
	for n := 1; lines.Scan(); n++ {
		if n <= mostLines {
			c.log.Info("camera command says", "text", lines.Text())
		}
		if n == mostLines {
			c.log.Info("what the camera command says from now on is not logged")
		}
	}
	_, _ = io.Copy(io.Discard, c.msgs) // behind a line that is too long: it must not block the command
}

// end makes sure that the command itself has ended, with the children that it has now, and says how it did.
func (c *command) end() error {
	c.children = descendants(c.cmd.Process.Pid)
	_ = syscall.Kill(c.group(), syscall.SIGTERM)
	c.children.signal(syscall.SIGTERM)
	late := time.AfterFunc(termGrace, func() { _ = syscall.Kill(c.group(), syscall.SIGKILL) })
	defer late.Stop()
	return c.cmd.Wait()
}

// clear makes sure that what the command had started has ended too, and closes the way for messages.
func (c *command) clear() {
	if !c.gone(termGrace) {
		_ = syscall.Kill(c.group(), syscall.SIGKILL)
		c.children.signal(syscall.SIGKILL)
		c.gone(termGrace / 5) // where nobody collects orphans, they stay as zombies
	}
	c.children.release()
	c.msgs.Close()
}

func (c *command) group() int { return -c.cmd.Process.Pid }

// gone waits until what the command had started has ended, at most for wait. The group's own process has been waited for;
// the kernel does not give its number to another one as long as the group has members.
func (c *command) gone(wait time.Duration) bool {
	for end := time.Now().Add(wait); ; time.Sleep(5 * time.Millisecond) {
		if err := syscall.Kill(c.group(), 0); err == syscall.ESRCH && !c.children.alive() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

func (c *command) about() about {
	return about{device: "exec:" + c.line, format: "mjpeg", fps: float64(c.cfg.FPS)}
}

func (c *command) next(wait time.Duration) (*frame.Frame, error) {
	c.timer.Reset(wait)
	defer c.timer.Stop()
	for {
		if f := c.newest.Swap(nil); f != nil {
			return f, nil
		}
		select {
		case <-c.ready:
		case <-c.woken:
			return nil, errWoken
		case <-c.timer.C:
			return nil, errTimeout
		case <-c.ended:
			if f := c.newest.Swap(nil); f != nil {
				return f, nil
			}
			return nil, c.err
		}
	}
}

func (c *command) restart() error  { return errors.ErrUnsupported }
func (c *command) whySlow() string { return "" }
func (c *command) wake()           { signal(c.woken) }

// silence tells a command that writes something else apart: rpicam-vid gives H.264 unless it is asked for MJPEG.
func (c *command) silence() error {
	if c.wrote.Load() && !c.gave.Load() {
		return fmt.Errorf("%w: what its command writes is not MJPEG", errSilent)
	}
	return errSilent
}

func (c *command) close() {
	c.out.Close() // read ends, and with it everything
	<-c.ended
	c.all.Wait()
	if f := c.newest.Swap(nil); f != nil {
		f.Release()
	}
}
