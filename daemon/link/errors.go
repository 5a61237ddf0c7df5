package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"vchat/daemon/socks"
	"vchat/daemon/transport"
	"vchat/daemon/wire"
)

var (
	// ErrWrongIdentity means that the device at the peer's address has another
	// key than the configured one.
	ErrWrongIdentity = errors.New("peer key mismatch")
	// ErrRefused means that the peer does not accept this device; the text has
	// the reason.
	ErrRefused = errors.New("refused by the other device")
	// ErrDead means that the peer was silent for too long.
	ErrDead = transport.ErrDead
	// ErrSlow means that the peer does not read what is sent to it.
	ErrSlow = transport.ErrSlow
	// ErrClosed means that the connection was closed without a Bye.
	ErrClosed = errors.New("connection closed")

	// ErrTwin means that the peer is connected to another device with our key.
	ErrTwin = errors.New("another device has this device's id")

	errEvicted   = errors.New("evicted: too many connections")
	errTwin      = errors.New("another device with the same id has the call")
	errTooOften  = errors.New("peer connects too often")
	errReplaced  = errors.New("replaced by another connection")
	errForgotten = errors.New("peer removed from the configuration")
	errRenamed   = errors.New("peer renamed in the configuration")
	errShutdown  = errors.New(ShutdownText)
)

// ShutdownText is the text of the Bye of a device that shuts down.
const ShutdownText = "device is shutting down"

// ByeError is the Bye with which the peer ended the connection. It matches
// ErrRefused and wire.ErrVersion by its code.
type ByeError struct{ wire.Bye }

func (e *ByeError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("closed by the other device: %v", e.Code)
	}
	return "closed by the other device: " + e.Text
}

// Is reports whether the Bye's code stands for target.
func (e *ByeError) Is(target error) bool {
	switch e.Code {
	case wire.CodeUnknownDevice, wire.CodeWrongIdentity:
		return target == ErrRefused
	case wire.CodeSelfCall:
		return target == ErrRefused || target == ErrTwin
	case wire.CodeVersion:
		return target == wire.ErrVersion
	case wire.CodeReplaced:
		return target == errReplaced
	}
	return false
}

// isPermanent reports whether only a person can correct the cause of err.
func isPermanent(err error) bool {
	return errors.Is(err, ErrWrongIdentity) || errors.Is(err, ErrRefused) || errors.Is(err, wire.ErrVersion)
}

// classify wraps an error of reading or writing in one of the errors above.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrDead), errors.Is(err, ErrSlow):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return plainError{"no answer in time", err}
	case errors.Is(err, context.DeadlineExceeded):
		return plainError{"no answer", os.ErrDeadlineExceeded}
	case transport.IsClosed(err):
		return plainError{ErrClosed.Error(), errors.Join(ErrClosed, err)}
	}
	return err
}

// plainError has the words for people, and keeps the cause for errors.Is. The
// text of net.OpError has the ports of both ends, which differ each time.
type plainError struct {
	text  string
	cause error
}

func (e plainError) Error() string { return e.text }
func (e plainError) Unwrap() error { return e.cause }

// DialError returns why an address was not reached, in words for people:
// without what repeats the address, and without the name of the system call.
func DialError(name string, err error) error {
	if errors.Is(err, socks.ErrProxy) || errors.Is(err, socks.ErrTarget) {
		return err // it has those words
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err
	}
	if call := (*os.SyscallError)(nil); errors.As(err, &call) && error(call) == err {
		err = call.Err
	}
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return plainError{"no answer from " + name, errors.Join(os.ErrDeadlineExceeded, err)}
	}
	if transport.IsClosed(err) {
		return plainError{name + " closed the connection", errors.Join(ErrClosed, err)}
	}
	return fmt.Errorf("connect to %s: %w", name, err)
}

// logKey returns the kind of an error. It leaves out what differs between
// attempts, such as ports and times. Each kind is logged once.
func logKey(err error) string {
	var bye *ByeError
	if errors.As(err, &bye) {
		return bye.Code.String()
	}
	if errors.Is(err, socks.ErrProxy) || errors.Is(err, socks.ErrTarget) {
		return err.Error()
	}
	for _, e := range []error{ErrWrongIdentity, ErrDead, ErrSlow, ErrClosed, wire.ErrProtocol, errNotFoundThere} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return "no answer"
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return "name not resolved"
	}
	return err.Error()
}

// HandshakeError returns why the TLS handshake with an address failed, in words
// for people.
func HandshakeError(name string, err error) error {
	if timeout := net.Error(nil); transport.IsClosed(err) || errors.As(err, &timeout) && timeout.Timeout() {
		return DialError(name, err)
	}
	return fmt.Errorf("TLS handshake with %s: %w", name, err)
}

// writeError returns why a write to the peer failed. That the connection has
// ended says enough.
func (l *Link) writeError(what string, err error) error {
	if err = classify(err); errors.Is(err, ErrClosed) || errors.Is(err, ErrSlow) {
		return err
	}
	return fmt.Errorf("%s to %s: %w", what, l.Peer(), err)
}

// goodbye returns the Bye to send before a connection is closed because of err;
// nil if the peer has ended it or cannot be reached.
func goodbye(err error) *wire.Bye {
	var bye *ByeError
	switch {
	case errors.As(err, &bye), errors.Is(err, ErrDead), errors.Is(err, ErrClosed):
		return nil
	case errors.Is(err, errTwin):
		return &wire.Bye{Code: wire.CodeSelfCall, Text: twinByeText}
	case errors.Is(err, errReplaced):
		return &wire.Bye{Code: wire.CodeReplaced, Text: errReplaced.Error()}
	case errors.Is(err, errForgotten):
		return &wire.Bye{Code: wire.CodeUnknownDevice, Text: "your device was removed from the configuration"}
	case errors.Is(err, wire.ErrVersion):
		return newBye(wire.CodeVersion, err)
	case errors.Is(err, wire.ErrProtocol):
		return newBye(wire.CodeProtocol, err)
	case errors.Is(err, ErrSlow):
		return newBye(wire.CodeTooMany, err)
	}
	return newBye(wire.CodeShutdown, err)
}

func newBye(code wire.Code, err error) *wire.Bye {
	return &wire.Bye{Code: code, Text: wire.Sanitize(err.Error(), wire.MaxReason)}
}
