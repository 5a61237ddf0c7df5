package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// ErrGone is returned for commands whose guest has ended.
var ErrGone = errors.New("agent: the guest is gone")

// An ExitError is a command that ended otherwise than with exit status 0.
type ExitError struct {
	Code   int // -1: ended by a signal, or it could not be run
	Reason string
}

func (e *ExitError) Error() string {
	if e.Reason != "" {
		return e.Reason
	}
	if e.Code < 0 {
		return "ended by a signal"
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// A Client is the host's side. Its methods may be called from several goroutines.
type Client struct {
	out   *sender
	ready chan struct{} // closed at the guest's first message
	gone  chan struct{} // closed when the stream has ended; err is set before
	err   error

	mu       sync.Mutex
	last     uint32
	commands map[uint32]*running
}

type running struct {
	stdout, stderr io.Writer
	exit           chan exit // of one
}

// NewClient speaks over stream, which it reads until it ends; the caller ends it by closing the stream, and Wait tells
// when the client's goroutine has ended.
func NewClient(stream io.ReadWriter) *Client {
	c := &Client{out: &sender{w: stream}, ready: make(chan struct{}), gone: make(chan struct{}), commands: make(map[uint32]*running)}
	go func() {
		c.err = c.read(bufio.NewReaderSize(stream, maxData))
		close(c.gone)
	}()
	return c
}

// Ready waits until the guest listens.
func (c *Client) Ready(ctx context.Context) error {
	select {
	case <-c.ready:
		return nil
	case <-c.gone:
		return fmt.Errorf("%w: %w", ErrGone, c.err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Wait returns when the stream has ended and the client's goroutine with it.
func (c *Client) Wait() { <-c.gone }

// Run runs a command to its end. When ctx ends it is killed, with all that it started, and Run returns ctx's cause.
// Output goes to stdout and stderr as it comes, nil discards it; a writer that blocks holds up every command.
// Errors: *ExitError, ErrGone, ErrProtocol (too much input), ctx's.
func (c *Client) Run(ctx context.Context, cmd Command, stdout, stderr io.Writer) error {
	r := &running{stdout: discardNil(stdout), stderr: discardNil(stderr), exit: make(chan exit, 1)}
	c.mu.Lock()
	c.last++
	number := c.last
	c.commands[number] = r
	c.mu.Unlock()
	if err := c.out.sendJSON(number, kindStart, cmd); errors.Is(err, ErrProtocol) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	var cause error
	done := ctx.Done()
	for {
		select {
		case e := <-r.exit:
			if cause != nil {
				return cause
			}
			if e.Code != 0 || e.Error != "" {
				return &ExitError{Code: e.Code, Reason: e.Error}
			}
			return nil
		case <-c.gone:
			return fmt.Errorf("%w: %w", ErrGone, c.err)
		case <-done:
			cause, done = context.Cause(ctx), nil
			if err := c.out.send(number, kindKill, nil); err != nil {
				return fmt.Errorf("%w: %w", ErrGone, err)
			}
		}
	}
}

func discardNil(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

func (c *Client) read(r io.Reader) error {
	for {
		m, err := receive(r)
		if err != nil {
			return err
		}
		if m.kind == kindReady {
			select {
			case <-c.ready:
				return fmt.Errorf("%w: the guest began anew", ErrProtocol)
			default:
				close(c.ready)
			}
			continue
		}
		c.mu.Lock()
		cmd := c.commands[m.number]
		c.mu.Unlock()
		if cmd == nil {
			return fmt.Errorf("%w: message for unknown command %d", ErrProtocol, m.number)
		}
		switch m.kind {
		case kindOutput:
			_, err = cmd.stdout.Write(m.data)
		case kindErrors:
			_, err = cmd.stderr.Write(m.data)
		case kindExit:
			var e exit
			err = json.Unmarshal(m.data, &e)
			c.mu.Lock()
			delete(c.commands, m.number)
			c.mu.Unlock()
			cmd.exit <- e
		default:
			err = fmt.Errorf("%w: kind %d from the guest", ErrProtocol, m.kind)
		}
		if err != nil {
			return err
		}
	}
}
