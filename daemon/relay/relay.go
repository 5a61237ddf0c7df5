// Package relay meets a peer at a transit relay of magic-wormhole: a public
// server that joins two connections with the same token.
//
//	Connect ── "please relay TOKEN for side SIDE\n" ──▶ relay
//	Await   ◀───────────────── "ok\n" ───────────────── when the peer is there
//	        ◀═══════ the bytes of the peer ═══════════▶
//
// Guarantees:
//   - Nothing is sent between the request and the answer: the relay would end
//     the connection.
//   - Of an answer at most 64 bytes are read, and none of what follows it.
//   - Whatever a relay does, it costs one connection: an answer that has begun
//     ends within two seconds, and a dead connection is noticed within ten.
//
// It starts no goroutines. PROTOCOL.md has the rules in section 15.
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// ErrRefused means that the relay does not accept the request.
	ErrRefused = errors.New("refused by relay")
	// ErrNoRelay means that something else answers at the address.
	ErrNoRelay = errors.New("not a transit relay")
	// ErrClosed means that the relay has closed the connection before the peer
	// was there.
	ErrClosed = errors.New("closed by relay")
)

const (
	maxAnswer     = 64              // bytes; the longest of the relay has 14
	answerTimeout = 2 * time.Second // from its first byte to its last
	writeTimeout  = 5 * time.Second

	// The relay may join the peer with a connection that is dead because this
	// device has got another public address. A probe makes the relay reset it.
	keepAliveIdle     = 2 * time.Second
	keepAliveInterval = time.Second
	keepAliveCount    = 5
	unackedTimeout    = 10 * time.Second
)

// Dial connects to HOST:PORT.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Connect connects to a relay and asks it to wait for the other side of token.
// The token has 64 hexadecimal digits and the side 16. The caller closes the
// connection.
func Connect(ctx context.Context, dial Dial, address, token, side string) (net.Conn, error) {
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		op := (*net.OpError)(nil)
		if !errors.As(err, &op) {
			return nil, err // its text says what has failed: the name, or a proxy
		}
		if op.Timeout() {
			return nil, noAnswerError{err}
		}
		return nil, fmt.Errorf("connect: %w", plain(op))
	}
	watchPeer(conn)
	_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := fmt.Fprintf(conn, "please relay %s for side %s\n", token, side); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%w: send request: %w", ErrClosed, plain(err))
	}
	_ = conn.SetWriteDeadline(time.Time{})
	return conn, nil
}

// plain returns err without the addresses, which the caller knows or which
// differ each time, and without the name of the system call.
func plain(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err
	}
	if call := (*os.SyscallError)(nil); errors.As(err, &call) {
		err = call.Err
	}
	return err
}

// noAnswerError is a timeout in words for people.
type noAnswerError struct{ cause error }

func (noAnswerError) Error() string   { return "no answer" }
func (e noAnswerError) Unwrap() error { return e.cause }

// watchPeer makes the kernel notice a dead connection on which nothing is sent.
func watchPeer(conn net.Conn) {
	t, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	_ = t.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
	})
	if raw, err := t.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unackedTimeout.Milliseconds()))
		})
	}
}

// Await waits until the relay has joined conn, from Connect, with the peer. It
// waits for any time; closing conn ends it. On an error the caller closes conn.
func Await(conn net.Conn) error {
	err := readAnswer(conn, func() { _ = conn.SetReadDeadline(time.Now().Add(answerTimeout)) })
	if err == nil {
		_ = conn.SetReadDeadline(time.Time{})
	}
	return err
}

// readAnswer reads the answer of a relay, and nothing after it. It calls begun
// after the first byte.
func readAnswer(r io.Reader, begun func()) error {
	const ok = "ok\n"
	var answer []byte
	one := make([]byte, 1)
	for len(answer) < maxAnswer {
		if _, err := io.ReadFull(r, one); err != nil {
			return answerError(string(answer), err)
		}
		if answer = append(answer, one[0]); len(answer) == 1 {
			begun()
		}
		if string(answer) == ok {
			return nil
		}
		if one[0] == '\n' {
			break
		}
	}
	return answerError(string(answer), nil)
}

// answerError returns what an answer means that is not ok, or that has ended
// with err.
func answerError(answer string, err error) error {
	text := strings.TrimSuffix(answer, "\n")
	switch {
	case answer == "" && (err == io.EOF || errors.Is(err, unix.ECONNRESET)):
		return ErrClosed
	case answer == "":
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			return noAnswerError{err} // to what watchPeer sends
		}
		return fmt.Errorf("wait at relay: %w", plain(err))
	case text == "impatient", text == "bad handshake":
		return fmt.Errorf("%w: %s", ErrRefused, text)
	}
	return fmt.Errorf("%w: it answers %q", ErrNoRelay, text)
}
