package resolve

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"testing"
)

// avahi answers one question with this line.
func avahi(t *testing.T, answer string) (socket string, asked func() string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "avahi")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	questions := make(chan string, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		line, _ := bufio.NewReader(c).ReadString('\n')
		questions <- line
		_, _ = c.Write([]byte(answer))
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return socket, func() string { return <-questions }
}

func TestNamesInLocalAreAvahis(t *testing.T) {
	for _, tt := range []struct {
		name, answer, want string
		v4                 bool
	}{
		{"IPv4", "+ 2 0 workshop.local 192.168.1.20\n", "192.168.1.20", true},
		{"IPv6", "+ 2 1 workshop.local fd00::7\n", "fd00::7", false},
		{"link-local", "+ 3 1 workshop.local fe80::1\n", "fe80::1%3", false},
		{"the other family", "+ 2 0 workshop.local 192.168.1.20\n", "", false},
		{"unknown", "-15 Timeout reached\n", "", true},
		{"nonsense", "+ 2 0 workshop.local /etc/passwd\n", "", true},
		{"silence", "", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			socket, asked := avahi(t, tt.answer)
			got, err := askAvahi(context.Background(), socket, "workshop.local", tt.v4)
			if (err == nil) != (tt.want != "") || err == nil && got.String() != tt.want {
				t.Errorf("got %v, %v; want %q", got, err, tt.want)
			}
			if q, want := asked(), fmt.Sprintf("RESOLVE-HOSTNAME-IPV%d workshop.local\n", map[bool]int{true: 4, false: 6}[tt.v4]); q != want {
				t.Errorf("asked %q, want %q", q, want)
			}
		})
	}
	if _, err := askAvahi(context.Background(), "/nonexistent", "a b.local", true); err == nil {
		t.Error("a name with a space was asked for")
	}
}
