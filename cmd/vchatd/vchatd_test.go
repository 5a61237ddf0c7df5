package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vchat/daemon"
	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/daemontest"
	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/daemontest/syncbuffer"
	"vchat/daemon/identity"
	"vchat/daemon/peerstore"
)

// TestMain lets the scripts run the real main in a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(leaktest.Checked{M: m}, map[string]func(){"vchatd": main, "addpeer": addPeer})
}

// addPeer is a program of TestMain. It keeps a paired peer in a state
// directory.
func addPeer() {
	bob := peerstore.Peer{Name: "bob", ID: identity.ID{1}, Address: "192.0.2.1:7450"}
	if _, err := peerstore.Open(os.Args[1]).Put(bob); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		Setup:               setup,
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   cmdExits,
			"expand":  cmdExpand,
			"start":   cmdStart,
			"answers": cmdAnswers,
			"reload":  cmdReload,
			"ask":     cmdAsk,
			"signal":  cmdSignal,
			"finish":  cmdFinish,
			"bind":    cmdBind,
			"inherit": cmdInherit,
			"refused": cmdRefused,
			"held":    cmdHeld,
			"crashes": cmdCrashes,
			"ownpeer": cmdOwnPeer,
		},
	})
}

// program is the vchatd that a script started.
type program struct {
	cmd    *exec.Cmd
	stderr syncbuffer.Buffer

	inherited []*os.File // sockets of bind
}

// setup sets three variables of a script: $RUN, a directory with a path short
// enough for sockets; $FREE, an unused loopback address; $TAKEN, a used one.
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
	env.Setenv("GORACE", "atexit_sleep_ms=0") // under -race each program would take a second to exit
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

// cmdExits is "exits CODE PROGRAM ARGS…". It runs a program and checks its exit
// code.
func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
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
		ts.Fatalf("got exit code %d, want %d", got, want)
	}
}

// cmdExpand is "expand FILE". It replaces $RUN, $TAKEN and $FREE in a file.
func cmdExpand(ts *testscript.TestScript, _ bool, args []string) {
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// cmdStart is "start SOCKET ARGS…". It starts vchatd and waits until the socket
// answers.
func cmdStart(ts *testscript.TestScript, _ bool, args []string) {
	p := programOf(ts)
	self, err := os.Executable()
	ts.Check(err)
	p.cmd = exec.Command(self, args[1:]...)
	p.cmd.Args[0] = "vchatd" // testscript.Main selects the command by this name
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Env = append(os.Environ(), "GORACE="+ts.Getenv("GORACE"))
	p.cmd.Stderr = &p.stderr
	ts.Check(p.cmd.Start())
	cmdAnswers(ts, false, args[:1])
}

// cmdAnswers is "answers SOCKET…". It waits until each socket answers.
func cmdAnswers(ts *testscript.TestScript, _ bool, sockets []string) {
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
				ts.Fatalf("no answer at %s: %v", socket, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// cmdReload is "reload SOCKET TEXT". It sends SIGHUP and checks the text of the
// event that reports the reload.
func cmdReload(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), daemontest.Timeout)
	defer cancel()
	c := client.New(args[0])
	defer c.Close()
	events, err := c.Events(ctx)
	ts.Check(err)
	defer events.Close()
	_, err = events.Next() // the present state; later events are not missed
	ts.Check(err)
	cmdSignal(ts, false, []string{"HUP"})
	for {
		ev, err := events.Next()
		ts.Check(err)
		if ev.Event != api.EventConfig {
			continue
		}
		if !strings.Contains(ev.Text, args[1]) {
			ts.Fatalf("got event text %q, want %q", ev.Text, args[1])
		}
		return
	}
}

// cmdAsk is "ask SOCKET [TEXT]". It reloads by the control socket and checks
// the answer: success, or an error with the text, which Status repeats.
func cmdAsk(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), daemontest.Timeout)
	defer cancel()
	c := client.New(args[0])
	defer c.Close()
	_, err := c.Reload(ctx)
	s, statusErr := c.Status(ctx)
	ts.Check(statusErr)
	var listed []string
	for _, p := range s.Problems {
		if p.Subject == "config" {
			listed = append(listed, fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message))
		}
	}
	switch {
	case len(args) == 1 && (err != nil || listed != nil):
		ts.Fatalf("got %v and problems %q, want a reload", err, listed)
	case len(args) == 1:
	case err == nil || !strings.Contains(err.Error(), args[1]):
		ts.Fatalf("got %v, want %q", err, args[1])
	case len(listed) == 0 || !strings.Contains(err.Error(), listed[0]):
		ts.Fatalf("got problems %q, want the fault: %v", listed, err)
	}
}

// cmdOwnPeer is "ownpeer STATEDIR FILE". It expands a file with $ID, the id of
// the key in the state directory.
func cmdOwnPeer(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv("ID", daemon.OwnID(args[0]))
	cmdExpand(ts, false, args[1:])
}

// cmdSignal is "signal NAME". It sends INT, TERM or HUP to the program.
func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	number := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP,
		"KILL": syscall.SIGKILL}[args[0]]
	ts.Check(programOf(ts).cmd.Process.Signal(number))
}

// cmdFinish is "finish CODE TEXT…". It waits for the program to exit and checks
// its exit code and its standard error for each text.
func cmdFinish(ts *testscript.TestScript, _ bool, args []string) {
	p := programOf(ts)
	_ = p.cmd.Wait()
	stderr := p.stderr.String()
	ts.Logf("[stderr]\n%s", stderr)
	if got := strconv.Itoa(p.cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("got exit code %s, want %s", got, args[0])
	}
	for _, text := range args[1:] {
		if !strings.Contains(stderr, text) {
			ts.Fatalf("standard error lacks %q", text)
		}
	}
	p.cmd = nil
}
