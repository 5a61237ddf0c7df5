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

// What xgb would log, such as the end of the connection, is told by errors.
func init() { xgb.Logger = log.New(io.Discard, "", 0) }

// Available says whether there is a display to try.
func Available() bool { return os.Getenv("DISPLAY") != "" }

// connect connects to a server, by $XAUTHORITY if that is needed. The net.Conn is for deadlines alone.
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
			return nil, nil, fmt.Errorf("%w: %s", ErrNoDisplay, strings.TrimSpace(r.err.Error())) // the server's words end with a newline
		}
		socket, err := socketOf(r.conn)
		if err != nil {
			r.conn.Close()
			return nil, nil, err
		}
		return r.conn, socket, nil
	case <-ctx.Done():
		// xgb connects without a context, and waits for a server that does not answer as long as that likes. The goroutine is
		// left to it: it holds nothing but the socket, which a failed greeting leaves to the garbage collector.
		return nil, nil, context.Cause(ctx)
	}
}

// socketOf gives the socket of a connection, which xgb keeps to itself. Without a deadline on it a server that is stopped
// would keep its clients for ever.
func socketOf(conn *xgb.Conn) (net.Conn, error) {
	field := reflect.ValueOf(conn).Elem().FieldByName("conn")
	if !field.IsValid() || field.Type() != reflect.TypeFor[net.Conn]() {
		return nil, fmt.Errorf("%w: this xgb has no socket", ErrNoDisplay)
	}
	return *(*net.Conn)(field.Addr().UnsafePointer()), nil
}
