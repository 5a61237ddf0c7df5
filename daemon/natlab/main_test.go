package natlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"vchat/daemon/daemontest/leaktest"
)

// insideEnv is set in the process that is in its own namespaces.
const insideEnv = "VCHAT_NATLAB"

// programs is the directory of the programs that the tests build.
var programs string

// missing is why there is no laboratory here.
var missing error

func TestMain(m *testing.M) {
	if os.Getenv(insideEnv) == "" {
		missing = enter()
	} else {
		missing = prepare()
	}
	var err error
	if programs, err = os.MkdirTemp("", "natlab-"); err != nil {
		panic(err)
	}
	code := leaktest.Checked{M: m}.Run()
	_ = os.RemoveAll(programs)
	os.Exit(code)
}

// enter replaces this process by one in its own namespaces. It returns only if
// that is impossible.
func enter() error {
	for _, tool := range []string{"unshare", "ip", "tc", "nft", "conntrack", "twistd3"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	unshare := []string{"unshare", "--user", "--map-root-user", "--net", "--mount"}
	up := exec.Command(unshare[0], append(unshare[1:], "ip", "link", "set", "lo", "up")...)
	if out, err := up.CombinedOutput(); err != nil {
		return fmt.Errorf("no namespaces here: %w: %s", err, out)
	}
	path, err := exec.LookPath(unshare[0])
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	argv := append(unshare, append([]string{self}, os.Args[1:]...)...)
	return syscall.Exec(path, argv, append(os.Environ(), insideEnv+"=1"))
}

// prepare hides the sockets of the machine's services, such as D-Bus.
func prepare() error {
	return errors.Join(
		unix.Mount("tmpfs", "/run", "tmpfs", 0, ""),
		(*namespace)(nil).run("ip link set lo up"))
}

// need skips the test where the laboratory cannot be built. A whole run of CI
// has installed the tools: there it fails.
func need(t testing.TB) {
	t.Helper()
	switch {
	case missing == nil:
	case errors.Is(missing, exec.ErrNotFound) && os.Getenv("VCHAT_TEST_TOOLS") != "":
		t.Fatal(missing)
	default:
		t.Skip(missing)
	}
}
