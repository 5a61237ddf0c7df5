package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/daemontest"
	"vchat/daemon/daemontest/leaktest"
)

// The scripts run the real main in a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(leaktest.Checked{M: m}, map[string]func(){"vchatd": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		Setup:               setup,
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"expand":  expand,
			"begins":  begins,
			"answers": answers,
			"reloads": reloads,
			"signal":  signalled,
			"ends":    ends,
		},
	})
}

// program is the vchatd that runs beside a script.
type program struct {
	cmd    *exec.Cmd
	stderr strings.Builder
}

// setup gives a script $RUN, a directory whose path is short enough for sockets, $FREE, an address on loopback that nobody
// has, and $TAKEN, one that somebody has.
func setup(env *testscript.Env) error {
	dir, err := os.MkdirTemp("", "vchatd")
	if err != nil {
		return err
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	free, err := daemontest.FreeAddress()
	if err != nil {
		return err
	}
	env.Setenv("RUN", dir)
	env.Setenv("TAKEN", taken.Addr().String())
	env.Setenv("FREE", free)
	env.Setenv("GORACE", "atexit_sleep_ms=0") // else every program takes a second to end under -race
	p := new(program)
	env.Values["program"] = p
	env.Defer(func() {
		if p.cmd != nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
		_ = taken.Close()
		_ = os.RemoveAll(dir)
	})
	return nil
}

func programOf(ts *testscript.TestScript) *program { return ts.Value("program").(*program) }

// exits CODE PROGRAM ARGS… runs a program that is to end with this exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// expand FILE puts the values of $RUN, $TAKEN and $FREE into a file.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// begins SOCKET ARGS… starts vchatd and waits until it answers.
func begins(ts *testscript.TestScript, _ bool, args []string) {
	p := programOf(ts)
	self, err := os.Executable()
	ts.Check(err)
	p.cmd = exec.Command(self, args[1:]...)
	p.cmd.Args[0] = "vchatd" // testscript.Main knows a command by this name
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Env = append(os.Environ(), "GORACE="+ts.Getenv("GORACE"))
	p.cmd.Stderr = &p.stderr
	ts.Check(p.cmd.Start())
	answers(ts, false, args[:1])
}

// answers SOCKET… waits until somebody answers at each.
func answers(ts *testscript.TestScript, _ bool, sockets []string) {
	ctx, cancel := context.WithTimeout(context.Background(), daemontest.Timeout)
	defer cancel()
	for _, socket := range sockets {
		c := client.New(socket)
		defer c.Close()
		for {
			_, err := c.Status(ctx)
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				ts.Fatalf("nobody answers at %s: %v", socket, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// reloads SOCKET TEXT sends SIGHUP and looks at what the device says came of it.
func reloads(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), daemontest.Timeout)
	defer cancel()
	c := client.New(args[0])
	defer c.Close()
	events, err := c.Events(ctx)
	ts.Check(err)
	defer events.Close()
	_, err = events.Next() // the present state: from here on nothing is missed
	ts.Check(err)
	signalled(ts, false, []string{"HUP"})
	for {
		ev, err := events.Next()
		ts.Check(err)
		if ev.Event != api.EventConfig {
			continue
		}
		if !strings.Contains(ev.Text, args[1]) {
			ts.Fatalf("told %q, want %q", ev.Text, args[1])
		}
		return
	}
}

func signalled(ts *testscript.TestScript, _ bool, args []string) {
	number := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}[args[0]]
	ts.Check(programOf(ts).cmd.Process.Signal(number))
}

// ends CODE TEXT… waits for the end of what was begun, and looks at its exit code and for texts on its standard error.
func ends(ts *testscript.TestScript, _ bool, args []string) {
	p := programOf(ts)
	_ = p.cmd.Wait()
	said := p.stderr.String()
	ts.Logf("[stderr]\n%s", said)
	if got := strconv.Itoa(p.cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
	for _, text := range args[1:] {
		if !strings.Contains(said, text) {
			ts.Fatalf("no %q on standard error", text)
		}
	}
	p.cmd = nil
}

// To begin without a file is to begin with the defaults; to lose it while running is not.
func TestRereadWantsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vchat.yaml")
	if _, err := reread(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that has gone: %v, want ErrNotExist", err)
	}
	if err := os.WriteFile(path, []byte("name: kitchen\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg, err := reread(path); err != nil || cfg.Name != "kitchen" {
		t.Errorf("a file that is there: %v, %v", cfg, err)
	}
}
