package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vchat/daemon/control/controltest"
	"vchat/daemon/daemontest/pty"
	"vchat/daemon/daemontest/syncbuffer"
)

// typist runs vchatctl on a terminal of its own, and types.
type typist struct {
	t      *testing.T
	device *controltest.Device
	master *os.File
	cmd    *exec.Cmd
	done   chan struct{} // the output has ended

	output syncbuffer.Buffer
}

func newTypist(t *testing.T, args ...string) *typist {
	t.Helper()
	dir, err := os.MkdirTemp("", "vchatctl") // the path of t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	ty := &typist{t: t, device: controltest.New(), done: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	wait, err := controltest.Serve(ctx, ty.device, filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := wait(); err != nil {
			t.Errorf("control server: %v", err)
		}
		os.RemoveAll(dir)
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var slave *os.File
	ty.master, slave = pty.Open(t)
	ty.cmd = exec.Command(self, args...)
	ty.cmd.Args[0] = "vchatctl" // testscript.Main dispatches on this name
	ty.cmd.Env = append(os.Environ(), "VCHAT_SOCKET="+filepath.Join(dir, "s"), "TERM=xterm", "GORACE=atexit_sleep_ms=0")
	ty.cmd.Stdin, ty.cmd.Stdout, ty.cmd.Stderr = slave, slave, slave
	ty.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // for Ctrl-C
	if err := ty.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	go ty.read()
	t.Cleanup(func() {
		_ = ty.cmd.Process.Kill()
		_ = ty.cmd.Wait()
		ty.master.Close()
		<-ty.done
	})
	return ty
}

func (ty *typist) read() {
	defer close(ty.done)
	for b := make([]byte, 4096); ; {
		n, err := ty.master.Read(b)
		if err != nil {
			return
		}
		_, _ = ty.output.Write(b[:n])
	}
}

// await waits until the output contains want.
func (ty *typist) await(want string) {
	ty.t.Helper()
	for range 3000 {
		if strings.Contains(ty.output.String(), want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ty.t.Fatalf("got output %q, want %q", ty.output.String(), want)
}

func (ty *typist) types(keys string) { _, _ = ty.master.WriteString(keys) }

// exits waits for the end of vchatctl, with this code and output.
func (ty *typist) exits(code int, output string) {
	ty.t.Helper()
	ty.await(output)
	_ = ty.cmd.Wait()
	if got := ty.cmd.ProcessState.ExitCode(); got != code {
		ty.t.Errorf("got exit code %d, want %d; output %q", got, code, ty.output.String())
	}
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
)

// What a user answers to the code, on a real terminal.
func TestPair_prompt(t *testing.T) {
	const refused = "vchatctl: error: pairing refused here; nothing was kept"
	for _, tt := range []struct {
		name, keys string
		code       int
		output     string
		confirms   bool
	}{
		{"y", "y\n", 0, "paired with cellar", true},
		{"yes, with spaces", " YES \n", 0, "paired with cellar", true},
		{"n", "n\n", exitIdentity, refused, false},
		{"Enter", "\n", exitIdentity, refused, false},
		{"another word", "yeah\n", exitIdentity, refused, false},
		{"another code", "482 914\n", exitIdentity, refused, false},
		{"an escape sequence", "\x1b[A\n", exitIdentity, refused, false},
		{"a corrected answer", "n\x7fy\n", 0, "paired with cellar", true},
		{"the end of the input", ctrlD, exitIdentity, refused, false},
		{"Ctrl-C", ctrlC, exitInterrupted, "", false},
		{"Ctrl-C behind y", "y" + ctrlC, exitInterrupted, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ty := newTypist(t, "pair", "cellar")
			ty.await("Do both devices show 482 913? [y/N] ")
			ty.types(tt.keys)
			ty.exits(tt.code, tt.output)
			if got := slices.Contains(ty.device.Commands(), "confirm 482 913"); got != tt.confirms {
				t.Errorf("got %q: confirmed is %v, want %v", ty.device.Commands(), got, tt.confirms)
			}
		})
	}
}

func TestPair_promptForName(t *testing.T) {
	for _, tt := range []struct {
		name, keys string
		want       string // the name that is confirmed; "": refused
	}{
		{"suggested", "\n", "cellar-2"},
		{"another one", "below\n", "below"},
		{"the end of the input", ctrlD, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ty := newTypist(t, "pair", "taken")
			ty.await("another peer is named cellar")
			ty.await("Name for the other device here [cellar-2]: ")
			ty.types(tt.keys)
			if tt.want == "" {
				ty.exits(exitIdentity, "nothing was kept")
				return
			}
			ty.await("Do both devices show 482 913? [y/N] ")
			ty.types("y\n")
			ty.exits(0, "paired with")
			if !slices.Contains(ty.device.Commands(), "name "+tt.want) {
				t.Errorf("got %q, want name %s", ty.device.Commands(), tt.want)
			}
		})
	}
}

// A line that was typed before the question answers nothing.
func TestPairDialogue_typedAhead(t *testing.T) {
	d := &pairDialogue{}
	if err := d.onLine("y"); err != nil || d.asked || d.current.Code != "" {
		t.Errorf("got %v, %+v; want no effect", err, d)
	}
}
