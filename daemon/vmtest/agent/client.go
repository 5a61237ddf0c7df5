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

// ErrGone is the error of commands whose guest has ended.
var ErrGone = errors.New("agent: the guest has ended")

// An ExitError is the error of a command that did not exit with status 0.
type ExitError struct {
	Code   int    // -1: a signal ended it, or it did not run
	Reason string // why it did not run
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

// A Client is the host's side. It is safe for concurrent use.
type Client struct {
	out   *sender
	ready chan struct{} // closed by the guest's first message
	gone  chan struct{} // closed at the end of the stream
	err   error         // why the stream ended; set before gone is closed

	mu       sync.Mutex
	last     uint32
	commands map[uint32]*running
}

type running struct {
	stdout, stderr io.Writer
	exit           chan exit // buffer: 1
}

// NewClient starts a client that reads stream to its end. To end it, close the
// stream, then call Wait.
func NewClient(stream io.ReadWriter) *Client {
	c := &Client{
		out:      &sender{w: stream},
		ready:    make(chan struct{}),
		gone:     make(chan struct{}),
		commands: make(map[uint32]*running),
	}
	go func() {
		c.err = c.read(bufio.NewReaderSize(stream, maxData))
		close(c.gone)
	}()
	return c
}

// Ready waits until the guest accepts commands.
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

// Wait waits for the end of the stream and of the client's goroutine.
func (c *Client) Wait() { <-c.gone }

// Run runs a command to its end. When ctx ends, Run kills the command with its
// children and returns the cause of ctx.
//
// Run writes the output to stdout and stderr as it arrives, and discards it
// where they are nil. A writer that blocks blocks every command.
//
// The errors are *ExitError, ErrGone, ErrProtocol (too much input) and the
// cause of ctx.
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
				return fmt.Errorf("%w: second ready message", ErrProtocol)
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
