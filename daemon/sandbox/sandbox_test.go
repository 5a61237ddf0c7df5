package sandbox

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if code, isRunner := Main(os.Args); isRunner {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// noSocket is where no systemd listens: tests use namespaces, on any machine.
const noSocket = "/nonexistent/socket"

// startTest starts a command in namespaces.
func startTest(t *testing.T, command string, hidden ...string) *Command {
	t.Helper()
	c, err := start(noSocket, command, hidden)
	if errors.Is(err, ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// output runs a command to its end and returns its output.
func output(t *testing.T, command string, hidden ...string) string {
	t.Helper()
	c := startTest(t, command, hidden...)
	defer c.Stderr.Close()
	defer c.Stdout.Close()
	b, err := io.ReadAll(c.Stdout)
	if err != nil {
		t.Error(err)
	}
	messages, _ := io.ReadAll(c.Stderr)
	if len(messages) > 0 {
		t.Logf("standard error: %s", messages)
	}
	_ = c.Stop()
	c.Close()
	return string(b)
}

// A hostile command tries to reach the state, the control socket and the
// daemon, which is this process. Each line that it prints is a success.
func TestStart_hostile(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	link := filepath.Join(dir, "link")
	key := filepath.Join(state, "identity.key")
	if err := errors.Join(os.Mkdir(state, 0o700), os.WriteFile(key, []byte("secret"), 0o600),
		os.Symlink("state", link)); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "control.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Chdir(state) // the daemon's own directory is hidden, too
	pid := os.Getpid()
	for name, try := range map[string]string{
		"read the key":                 "cat " + key,
		"read the key by a link":       "cat " + link + "/identity.key",
		"read the key in the cwd":      "cat identity.key ./identity.key; cat /proc/self/cwd/identity.key",
		"read the key by another root": fmt.Sprintf("cat /proc/1/root%s /proc/%d/root%[1]s", key, pid),
		"list the state":               "ls -A " + state,
		"write the state":              "echo x >" + state + "/new && echo wrote",
		"replace the state":            "mv " + state + " " + dir + "/old && echo moved",
		"remove the cover":             "umount " + state + " && echo uncovered",
		"remove the cover as root": "unshare -Urm sh -c 'umount -l " + state +
			" && echo uncovered; cat " + key + "'",
		"remove covers all at once": "unshare -Urm sh -c 'umount -l / ; cat " + key + "'",
		"mount elsewhere": "unshare -Urm sh -c 'mount --bind " + dir +
			" /mnt && cat /mnt/state/identity.key'",
		"connect to the socket": "python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect(\"" +
			socket + "\"); print(\"connected\")'",
		"signal the daemon": fmt.Sprintf("kill -0 %d && echo signalled; kill -0 %d && echo signalled",
			pid, os.Getppid()),
		"read its memory": fmt.Sprintf("for f in mem environ maps fd cmdline; do "+
			"head -c 1 /proc/%d/$f; ls /proc/%[1]d/$f; done", pid),
		"find it":               "grep -s 'sandbox[.]test' /proc/[0-9]*/cmdline | grep -v camera-command",
		"have a capability":     "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb):.*[1-9a-f]' /proc/self/status",
		"gain privileges":       "grep -E 'NoNewPrivs:.*0' /proc/self/status",
		"inherit a descriptor":  "ls /proc/$$/fd | grep -v '^[012]$'",
		"inherit systemd's way": "env | grep NOTIFY_SOCKET",
		"have a terminal":       "true </dev/tty && echo terminal",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NOTIFY_SOCKET", "/run/systemd/notify")
			if got := output(t, "("+try+") 2>/dev/null", state, socket, filepath.Join(dir, "missing")); got != "" {
				t.Errorf("%s: got %q, want nothing", try, got)
			}
		})
	}
	// Without the hidden paths, the same commands find all of it.
	for _, try := range []string{"cat " + key, "cat identity.key", "test -S " + socket + " && echo yes"} {
		if got := output(t, try); got == "" {
			t.Errorf("%s, with nothing hidden: got nothing, want output", try)
		}
	}
	b, err := os.ReadFile(key)
	if err != nil || string(b) != "secret" {
		t.Errorf("the key outside: got %q, %v, want it unchanged", b, err)
	}
}

// What cameras need is left.
func TestStart_allowed(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, try := range map[string]string{
		"read files":      "test -r /etc/passwd",
		"write files":     "echo x >" + dir + "/file",
		"devices":         "test -c /dev/null && test -d /sys/class",
		"output by name":  "echo >/dev/stdout; echo >/dev/stderr",
		"own processes":   "sleep 10 & kill $!",
		"process table":   "test -e /proc/self/stat && test -e /proc/cpuinfo",
		"loopback":        fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%d", l.Addr().(*net.TCPAddr).Port),
		"current folder":  "test $PWD = $(pwd -P)",
		"same user":       fmt.Sprintf("test $(id -u) = %d", os.Geteuid()),
		"signals by name": "trap 'exit 0' USR1; kill -USR1 $$; exit 1",
	} {
		t.Run(name, func(t *testing.T) {
			got := output(t, "bash -c '"+strings.ReplaceAll(try, "'", `'\''`)+"' && echo yes")
			if !strings.HasSuffix(got, "yes\n") {
				t.Errorf("%s: got %q, want yes", try, got)
			}
		})
	}
}

func TestStop(t *testing.T) {
	for _, tt := range []struct{ command, want string }{
		{"exit 0", ""},
		{"exit 3", "exit status 3"},
		{"kill -KILL $$", "signal: killed"},
		{"exec >&- 2>&-; exec sleep 600", "signal: terminated"},
		{"trap '' TERM; exec >&- 2>&-; while :; do sleep 1; done", "signal: killed"},
	} {
		t.Run(tt.command, func(t *testing.T) {
			c := startTest(t, tt.command)
			_, _ = io.Copy(io.Discard, c.Stdout)
			err := c.Stop()
			c.Close()
			c.Stdout.Close()
			c.Stderr.Close()
			if got := fmt.Sprint(err); got != tt.want && (tt.want != "" || err != nil) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// The command ends when the daemon is killed: the kernel closes its end of the
// connection.
func TestRunner_daemonKilled(t *testing.T) {
	c := startTest(t, "trap '' TERM; setsid sh -c \"trap '' TERM; echo up; exec sleep 600\"")
	defer c.Stdout.Close()
	defer c.Stderr.Close()
	up := make([]byte, 3)
	if _, err := io.ReadFull(c.Stdout, up); err != nil {
		t.Fatal(err)
	}
	c.conn.Close()
	_ = c.Stdout.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, c.Stdout); err != nil { // the end: no process has it open
		t.Errorf("got %v, want all processes ended", err)
	}
	if err := c.runner.Wait(); err != nil {
		t.Errorf("runner: got %v, want exit code 0", err)
	}
}

func TestStart_tooLong(t *testing.T) {
	if _, err := start(noSocket, strings.Repeat("x", maxCommand), nil); !errors.Is(err, unix.E2BIG) {
		t.Errorf("got %v, want %v", err, unix.E2BIG)
	}
	if got := output(t, ": "+strings.Repeat("x", maxCommand-100)+"; echo yes"); got != "yes\n" {
		t.Errorf("the longest command: got %q, want yes", got)
	}
}

// A socket that accepts and answers nonsense is no reason to hang or to run the
// command elsewhere.
func TestStart_badRunner(t *testing.T) {
	for name, answer := range map[string]string{"nothing": "", "nonsense": "hello", "no pipes": "started"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				conn, err := l.AcceptUnix()
				if err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 16))
				_, _ = conn.Write([]byte(answer))
				conn.Close()
			}()
			if c, err := start(path, "true", nil); err == nil || errors.Is(err, ErrUnavailable) {
				t.Errorf("got %v, %v, want an error of the unit", c, err)
			}
		})
	}
}

// By hand the program must not mount anything or become a runner.
func TestMain_byHand(t *testing.T) {
	for _, arg := range []string{runnerArg, namespaceArg} {
		old := os.Stdin
		if code, isRunner := Main([]string{"vchatd", arg, "/tmp"}); code != exitUsage || !isRunner {
			t.Errorf("%s: got code %d, %v, want %d", arg, code, isRunner, exitUsage)
		}
		os.Stdin = old
	}
	if err := enterNamespace([]string{"/nonexistent"}); err == nil {
		t.Error("enterNamespace outside of a namespace: got nil, want an error")
	}
	if _, isRunner := Main([]string{"vchatd"}); isRunner {
		t.Error("without arguments: got a runner")
	}
}
