package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"vchat/daemon/transport"
	"vchat/daemon/wire"
)

var (
	// ErrWrongIdentity: the device at the peer's address has another key than the one that is known.
	ErrWrongIdentity = errors.New("the device there has another key than the one that is known")
	// ErrRefused: the other side does not accept us; the text says why.
	ErrRefused = errors.New("refused by the other side")
	// ErrDead: nothing was heard on the link for too long.
	ErrDead = transport.ErrDead
	// ErrSlow: the other side does not take what is sent to it.
	ErrSlow = transport.ErrSlow
	// ErrClosed: the other side closed the connection without a word.
	ErrClosed = errors.New("the connection was closed")

	errReplaced  = errors.New("another connection to the same peer was chosen")
	errForgotten = errors.New("the peer was taken out of the configuration")
	errRenamed   = errors.New("the peer has another name in the configuration now")
	errShutdown  = errors.New("this device stops")
)

// ByeError is the last word of the other side.
type ByeError struct{ wire.Bye }

func (e *ByeError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("the other side said goodbye (%v)", e.Code)
	}
	return "the other side says: " + e.Text
}

// Is makes a refusal of our key known as ErrRefused, and being replaced as what it is.
func (e *ByeError) Is(target error) bool {
	switch e.Code {
	case wire.CodeUnknownDevice, wire.CodeWrongIdentity, wire.CodeSelfCall:
		return target == ErrRefused
	case wire.CodeVersion:
		return target == wire.ErrVersion
	case wire.CodeReplaced:
		return target == errReplaced
	}
	return false
}

// classify turns what reading or writing a connection gave into one of the errors above, keeping the original.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrDead), errors.Is(err, ErrSlow):
		return err // a conn has said so already
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("no answer within %v: %w", handshakeTime, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer: %w", os.ErrDeadlineExceeded)
	case transport.IsClosed(err):
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return err
}

// cause names the kind of a failure without what differs from try to try (ports, times), so that it is logged once.
func cause(err error) string {
	var bye *ByeError
	if errors.As(err, &bye) {
		return bye.Code.String()
	}
	for _, e := range []error{ErrWrongIdentity, ErrDead, ErrSlow, ErrClosed, wire.ErrProtocol} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return "no answer"
	}
	var no syscall.Errno
	if errors.As(err, &no) {
		return no.Error()
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return "name not resolved"
	}
	return err.Error()
}

// farewell is what is said to the other side before a connection is closed because of err; nil when there is nobody to
// hear it or nothing to say.
func farewell(err error) *wire.Bye {
	var bye *ByeError
	switch {
	case errors.As(err, &bye), errors.Is(err, ErrDead), errors.Is(err, ErrClosed):
		return nil
	case errors.Is(err, errReplaced):
		return &wire.Bye{Code: wire.CodeReplaced, Text: errReplaced.Error()}
	case errors.Is(err, errForgotten):
		return &wire.Bye{Code: wire.CodeUnknownDevice, Text: "this device no longer knows yours"}
	case errors.Is(err, wire.ErrVersion):
		return words(wire.CodeVersion, err)
	case errors.Is(err, wire.ErrProtocol):
		return words(wire.CodeProtocol, err)
	case errors.Is(err, ErrSlow):
		return words(wire.CodeTooMany, err)
	}
	return words(wire.CodeShutdown, err)
}

func words(code wire.Code, err error) *wire.Bye {
	return &wire.Bye{Code: code, Text: wire.Sanitize(err.Error(), wire.MaxReason)}
}
