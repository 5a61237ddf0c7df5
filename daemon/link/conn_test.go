package link

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// crypto/tls gives its close_notify five seconds, which a device that stops does not have.
func TestNothingMovesTheLastDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe() // writing blocks until somebody reads
		defer there.Close()
		c := newConn(here)
		defer c.Close()
		c.watch()
		began := time.Now()
		c.endBy(began.Add(farewellTime))
		_ = c.SetWriteDeadline(began.Add(5 * time.Second))
		for _, op := range []func([]byte) (int, error){c.Write, c.Read} {
			if _, err := op(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%v, want the deadline exceeded", err)
			}
		}
		if d := time.Since(began); d != farewellTime {
			t.Errorf("it took %v, want %v", d, farewellTime)
		}
	})
}
