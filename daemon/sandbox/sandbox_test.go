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

	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/daemontest/publicdir"
)

func TestMain(m *testing.M) { leaktest.Main(m, Main) }

// noSocket is where no systemd listens: tests use namespaces, on any machine.
const noSocket = "/nonexistent/socket"

// startTest starts a command in namespaces.
func startTest(t *testing.T, command string, hidden ...string) *Command {
	t.Helper()
	c, err := start(noSocket, command, hidden)
	if errors.Is(err, ErrUnavailable) && strings.Contains(err.Error(), unix.EPERM.Error()) { // in a container
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
// daemon, which is this process. Each line that it prints is a success. Modes
// let everybody in: only the sandbox keeps the command out.
func TestStart_hostile(t *testing.T) {
	dir := publicdir.New(t)
	state := filepath.Join(dir, "state")
	link := filepath.Join(dir, "link")
	key := filepath.Join(state, "identity.key")
	socket := filepath.Join(dir, "control.sock")
	if err := errors.Join(os.Mkdir(state, 0o777), os.WriteFile(key, []byte("secret"), 0o666),
		os.Symlink("state", link)); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := errors.Join(os.Chmod(state, 0o777), os.Chmod(key, 0o666), os.Chmod(socket, 0o777)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(state) // the daemon's own directory is hidden, too
	pid := os.Getpid()
	for name, try := range map[string]string{
		"read the key":                 "cat " + key,
		"read the key by a link":       "cat " + link + "/identity.key",
		"read the key in the cwd":      "cat identity.key ./identity.key; cat /proc/self/cwd/identity.key",
		"read the key by another root": fmt.Sprintf("cat /proc/1/root%s /proc/%d/root%[1]s", key, pid),
		"read the key by other cwds":   "cat /proc/[0-9]*/cwd/identity.key /proc/[0-9]*/task/*/cwd/identity.key",
		"list the state":               "ls -A " + state,
		"write the state":              "echo x >" + state + "/new && echo wrote",
		"replace the state":            "mv " + state + " " + dir + "/old && echo moved",
		"remove the cover":             "umount " + state + " && echo uncovered",
		"remove the cover as root": "unshare -Urm sh -c 'umount -l " + state +
			" && echo uncovered; cat " + key + "'",
		"remove covers all at once": "unshare -Urm sh -c 'umount -l / ; cat " + key + "'",
		"mount elsewhere": "unshare -Urm sh -c 'mount --bind " + dir +
			" /mnt && cat /mnt/state/identity.key'",
		"mount all elsewhere": "unshare -Urm sh -c 'mount --rbind / /mnt && umount -l /mnt" + state +
			"; cat /mnt" + key + "'",
		"mount over it": "unshare -Urm sh -c 'mount --move " + state + " /mnt && cat " + key + "'",
		"enter the daemon's mounts": fmt.Sprintf("nsenter -t %d -m cat %s; nsenter -m -t 1 cat %[2]s; "+
			"nsenter -m -t %d cat %[2]s", pid, key, os.Getppid()),
		"connect to the socket": connect(socket) + " && echo connected",
		"connect by another root": connect("/proc/1/root"+socket) + " && echo connected; " +
			connect("/proc/self/root"+socket) + " && echo connected",
		"signal the daemon": fmt.Sprintf("kill -0 %d && echo signalled; kill -0 %d && echo signalled",
			pid, os.Getppid()),
		"stop its runner": "kill -STOP 1; kill -KILL 1; sleep 0.2; test -d /proc/1 || echo killed",
		"read its memory": fmt.Sprintf("for f in mem environ maps fd cmdline; do "+
			"head -c 1 /proc/%d/$f; ls /proc/%[1]d/$f; done", pid),
		"read its runner's memory": "for f in mem environ maps fd/0 root/etc/passwd; do head -c 1 /proc/1/$f; done",
		"trace": "for p in " + fmt.Sprint(pid, os.Getppid(), 1) + "; do " + trace +
			" && echo traced; done",
		"find it":               "grep -s 'sandbox[.]test' /proc/[0-9]*/cmdline | grep -v camera-command",
		"have a capability":     "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb):.*[1-9a-f]' /proc/self/status",
		"gain privileges":       "grep -E 'NoNewPrivs:.*0' /proc/self/status",
		"gain them by su":       "setpriv --reuid 0 id; su -c id </dev/null; sudo -n id",
		"inherit a descriptor":  "ls /proc/$$/fd | grep -v '^[012]$'",
		"inherit systemd's way": "env | grep NOTIFY_SOCKET",
		"have a terminal":       "true </dev/tty && echo terminal",
		"make a device": "mknod " + dir + "/disk b 8 0 && echo made; mknod " + dir +
			"/mem c 1 1 && echo made",
		"make a device as root": "unshare -Urm mknod " + dir + "/disk b 8 0 && echo made",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NOTIFY_SOCKET", "/run/systemd/notify")
			if got := output(t, "("+try+") 2>/dev/null", state, socket, filepath.Join(dir, "missing")); got != "" {
				t.Errorf("%s: got %q, want nothing", try, got)
			}
		})
	}
	// Without the hidden paths, the same commands find all of it.
	for _, try := range []string{"cat " + key, "cat identity.key", connect(socket) + " && echo connected"} {
		if got := output(t, try); got == "" {
			t.Errorf("%s, with nothing hidden: got nothing, want output", try)
		}
	}
	b, err := os.ReadFile(key)
	if err != nil || string(b) != "secret" {
		t.Errorf("the key outside: got %q, %v, want it unchanged", b, err)
	}
}

// connect is a command that connects to a unix socket.
func connect(path string) string {
	return "python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect(\"" + path + "\")'"
}

// trace is a command that attaches to process $p: PTRACE_SEIZE.
const trace = `python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).ptrace(0x4206, '$p', None, None) != 0)'`

// Root may use every device and read every file. Its command may not.
func TestStart_root(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := publicdir.New(t)
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]string{
		"be root":           "id -u | grep -vx 65527; id -g | grep -vx 65527; id -G | grep -wE '0|1|6'",
		"have another id":   "grep -E '^[UG]id:' /proc/self/status | grep -v '65527.65527.65527.65527'",
		"read root's files": "cat " + secret + " /etc/shadow",
		"have disks":        "find /dev -type b",
		"read a disk": "for d in /dev/sda /dev/vda /dev/nvme0n1 /dev/mmcblk0 /dev/loop0; " +
			"do head -c 1 $d; done",
		"read memory":         "head -c 1 /dev/mem; head -c 1 /dev/kmem; head -c 1 /dev/port; head -c 1 /proc/kcore",
		"read the kernel log": "head -c 1 /dev/kmsg; dmesg",
		"have other devices": "ls /dev/tty* /dev/pts/* /dev/kvm /dev/fuse /dev/loop* /dev/snapshot " +
			"/dev/uinput /dev/input",
		"change /dev": "touch /dev/x && echo changed; rm /dev/null && echo changed; " +
			"mknod /dev/x c 1 1 && echo made",
		"find the real /dev":  "unshare -Urm sh -c 'umount -l /dev && find /dev -type b -o -name kmsg'",
		"mount the real /dev": "unshare -Urm sh -c 'mount -t devtmpfs dev /mnt && ls /mnt'",
		"write as root":       "touch /etc/vchat-test /root/vchat-test && echo wrote",
		"change the system": "echo 1 >/proc/sys/kernel/sysrq && echo changed; " +
			"test -w /sys/power/state && echo writable",
		"see other processes":    "ls -d /proc/[0-9]* | wc -l | awk '$1 > 8'",
		"have no limit of forks": "grep 'Max processes' /proc/self/limits | grep -vE ' 256 +256 '",
		"leave a cgroup":         "find /sys/fs/cgroup -maxdepth 1 -writable",
		"open a root's socket":   "find /run -maxdepth 2 -type s -user root -not -perm -006 -writable",
	} {
		t.Run(name, func(t *testing.T) {
			if got := output(t, "("+try+") 2>/dev/null"); got != "" {
				t.Errorf("%s: got %q, want nothing", try, got)
			}
		})
	}
	if _, err := os.ReadFile(secret); err != nil {
		t.Errorf("root itself: %v", err)
	}
}

// Root's command may use the cameras that their group may use.
func TestStart_rootCameras(t *testing.T) {
	nodes, _ := filepath.Glob("/dev/video[0-9]*")
	if os.Geteuid() != 0 || len(nodes) == 0 {
		t.Skip("needs root and a camera")
	}
	var s unix.Stat_t
	if err := unix.Stat(nodes[0], &s); err != nil || s.Gid == 0 || s.Mode&0o060 != 0o060 {
		t.Skipf("%s is for root alone", nodes[0])
	}
	got := output(t, fmt.Sprintf("id -G; exec <>%s && echo opened", nodes[0]))
	if want := fmt.Sprintf("%d %d\nopened\n", rootUser, s.Gid); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What cameras need is left.
func TestStart_allowed(t *testing.T) {
	dir := publicdir.New(t)
	user := os.Geteuid()
	if user == 0 {
		user = rootUser
	}
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
		"user":            fmt.Sprintf("test $(id -u) = %d", user),
		"random numbers":  "head -c 1 /dev/urandom >/dev/null && echo x >/dev/shm/x && head -c 1 /dev/zero >/dev/null",
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
