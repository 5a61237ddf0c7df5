package window

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"reflect"
	"strings"

	"github.com/jezek/xgb"
)

// xgb logs to standard error, for example the end of the connection. This
// package reports these events as errors.
func init() { xgb.Logger = log.New(io.Discard, "", 0) }

// Available reports whether $DISPLAY names a display.
func Available() bool { return os.Getenv("DISPLAY") != "" }

// connect connects to a server and authenticates with $XAUTHORITY. The net.Conn
// is for deadlines only.
func connect(ctx context.Context, display string) (*xgb.Conn, net.Conn, error) {
	if display == "" && !Available() {
		return nil, nil, fmt.Errorf("%w: $DISPLAY is not set", ErrNoDisplay)
	}
	type result struct {
		conn *xgb.Conn
		err  error
	}
	results := make(chan result)
	go func() {
		conn, err := xgb.NewConnDisplay(display)
		select {
		case results <- result{conn, err}:
		case <-ctx.Done():
			if err == nil {
				conn.Close()
			}
		}
	}()
	select {
	case r := <-results:
		if r.err != nil {
			// The server's message ends with a newline.
			return nil, nil, fmt.Errorf("%w: %s", ErrNoDisplay, strings.TrimSpace(r.err.Error()))
		}
		socket, err := socketOf(r.conn)
		if err != nil {
			r.conn.Close()
			return nil, nil, err
		}
		return r.conn, socket, nil
	case <-ctx.Done():
		// xgb has no context, and waits forever for a server that does not
		// answer. The goroutine stays until then. It holds only the socket.
		return nil, nil, context.Cause(ctx)
	}
}

// socketOf returns the private socket of an xgb connection. Without a deadline
// on it, a write to a stopped server would block forever.
func socketOf(conn *xgb.Conn) (net.Conn, error) {
	field := reflect.ValueOf(conn).Elem().FieldByName("conn")
	if !field.IsValid() || field.Type() != reflect.TypeFor[net.Conn]() {
		return nil, fmt.Errorf("%w: xgb.Conn has no net.Conn", ErrNoDisplay)
	}
	return *(*net.Conn)(field.Addr().UnsafePointer()), nil
}
