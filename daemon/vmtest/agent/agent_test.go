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

// pair returns a client of a served stream; both have ended when the test ends.
func pair(t *testing.T) *Client {
	t.Helper()
	host, guest := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- Serve(guest) }()
	c := NewClient(host)
	t.Cleanup(func() {
		host.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v, want nil at the end of the stream", err)
		}
		c.Wait()
	})
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func sh(script string) Command { return Command{Args: []string{"sh", "-c", script}} }

func with(c Command, stdin string) Command { c.Stdin = []byte(stdin); return c }

func TestRun(t *testing.T) {
	c := pair(t)
	for _, tt := range []struct {
		name, stdin, stdout, stderr string
		cmd                         Command
		code                        int
	}{
		{name: "output", cmd: sh("echo out; echo err >&2"), stdout: "out\n", stderr: "err\n"},
		{name: "input", cmd: sh("cat"), stdin: strings.Repeat("x", 100_000), stdout: strings.Repeat("x", 100_000)},
		{name: "input that nobody reads", cmd: sh("exec <&-; echo done"), stdin: strings.Repeat("x", 100_000), stdout: "done\n"},
		{name: "environment", cmd: Command{Args: []string{"sh", "-c", "echo $A"}, Env: []string{"A=b"}}, stdout: "b\n"},
		{name: "exit status", cmd: sh("exit 7"), code: 7},
		{name: "a signal", cmd: sh("kill -9 $$"), code: -1},
		{name: "no such program", cmd: Command{Args: []string{"/nowhere/at/all"}}, code: -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			err := c.Run(t.Context(), with(tt.cmd, tt.stdin), &stdout, &stderr)
			var e *ExitError
			if code := 0; err != nil && (!errors.As(err, &e) || e.Code != tt.code) || err == nil && tt.code != code {
				t.Errorf("Run = %v, want exit status %d", err, tt.code)
			}
			if stdout.String() != tt.stdout || stderr.String() != tt.stderr {
				t.Errorf("stdout %.40q, stderr %.40q; want %.40q, %.40q", &stdout, &stderr, tt.stdout, tt.stderr)
			}
		})
	}
}

func TestRunAtOnce(t *testing.T) {
	c := pair(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			var stdout bytes.Buffer
			if err := c.Run(t.Context(), with(sh("cat; echo end"), "in "), &stdout, nil); err != nil || stdout.String() != "in end\n" {
				t.Errorf("Run = %v, stdout %q", err, &stdout)
			}
		})
	}
	all.Wait()
}

// lines tells of each write.
type lines chan string

func (l lines) Write(p []byte) (int, error) { l <- string(p); return len(p), nil }

func TestCancelKillsTheWholeGroup(t *testing.T) {
	c := pair(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	out := make(lines, 1)
	go func() { <-out; cancel(stop) }()
	// The child holds the output open: Run would not return if it lived on.
	if err := c.Run(ctx, sh("sleep 1000 & echo started; wait"), out, nil); !errors.Is(err, stop) {
		t.Errorf("Run = %v, want %v", err, stop)
	}
}

func TestRunWhenTheGuestIsGone(t *testing.T) {
	host, guest := net.Pipe()
	c := NewClient(host)
	guest.Close()
	c.Wait()
	if err := c.Ready(t.Context()); !errors.Is(err, ErrGone) {
		t.Errorf("Ready = %v, want ErrGone", err)
	}
	if err := c.Run(t.Context(), sh("true"), nil, nil); !errors.Is(err, ErrGone) {
		t.Errorf("Run = %v, want ErrGone", err)
	}
	host.Close()
}

func TestReceiveRefuses(t *testing.T) {
	for name, b := range map[string]string{
		"a huge length":   "\x00\x00\x00\x01\x02\xff\xff\xff\xff",
		"an unknown kind": "\x00\x00\x00\x01\x63\x00\x00\x00\x00",
	} {
		if m, err := receive(strings.NewReader(b)); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: receive = %v, %v; want ErrProtocol", name, m, err)
		}
	}
}
