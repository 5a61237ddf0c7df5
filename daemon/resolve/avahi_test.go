package resolve

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"testing"
)

// fakeAvahi answers one query with a line. queried returns the query.
func fakeAvahi(t *testing.T, answer string) (socket string, queried func() string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "avahi")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	queries := make(chan string, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		line, _ := bufio.NewReader(c).ReadString('\n')
		queries <- line
		_, _ = c.Write([]byte(answer))
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return socket, func() string { return <-queries }
}

func TestQueryAvahi(t *testing.T) {
	for _, tt := range []struct {
		name, answer, want string
		v4                 bool
	}{
		{"IPv4", "+ 2 0 workshop.local 192.168.1.20\n", "192.168.1.20", true},
		{"IPv6", "+ 2 1 workshop.local fd00::7\n", "fd00::7", false},
		{"link-local", "+ 3 1 workshop.local fe80::1\n", "fe80::1%3", false},
		{"the other family", "+ 2 0 workshop.local 192.168.1.20\n", "", false},
		{"unknown name", "-15 Timeout reached\n", "", true},
		{"malformed address", "+ 2 0 workshop.local /etc/passwd\n", "", true},
		{"no answer", "", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			socket, queried := fakeAvahi(t, tt.answer)
			got, err := queryAvahi(context.Background(), socket, "workshop.local", tt.v4)
			if (err == nil) != (tt.want != "") || err == nil && got.String() != tt.want {
				t.Errorf("got %v, %v; want %q", got, err, tt.want)
			}
			family := map[bool]int{true: 4, false: 6}[tt.v4]
			want := fmt.Sprintf("RESOLVE-HOSTNAME-IPV%d workshop.local\n", family)
			if q := queried(); q != want {
				t.Errorf("query: got %q, want %q", q, want)
			}
		})
	}
	if _, err := queryAvahi(context.Background(), "/nonexistent", "a b.local", true); err == nil {
		t.Error("a name with a space: got no error, want one")
	}
}
