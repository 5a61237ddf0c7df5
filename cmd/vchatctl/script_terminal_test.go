package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"vchat/daemon/daemontest/pty"
	"vchat/daemon/daemontest/syncbuffer"
)

// terminalCmd returns the script command terminal CODE|until:REGEXP SCRIPT: it
// runs a shell script with a controlling terminal of its own, and expects the
// exit code. Or it interrupts the script as soon as the terminal's output
// matches. That output becomes the file tty.
//
// It replaces ttyin and ttyout of testscript, which lose output on a loaded
// machine: they close the terminal without reading what is left in it.
func terminalCmd(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		pattern, isUntil := strings.CutPrefix(args[0], "until:")
		wanted, err := regexp.Compile("(?m)" + pattern)
		ts.Check(err)
		code := exitInterrupted
		if !isUntil {
			code, err = strconv.Atoi(args[0])
			ts.Check(err)
		}
		master, slave := pty.Open(t)
		defer master.Close()
		cmd := exec.Command("/bin/sh", "-c", args[1])
		cmd.Dir = ts.MkAbs(".")
		for _, name := range []string{"PATH", "HOME", "VCHAT_SOCKET", "TZ", "GORACE", "TERM",
			"LANG", "LC_ALL", "LC_CTYPE", "DISPLAY", "NO_COLOR"} {
			cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
		}
		cmd.Stdout, cmd.Stderr = ts.Stdout(), ts.Stderr()
		cmd.ExtraFiles = []*os.File{slave} // as descriptor 3
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
		err = cmd.Start()
		_ = slave.Close()
		ts.Check(err)
		defer func() { _ = cmd.Process.Kill() }()
		var output syncbuffer.Buffer
		defer func() { ts.Logf("[tty]\n%s", output.String()) }()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for b := make([]byte, 4096); ; {
				n, err := master.Read(b)
				if err != nil { // the script has ended
					return
				}
				_, _ = output.Write(b[:n])
			}
		}()
		if isUntil {
			await(ts, pattern, func() bool { return wanted.MatchString(output.String()) })
			ts.Check(syscall.Kill(-cmd.Process.Pid, syscall.SIGINT))
		}
		if err := cmd.Wait(); !errors.As(err, new(*exec.ExitError)) {
			ts.Check(err)
		}
		<-ended
		ts.Check(os.WriteFile(filepath.Join(cmd.Dir, "tty"), []byte(output.String()), 0o600))
		if got := cmd.ProcessState.ExitCode(); got != code {
			ts.Fatalf("got exit code %d, want %d", got, code)
		}
	}
}
