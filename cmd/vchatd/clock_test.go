//go:build linux && (amd64 || arm64)

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/daemontest"
	"vchat/daemon/daemontest/powercut"
	"vchat/daemon/identity"
)

// TestClock calls from a device without a battery: its clock starts in 1970 and
// jumps when it gets the time from the network, and is wrong again after each
// power cut. The call must not notice.
func TestClock(t *testing.T) {
	bob := daemontest.New(t, "bob")
	box := newBox(t)
	if err := os.MkdirAll(box.stateDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	id, err := identity.LoadOrCreate(box.stateDir())
	if err != nil {
		t.Fatal(err)
	}
	bob.Config.Peers["box"] = config.Peer{Name: "box", ID: id.ID().String(), AutoAnswer: true}
	bob.Start()
	box.more = fmt.Sprintf("discovery: false\npeers: {bob: {id: %s, address: %q}}\n", bob.ID, bob.Config.Listen)

	var clock atomic.Int64
	set := func(wall time.Time) { clock.Store(int64(time.Until(wall))) }
	boot1970 := time.Unix(20, 0)
	network := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	began := time.Now()
	c := client.New(box.socket())
	defer c.Close()
	ctx := t.Context()

	// active waits for the call and for frames in both directions.
	call := ""
	active := func(when string) {
		t.Helper()
		seeing := func(s api.Status) bool {
			return daemontest.Seeing(s) && (call == "" || s.Calls[0].ID == call)
		}
		bob.Wait("call with frames, "+when, seeing)
		for end := time.Now().Add(daemontest.Timeout); ; time.Sleep(20 * time.Millisecond) {
			s, err := c.Status(ctx)
			if err == nil && seeing(s) {
				call = s.Calls[0].ID
				elapsed := time.Since(began).Milliseconds() + 1000
				for _, ms := range []int64{s.UptimeMS, s.Calls[0].SinceMS, s.Camera.SinceMS, s.Peers[0].Link.SinceMS} {
					if ms < 0 || ms > elapsed {
						t.Errorf("%s: got a duration of %d ms in %+v, want at most %d", when, ms, s, elapsed)
					}
				}
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: got status %+v and error %v, want call %q with frames", when, s, err, call)
			}
		}
	}
	// moving waits for further frames of the device with the clock.
	moving := func(when string) {
		t.Helper()
		frames := func(s api.Status) uint64 {
			if !daemontest.Seeing(s) {
				return 0
			}
			return s.Calls[0].Receiving.Frames
		}
		before := frames(bob.Status())
		bob.Wait("further frames, "+when, func(s api.Status) bool { return frames(s) >= before+2 })
	}
	start := func() *powercut.Tracer {
		t.Helper()
		path, argv, env := box.command()
		log, err := os.OpenFile(filepath.Join(box.run, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		tr, err := powercut.Start(powercut.Command{Path: path, Args: argv, Env: env, Root: box.root, Output: log,
			Clock: &clock})
		if errors.Is(err, powercut.ErrNoPtrace) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	end := func(tr *powercut.Tracer, signal syscall.Signal) {
		t.Helper()
		tr.Signal(signal)
		if _, err := tr.Wait(); err != nil {
			t.Error(err)
		}
	}
	defer func() {
		if log, _ := os.ReadFile(filepath.Join(box.run, "log")); t.Failed() {
			t.Logf("%s", log)
		}
	}()

	set(boot1970)
	tr := start()
	for stop := time.Now().Add(daemontest.Timeout); ; time.Sleep(20 * time.Millisecond) {
		if _, err = c.Call(ctx, api.CallRequest{Peer: "bob"}); err == nil {
			break
		} else if time.Now().After(stop) {
			t.Fatal(err)
		}
	}
	active("in 1970")
	links := func() uint64 {
		s, err := c.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return s.Peers[0].Link.Reconnects
	}
	from := boot1970
	for _, jump := range []struct {
		when string
		to   time.Time
	}{
		{"after the network's time", network},
		{"after a jump back", network.AddDate(-6, 0, 0)},
		{"after a jump to 1970", boot1970},
		{"after a jump to 2038", time.Date(2038, 1, 20, 0, 0, 0, 0, time.UTC)},
		{"after the right time", network},
	} {
		lost := 0
		for ; lost < 3; lost++ { // a loaded machine may lose a link without a jump
			before := links()
			set(jump.to)
			moving(jump.when)
			active(jump.when)
			if links() == before {
				break
			}
			set(from)
			active("after a jump that is tried again")
		}
		if lost == 3 {
			t.Errorf("%s: got the link lost in each of %d jumps, want it kept", jump.when, lost)
		}
		from = jump.to
	}

	// The power fails: the next start is in 1970, and the saved call is of the
	// future.
	end(tr, syscall.SIGKILL)
	set(boot1970)
	tr = start()
	active("after a power cut, in 1970")
	set(network)
	moving("after a power cut and the network's time")
	active("after a power cut and the network's time")

	// The call of 1970 was saved there, and the start is in 2026.
	end(tr, syscall.SIGTERM)
	set(network.Add(time.Minute))
	tr = start()
	active("after a restart")
	end(tr, syscall.SIGTERM)
}
