package control

import (
	"net"
	"path/filepath"
	"testing"

	"vchat/daemon/connlimit"
)

// newConn returns the server's end of a connection.
func newConn(t *testing.T, uid int) *conn {
	t.Helper()
	inner, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	l := connlimit.New(inner, 1, byUser)
	t.Cleanup(func() { l.Close() })
	other, err := net.Dial("unix", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &conn{limited: c.(*connlimit.Conn), client: client{uid: uid}}
}

func TestPlaces(t *testing.T) {
	var ps places
	root, alice, bob, carol := newConn(t, 0), newConn(t, 1000), newConn(t, 1001), newConn(t, 1002)
	fill := func(c *conn, p place) (n int, release func()) {
		t.Helper()
		for {
			r, err := ps.take(c, p)
			if err != nil {
				return n, release
			}
			release = r
			n++
		}
	}
	for p := range placeKinds {
		limit := placeLimits[p]
		n, release := fill(alice, p)
		if n != limit.user {
			t.Errorf("kind %d: one user got %d places, want %d", p, n, limit.user)
		}
		if n, _ := fill(bob, p); n != limit.others-limit.user {
			t.Errorf("kind %d: another user got %d places, want the other %d", p, n, limit.others-limit.user)
		}
		if n, _ := fill(carol, p); n != 0 {
			t.Errorf("kind %d: a third user got %d places, want none", p, n)
		}
		if n, _ := fill(root, p); n != limit.user {
			t.Errorf("kind %d: root got %d places, want %d", p, n, limit.user)
		}
		release()
		if n, _ := fill(carol, p); n != 1 {
			t.Errorf("kind %d: after a release, a user got %d places, want 1", p, n)
		}
	}
	total := 0
	for _, l := range placeLimits {
		total += l.others + l.user
	}
	if total >= maxConns {
		t.Errorf("all places need %d of %d connections, want fewer", total, maxConns)
	}
}
