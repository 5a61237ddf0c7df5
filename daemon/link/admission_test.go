package link

import (
	"net"
	"testing"
)

// fakeConn is a connection that only has a remote address and can be closed.
type fakeConn struct {
	net.Conn
	remote string
	closed bool
}

func (c *fakeConn) RemoteAddr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", c.remote)
	if err != nil {
		panic(err)
	}
	return a
}

func (c *fakeConn) Close() error { c.closed = true; return nil }

func TestAdmission_evicts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		remote []string
		kept   []bool
	}{
		{"no more than the limit", []string{"10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1"}, []bool{true, true, true}},
		{"the oldest of one address", []string{"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.1:4"},
			[]bool{false, true, true, true}},
		{"another address is kept", []string{"10.0.0.9:1", "10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.1:4"},
			[]bool{true, false, false, true, true}},
		{"an IPv4-mapped address is the same",
			[]string{"10.0.0.9:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:2", "10.0.0.2:3"},
			[]bool{true, false, true, true}},
		{"an IPv6 subnet is one source",
			[]string{"[2001:db8::9:0:0:1]:1", "[2001:db8::1]:1", "[2001:db8::2]:1", "[fe80::1%lo]:3"},
			[]bool{false, true, true, true}},
		{"all of different addresses", []string{"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"},
			[]bool{false, true, true, true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := admission{limit: 3}
			var conns []*fakeConn
			for _, remote := range tt.remote {
				c := &fakeConn{remote: remote}
				conns = append(conns, c)
				a.admit(c)
			}
			for i, c := range conns {
				if c.closed == tt.kept[i] {
					t.Errorf("connection %d from %s: got closed %v, want %v", i, c.remote, c.closed, !tt.kept[i])
				}
				a.release(c)
			}
			if n := len(a.pending); n != 0 {
				t.Errorf("after all were released: got %d pending, want 0", n)
			}
		})
	}
}
