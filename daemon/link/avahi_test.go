package link

import (
	"bufio"
	"context"
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
	for _, tt := range []struct{ name, answer, want string }{
		{"IPv4", "+ 2 0 workshop.local 192.168.1.20\n", "192.168.1.20:7450"},
		{"IPv6", "+ 2 1 workshop.local fd00::7\n", "[fd00::7]:7450"},
		{"link-local", "+ 3 1 workshop.local fe80::1\n", "[fe80::1%3]:7450"},
		{"unknown", "-15 Timeout reached\n", "workshop.local:7450"},
		{"nonsense", "+ 2 0 workshop.local /etc/passwd\n", "workshop.local:7450"},
		{"silence", "", "workshop.local:7450"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			socket, asked := avahi(t, tt.answer)
			if got := locate(context.Background(), socket, "workshop.local:7450"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if q := asked(); q != "RESOLVE-HOSTNAME workshop.local\n" {
				t.Errorf("asked %q", q)
			}
		})
	}
	for _, other := range []string{"192.168.1.20:7450", "workshop:7450", "workshop.lan:7450", "a b.local:7450"} {
		if got := locate(context.Background(), "/nonexistent", other); got != other {
			t.Errorf("%q became %q", other, got)
		}
	}
}
