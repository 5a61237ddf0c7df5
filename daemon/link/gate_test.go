package link

import (
	"net"
	"testing"
)

// visit is a connection that only knows where it comes from and whether it was closed.
type visit struct {
	net.Conn
	from   string
	closed bool
}

func (v *visit) RemoteAddr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", v.from)
	if err != nil {
		panic(err)
	}
	return a
}

func (v *visit) Close() error { v.closed = true; return nil }

func TestTheCrowdMakesRoom(t *testing.T) {
	for _, tt := range []struct {
		name  string
		from  []string
		stays []bool
	}{
		{"room for all", []string{"10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1"}, []bool{true, true, true}},
		{"the oldest of one address", []string{"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.1:4"}, []bool{false, true, true, true}},
		{"who comes from elsewhere stays", []string{"10.0.0.9:1", "10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.1:4"},
			[]bool{true, false, false, true, true}},
		{"a mapped address is the same", []string{"10.0.0.9:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:2", "10.0.0.2:3"},
			[]bool{true, false, true, true}},
		{"a household is one in IPv6", []string{"[2001:db8::9:0:0:1]:1", "[2001:db8::1]:1", "[2001:db8::2]:1", "[fe80::1%lo]:3"},
			[]bool{false, true, true, true}},
		{"all from different places", []string{"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"}, []bool{false, true, true, true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := gate{max: 3}
			var all []*visit
			for _, from := range tt.from {
				v := &visit{from: from}
				all = append(all, v)
				g.enter(v)
			}
			for i, v := range all {
				if v.closed == tt.stays[i] {
					t.Errorf("%d, from %s: closed %v, want %v", i, v.from, v.closed, !tt.stays[i])
				}
				g.leave(v)
			}
			if len(g.waiting) != 0 {
				t.Errorf("%d are still at the gate", len(g.waiting))
			}
		})
	}
}
