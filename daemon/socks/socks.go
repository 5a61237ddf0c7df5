// Package socks connects through a SOCKS5 proxy, such as Tor or ssh -D.
//
// Guarantees:
//   - The proxy resolves the names: none is looked up here.
//   - The connection is the TCP connection to the proxy itself, so callers can
//     use what the kernel knows of it.
//   - Errors have no credentials.
//
// It starts no goroutines of its own.
package socks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/proxy"
)

// ErrURL means that a URL is not one of a SOCKS5 proxy.
var ErrURL = errors.New("must be socks5://HOST:PORT or socks5://USER:PASSWORD@HOST:PORT")

// Proxy is a SOCKS5 proxy.
type Proxy struct {
	address string
	auth    *proxy.Auth
}

// Parse parses socks5://[USER:PASSWORD@]HOST:PORT. Its error is ErrURL.
func Parse(text string) (*Proxy, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "socks5" || u.Hostname() == "" || u.Port() == "" || u.Opaque != "" ||
		u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, ErrURL // without err, which has the credentials
	}
	p := &Proxy{address: u.Host}
	if u.User != nil {
		password, _ := u.User.Password()
		p.auth = &proxy.Auth{User: u.User.Username(), Password: password}
		// RFC 1929: a length is one byte, and 0 is not allowed.
		if n := len(p.auth.User); n < 1 || n > 255 || len(password) < 1 || len(password) > 255 {
			return nil, ErrURL
		}
	}
	return p, nil
}

// Equal reports whether both are the same proxy, or both nil.
func (p *Proxy) Equal(x *Proxy) bool {
	if p == nil || x == nil {
		return p == x
	}
	return p.address == x.address && (p.auth == x.auth || p.auth != nil && x.auth != nil && *p.auth == *x.auth)
}

// Address returns HOST:PORT of the proxy, without credentials.
func (p *Proxy) Address() string { return p.address }

// dialWithConn is the part of the type behind proxy.SOCKS5 that uses an open
// connection. Its other methods wrap the connection.
type dialWithConn interface {
	DialWithConn(ctx context.Context, c net.Conn, network, address string) (net.Addr, error)
}

// Errors of Dial. A person reads their texts as they are: they name the proxy.
var (
	// ErrProxy means that the proxy itself is at fault: it is not reached,
	// wants a password, or does not speak SOCKS5.
	ErrProxy = errors.New("the proxy does not work")
	// ErrTarget means that the proxy works, but does not reach the address.
	ErrTarget = errors.New("the proxy does not reach the address")
)

// dialError has the words for people, and keeps its kind and cause for
// errors.Is. Its cause is no net.OpError: callers take the text of that.
type dialError struct {
	text        string
	kind, cause error
}

func (e *dialError) Error() string   { return e.text }
func (e *dialError) Unwrap() []error { return []error{e.kind, e.cause} }

// answerTimeout is how long the proxy may take to accept the connection, and
// again to send its first answer. It is near, and knows nothing of the address
// yet. Only what is behind it may need the whole time of the caller.
const answerTimeout = 5 * time.Second

// Dial connects to HOST:PORT through the proxy. forward connects to the proxy.
// It observes the deadline and the end of ctx. Its errors are ErrProxy or
// ErrTarget.
func (p *Proxy) Dial(ctx context.Context, forward func(ctx context.Context, network, address string) (net.Conn, error),
	address string) (net.Conn, error) {
	d, err := proxy.SOCKS5("tcp", p.address, p.auth, nil)
	if err != nil {
		return nil, p.unusable(err)
	}
	through, ok := d.(dialWithConn)
	if !ok {
		return nil, p.unusable(errors.ErrUnsupported)
	}
	connecting, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	conn, err := forward(connecting, "tcp", p.address)
	if err != nil {
		return nil, p.unreachable(err)
	}
	ctx, silent := context.WithCancelCause(ctx)
	defer silent(nil)
	counting := &countingConn{Conn: conn}
	counting.silence = time.AfterFunc(answerTimeout, func() { silent(os.ErrDeadlineExceeded) })
	defer counting.silence.Stop()
	if _, err := through.DialWithConn(ctx, counting, "tcp", address); err != nil {
		_ = conn.Close()
		if cause := context.Cause(ctx); errors.Is(err, context.Canceled) && cause != nil {
			err = cause
		}
		return nil, p.failed(address, err, counting.read)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		_ = conn.Close()
		return nil, p.unusable(err)
	}
	return conn, nil
}

