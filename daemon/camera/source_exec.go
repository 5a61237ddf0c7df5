package camera

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/sandbox"
)

// execSource is a command that writes JPEG frames to its standard output, such
// as rpicam-vid. It runs in a sandbox, which ends all of its processes.
//
// Goroutines: one reads frames, one reads messages, one ends the command. close
// waits for the last two. It gives the reader readerGrace: the end of the
// command must not wait for a reader that is busy with a stream.
type execSource struct {
	sourceEnv
	command    string
	cmd        *sandbox.Command
	newest     atomic.Pointer[frame.Frame]
	hasOutput  atomic.Bool
	hasFrames  atomic.Bool
	splitter   *frameSplitter // of the reader
	isJPEG     atomic.Bool    // the output has JPEG frames, perhaps broken ones
	ready      chan struct{}  // capacity 1; newest was set
	woken      chan struct{}  // capacity 1
	closing    chan struct{}  // closed by close
	readerDone chan struct{}  // closed after readErr was set
	readErr    error
	ended      chan struct{} // closed after err was set
	err        error
	goroutines sync.WaitGroup
	timer      *time.Timer
}

const (
	// readerGrace is the time for the reader to end after the command.
	readerGrace = 100 * time.Millisecond
	// maxBurst is how many frames may come at once, after a pause of the
	// command or of the scheduler.
	maxBurst = 4
)

func openExec(e sourceEnv, command string) (*execSource, error) {
	return startExec(e, command, (*execSource).readFrames)
}

// startExec starts the command, and read in the reader's goroutine.
func startExec(e sourceEnv, command string, read func(*execSource) error) (*execSource, error) {
	cmd, err := sandbox.Start(command, e.cfg.Hidden)
	if errors.Is(err, sandbox.ErrUnavailable) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCommand, err)
	}
	x := &execSource{
		sourceEnv:  e,
		command:    command,
		cmd:        cmd,
		ready:      make(chan struct{}, 1),
		woken:      make(chan struct{}, 1),
		closing:    make(chan struct{}),
		readerDone: make(chan struct{}),
		ended:      make(chan struct{}),
		timer:      time.NewTimer(time.Hour),
	}
	e.messages.restarted(time.Now())
	go func() {
		x.readErr = read(x)
		close(x.readerDone)
	}()
	x.goroutines.Go(x.logMessages)
	x.goroutines.Go(x.end)
	return x, nil
}

// end ends the command, after its output or when the source is closed.
func (x *execSource) end() {
	var readErr error
	select {
	case <-x.readerDone: // it has taken the frames that were written before the exit
		readErr = x.readErr
	case <-x.closing:
	}
	x.err = exitError(x.cmd.Stop(), readErr)
	close(x.ended)
	x.cmd.Close()
	x.cmd.Stderr.Close()
}

// exitError returns why the command stopped. The text does not contain the
// command: peers see it on the card, and it may contain a password.
func exitError(waitErr, readErr error) error {
	switch {
	case waitErr != nil && readErr != nil:
		return fmt.Errorf("%w: %w: %w", errCommand, waitErr, readErr)
	case waitErr != nil:
		return fmt.Errorf("%w: %w", errCommand, waitErr)
	case readErr != nil:
		return fmt.Errorf("%w: %w", errCommand, readErr)
	}
	return fmt.Errorf("%w: exit status 0", errCommand)
}

// readFrames reads until the command closes its output. It reads at most at
// twice the configured rate: a command that plays a file does not pace itself.
func (x *execSource) readFrames() error {
	splitter := newFrameSplitter(x, x.counters)
	x.splitter = splitter
	step := time.Second / time.Duration(2*x.cfg.FPS)
	var next time.Time // when the next frame may be read
	pause := time.NewTimer(0)
	defer pause.Stop()
	for seq := uint64(1); ; seq++ {
		b, info, err := splitter.next()
		if err != nil {
			if reason := splitter.noFramesReason(errBrokenFrames); seq == 1 && reason != errNoJPEG {
				return reason
			}
			return nil
		}
		x.hasFrames.Store(true)
		f := jpegFrame(x.pool, b, info)
		f.Seq, f.Captured = seq, x.cfg.now()
		f.Arrived = f.Captured
		if old := x.newest.Swap(f); old != nil {
			old.Release()
			x.counters.countDropped(1)
		}
		if x.releaseIfClosing() {
			return nil
		}
		notify(x.ready)
		now := time.Now()
		if earliest := now.Add(-maxBurst * step); next.Before(earliest) {
			next = earliest
		}
		next = next.Add(step)
		pause.Reset(next.Sub(now))
		select {
		case <-pause.C:
		case <-x.closing:
		}
	}
}

// releaseIfClosing releases the newest frame if the source is being closed,
// because close may have looked for one already. It reports whether it is.
func (x *execSource) releaseIfClosing() bool {
	select {
	case <-x.closing:
		x.releaseNewest()
		return true
	default:
		return false
	}
}

func (x *execSource) releaseNewest() {
	if f := x.newest.Swap(nil); f != nil {
		f.Release()
	}
}

// Read implements io.Reader for the splitter.
func (x *execSource) Read(b []byte) (int, error) {
	if x.splitter != nil && x.splitter.broken() > 0 {
		x.isJPEG.Store(true) // after other bytes
	}
	n, err := x.cmd.Stdout.Read(b)
	if n > 1 && !x.hasOutput.Load() {
		x.isJPEG.Store(b[0] == 0xFF && b[1] == 0xD8)
	}
	if n > 0 {
		x.hasOutput.Store(true)
	}
	return n, err
}

// logMessages logs lines of the command's standard error.
func (x *execSource) logMessages() {
	lines := bufio.NewScanner(x.cmd.Stderr)
	for lines.Scan() {
		x.messages.add(x.log, time.Now(), lines.Text())
	}
	_, _ = io.Copy(io.Discard, x.cmd.Stderr) // after a line that is too long: a full pipe would block the command
}

func (x *execSource) info() sourceInfo {
	return sourceInfo{device: "exec:" + x.command, format: "mjpeg", fps: float64(x.cfg.FPS)}
}

func (x *execSource) next(wait time.Duration) (*frame.Frame, error) {
	x.timer.Reset(wait)
	defer x.timer.Stop()
	for {
		if f := x.newest.Swap(nil); f != nil {
			return f, nil
		}
		select {
		case <-x.ready:
		case <-x.woken:
			return nil, errWoken
		case <-x.timer.C:
			return nil, errTimeout
		case <-x.ended:
			if f := x.newest.Swap(nil); f != nil {
				return f, nil
			}
			return nil, x.err
		}
	}
}

func (x *execSource) restart() error        { return errors.ErrUnsupported }
func (x *execSource) lowRateReason() string { return "" }
func (x *execSource) wake()                 { notify(x.woken) }

// noFramesError distinguishes a command that writes another format: rpicam-vid
// writes H.264 by default.
func (x *execSource) noFramesError() error {
	if x.hasOutput.Load() && x.isJPEG.Load() && !x.hasFrames.Load() {
		return errBrokenFrames
	}
	if x.hasOutput.Load() && !x.hasFrames.Load() {
		return fmt.Errorf("%w: the command output is not MJPEG", errNoFrames)
	}
	return errNoFrames
}

// close ends the command before it closes the pipe: a command that lost its
// output may exit and leave descendants behind.
func (x *execSource) close() {
	close(x.closing)
	x.goroutines.Wait()
	x.cmd.Stdout.Close() // ends the reader
	select {
	case <-x.readerDone:
	case <-time.After(readerGrace):
	}
	x.releaseNewest()
}
