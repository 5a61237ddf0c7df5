package window

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jezek/xgb"
)

// xgb logs to standard error, for example the end of the connection. This
// package reports these events as errors.
func init() { xgb.Logger = log.New(io.Discard, "", 0) }

// Available reports whether $DISPLAY names a display.
func Available() bool { return os.Getenv("DISPLAY") != "" }

// connect connects to a server and authenticates with $XAUTHORITY. The net.Conn
// is for deadlines only. The end of ctx ends the attempt.
func connect(ctx context.Context, name string) (conn *xgb.Conn, socket net.Conn, err error) {
	if name == "" {
		name = os.Getenv("DISPLAY")
	}
	if name == "" {
		return nil, nil, fmt.Errorf("%w: $DISPLAY is not set", ErrNoDisplay)
	}
	d, err := parseDisplay(name)
	if err != nil {
		return nil, nil, err
	}
	socket, err = new(net.Dialer).DialContext(ctx, d.network, d.address)
	if err == nil {
		stop := context.AfterFunc(ctx, func() { _ = socket.Close() })
		conn, err = setUp(&serverConn{Conn: socket, request: setupRequest(d.cookie())})
		stop()
	}
	if ctx.Err() != nil {
		if conn != nil {
			conn.Close()
		}
		return nil, nil, context.Cause(ctx)
	}
	if err != nil {
		if socket != nil {
			_ = socket.Close()
		}
		// The server's message ends with a newline.
		return nil, nil, fmt.Errorf("%w: %s: %s", ErrNoDisplay, name, strings.TrimSpace(err.Error()))
	}
	conn.DefaultScreen = d.screen
	return conn, socket, nil
}

// setUp begins the protocol.
func setUp(c *serverConn) (conn *xgb.Conn, err error) {
	defer recoverProtocol(&err)
	return xgb.NewConnNet(c)
}

// recoverProtocol turns a panic of xgb, which does not check the lengths inside
// a reply, into an error. It is deferred wherever xgb parses one.
func recoverProtocol(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: invalid answer", ErrNoDisplay)
	}
}

// display is what X(7) calls a display name.
type display struct {
	network, address string // of the server
	host, number     string
	screen           int
}

func parseDisplay(name string) (d display, err error) {
	invalid := fmt.Errorf("%w: invalid display name %q", ErrNoDisplay, name)
	i := strings.LastIndexByte(name, ':')
	if i < 0 {
		return d, invalid
	}
	number, screen, hasScreen := strings.Cut(name[i+1:], ".")
	n, err := strconv.ParseUint(number, 10, 15)
	if err != nil {
		return d, invalid
	}
	if d.screen, err = strconv.Atoi(screen); hasScreen && (err != nil || d.screen < 0) {
		return d, invalid
	}
	d.number = strconv.FormatUint(n, 10)
	protocol, host, hasProtocol := strings.Cut(name[:i], "/")
	switch {
	case name[0] == '/':
		d.network, d.address = "unix", name[:i]+":"+number
	case name[:i] == "", name[:i] == "unix":
		d.network, d.address = "unix", "/tmp/.X11-unix/X"+d.number
	case hasProtocol:
		d.network, d.host = protocol, host
	default:
		d.network, d.host = "tcp", name[:i]
	}
	if d.address == "" {
		d.address = net.JoinHostPort(strings.Trim(d.host, "[]"), strconv.FormatUint(6000+n, 10))
	}
	return d, nil
}

const (
	cookieName   = "MIT-MAGIC-COOKIE-1"
	maxAuthority = 1 << 20 // bytes
)

// cookie returns the secret for a display from $XAUTHORITY; nil if there is
// none.
func (d display) cookie() []byte {
	path := os.Getenv("XAUTHORITY")
	if path == "" {
		path = filepath.Join(os.Getenv("HOME"), ".Xauthority")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, maxAuthority))
	host := d.host
	if host == "" || host == "localhost" {
		host, _ = os.Hostname()
	}
	return findCookie(b, host, d.number)
}