// countingConn counts the bytes that the proxy has sent. Its first answer stops
// silence.
type countingConn struct {
	net.Conn
	silence *time.Timer
	read    int
}

func (c *countingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.read += n; c.read >= methodReply {
		c.silence.Stop()
	}
	return n, err
}

func (p *Proxy) unusable(err error) error {
	return &dialError{fmt.Sprintf("proxy %s: %v", p.address, err), ErrProxy, plain(err)}
}

// unreachable returns why the proxy was not reached.
func (p *Proxy) unreachable(err error) error {
	if isTimeout(err) {
		return &dialError{"no answer from proxy " + p.address, ErrProxy, plain(err)}
	}
	return &dialError{fmt.Sprintf("connect to proxy %s: %v", p.address, plain(err)), ErrProxy, plain(err)}
}

// methodReply is the size of the proxy's first answer (RFC 1928, section 3).
const methodReply = 2

// failed returns why a proxy that has sent so many bytes has not connected. The
// texts of package proxy are the only sign of what it has answered.
func (p *Proxy) failed(address string, err error, received int) error {
	cause := plain(err)
	text := cause.Error()
	reply, refused := strings.CutPrefix(text, "unknown error ")
	switch {
	case refused:
		return &dialError{fmt.Sprintf("proxy %s cannot reach %s: %s", p.address, address, replyText(reply)), ErrTarget,
			cause}
	case isTimeout(err) && received < methodReply:
		return &dialError{"no answer from proxy " + p.address, ErrProxy, cause}
	case isTimeout(err):
		return &dialError{fmt.Sprintf("proxy %s has not reached %s in time", p.address, address), ErrTarget, cause}
	case isClosed(err) && received >= methodReply: // also how some say that they cannot reach it
		return &dialError{fmt.Sprintf("proxy %s closed the connection to %s", p.address, address), ErrTarget, cause}
	case isClosed(err):
		return &dialError{fmt.Sprintf("proxy %s closed the connection", p.address), ErrProxy, cause}
	case strings.HasPrefix(text, "username/password authentication failed"):
		return &dialError{fmt.Sprintf("proxy %s refuses the user name or the password", p.address), ErrProxy, cause}
	case strings.HasPrefix(text, "no acceptable authentication methods") && p.auth != nil:
		return &dialError{fmt.Sprintf("proxy %s requires another way to log in", p.address), ErrProxy, cause}
	case strings.HasPrefix(text, "no acceptable authentication methods"):
		return &dialError{fmt.Sprintf("proxy %s requires a user name and a password", p.address), ErrProxy, cause}
	}
	return &dialError{fmt.Sprintf("%s does not answer as a SOCKS5 proxy", p.address), ErrProxy, cause}
}

// replyText returns the proxy's reason (RFC 1928, section 6) in words for
// people.
func replyText(reply string) string {
	switch reply {
	case "general SOCKS server failure":
		return "it gives no reason"
	case "connection not allowed by ruleset":
		return "its rules forbid it"
	case "network unreachable":
		return "network is unreachable"
	case "host unreachable":
		return "no route to host"
	case "TTL expired":
		return "no answer"
	}
	return reply // "connection refused" and others
}

// plain returns err without what repeats the address, and without the name of
// the system call. Package proxy wraps an OpError in another one.
func plain(err error) error {
	for {
		op, ok := errors.AsType[*net.OpError](err)
		if !ok {
			break
		}
		err = op.Err
	}
	if call, ok := err.(*os.SyscallError); ok {
		err = call.Err
	}
	return err
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE)
}
