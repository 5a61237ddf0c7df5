package agent

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"vchat/daemon/daemontest/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// startClient returns a client of a stream that Serve serves. Both end with the
// test.
func startClient(t *testing.T) *Client {
	t.Helper()
	host, guest := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- Serve(guest) }()
	c := NewClient(host)
	t.Cleanup(func() {
		host.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve at the end of the stream: got %v, want nil", err)
		}
		c.Wait()
	})
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func sh(script string) Command { return Command{Args: []string{"sh", "-c", script}} }

func withStdin(c Command, stdin string) Command { c.Stdin = []byte(stdin); return c }

func TestClient_Run(t *testing.T) {
	c := startClient(t)
	long := strings.Repeat("x", 100_000)
	for _, tt := range []struct {
		name, stdin, stdout, stderr string
		cmd                         Command
		code                        int
	}{
		{name: "output", cmd: sh("echo out; echo err >&2"), stdout: "out\n", stderr: "err\n"},
		{name: "input", cmd: sh("cat"), stdin: long, stdout: long},
		{name: "unread input", cmd: sh("exec <&-; echo done"), stdin: long, stdout: "done\n"},
		{name: "environment", cmd: Command{Args: []string{"sh", "-c", "echo $A"}, Env: []string{"A=b"}}, stdout: "b\n"},
		{name: "exit status", cmd: sh("exit 7"), code: 7},
		{name: "signal", cmd: sh("kill -9 $$"), code: -1},
		{name: "no such program", cmd: Command{Args: []string{"/nowhere/at/all"}}, code: -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			err := c.Run(t.Context(), withStdin(tt.cmd, tt.stdin), &stdout, &stderr)
			var e *ExitError
			if code := 0; err != nil && (!errors.As(err, &e) || e.Code != tt.code) || err == nil && tt.code != code {
				t.Errorf("got error %v, want exit status %d", err, tt.code)
			}
			if stdout.String() != tt.stdout || stderr.String() != tt.stderr {
				t.Errorf("got stdout %.40q and stderr %.40q, want %.40q and %.40q",
					&stdout, &stderr, tt.stdout, tt.stderr)
			}
		})
	}
}

func TestClient_Run_concurrent(t *testing.T) {
	c := startClient(t)
	var runs sync.WaitGroup
	for range 8 {
		runs.Go(func() {
			var stdout bytes.Buffer
			err := c.Run(t.Context(), withStdin(sh("cat; echo end"), "in "), &stdout, nil)
			if err != nil || stdout.String() != "in end\n" {
				t.Errorf("got error %v and stdout %q, want nil and %q", err, &stdout, "in end\n")
			}
		})
	}
	runs.Wait()
}

// A writeChan receives each write.
type writeChan chan string

func (c writeChan) Write(p []byte) (int, error) { c <- string(p); return len(p), nil }

func TestClient_Run_cancelKillsChildren(t *testing.T) {
	c := startClient(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	want := errors.New("canceled by the test")
	out := make(writeChan, 1)
	go func() { <-out; cancel(want) }()
	// The child keeps the output open: Run returns only after its death.
	if err := c.Run(ctx, sh("sleep 1000 & echo started; wait"), out, nil); !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

func TestClient_guestGone(t *testing.T) {
	host, guest := net.Pipe()
	c := NewClient(host)
	guest.Close()
	c.Wait()
	if err := c.Ready(t.Context()); !errors.Is(err, ErrGone) {
		t.Errorf("Ready: got %v, want ErrGone", err)
	}
	if err := c.Run(t.Context(), sh("true"), nil, nil); !errors.Is(err, ErrGone) {
		t.Errorf("Run: got %v, want ErrGone", err)
	}
	host.Close()
}

func TestReceive_invalid(t *testing.T) {
	for _, tt := range []struct{ name, head string }{
		{"huge length", "\x00\x00\x00\x01\x02\xff\xff\xff\xff"},
		{"unknown kind", "\x00\x00\x00\x01\x63\x00\x00\x00\x00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if m, err := receive(strings.NewReader(tt.head)); !errors.Is(err, ErrProtocol) {
				t.Errorf("got %v, %v, want ErrProtocol", m, err)
			}
		})
	}
}