// findCookie reads an authority file, Xau(3): entries of the family of the
// address, and four strings.
func findCookie(b []byte, host, number string) []byte {
	const familyLocal, familyWild = 256, 65535
	for len(b) >= 2 {
		family := binary.BigEndian.Uint16(b)
		b = b[2:]
		var fields [4][]byte // address, number, name, data
		for i := range fields {
			if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
				return nil
			}
			n := 2 + int(binary.BigEndian.Uint16(b))
			fields[i], b = b[2:n], b[n:]
		}
		if (family == familyWild || family == familyLocal && string(fields[0]) == host) &&
			(len(fields[1]) == 0 || string(fields[1]) == number) && string(fields[2]) == cookieName {
			return fields[3]
		}
	}
	return nil
}

// setupRequest returns the first message of a client, in little-endian order as
// all messages of xgb.
func setupRequest(cookie []byte) []byte {
	b := []byte{'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	if len(cookie) > 0 {
		pad := func(n int) []byte { return make([]byte, (4-n%4)%4) }
		binary.LittleEndian.PutUint16(b[6:], uint16(len(cookieName)))
		binary.LittleEndian.PutUint16(b[8:], uint16(len(cookie)))
		b = append(append(b, cookieName...), pad(len(cookieName))...)
		b = append(append(b, cookie...), pad(len(cookie))...)
	}
	return b
}

// serverConn is the connection as xgb sees it. It writes our first message in
// place of xgb's, which knows no display name. It ends the connection when a
// message is longer than an honest one, or is cut: xgb would allocate up to
// 16 GiB for it, or panic in a goroutine of its own.
type serverConn struct {
	net.Conn
	request []byte // nil after it was written
	begun   bool   // the server's first message has come
	head    []byte // of the present message; checked, but not read yet
	rest    int    // bytes of the present message after the head
}

// maxReply is the longest message of a server after the first one, in bytes. A
// keyboard mapping has 256 kB, a property 16 kB.
const maxReply = 1 << 20

var errProtocol = errors.New("invalid answer")

// Write implements net.Conn.
func (c *serverConn) Write(b []byte) (int, error) {
	if request := c.request; request != nil {
		c.request = nil
		_, err := c.Conn.Write(request)
		return len(b), err
	}
	return c.Conn.Write(b)
}

// Read implements net.Conn.
func (c *serverConn) Read(b []byte) (int, error) {
	if len(c.head) == 0 && c.rest == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if len(c.head) > 0 {
		n := copy(b, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	n, err := c.Conn.Read(b[:min(len(b), c.rest)])
	c.rest -= n
	return n, err
}

// next reads the head of a message.
func (c *serverConn) next() error {
	const (
		refused, accepted = 0, 1  // in the first message
		reply, generic    = 1, 35 // after it
		setupFixed        = 32    // bytes of an accepted setup after its head, without lists
		longestReason     = 240
	)
	first := !c.begun
	c.begun = true
	if first {
		c.head = make([]byte, 8)
	} else {
		c.head = make([]byte, 32)
	}
	if _, err := io.ReadFull(c.Conn, c.head); err != nil {
		c.head = nil
		return err
	}
	little := binary.LittleEndian
	if first {
		c.rest = int(little.Uint16(c.head[6:])) * 4
		if c.head[0] == accepted && c.rest >= setupFixed ||
			c.head[0] == refused && int(c.head[1]) <= min(c.rest, longestReason) {
			return nil
		}
	} else {
		length := little.Uint32(c.head[4:])
		if kind := c.head[0]; kind != reply && kind&0x7f != generic {
			return nil
		}
		if c.head[0] == reply && length <= maxReply/4 {
			c.rest = int(length) * 4
			return nil
		}
	}
	c.head = nil
	return errProtocol
}
