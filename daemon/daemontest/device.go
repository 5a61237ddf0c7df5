package daemontest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vchat/config"
	"vchat/daemon"
	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/identity"
)

// Patience is how long a test waits for what must happen. It is long, for machines that do much else beside.
const Patience = 20 * time.Second

// Device is a whole daemon in a test: the test camera, loopback, its own directory. It can be stopped and started again.
type Device struct {
	Config *config.Config
	Client *client.Client
	ID     identity.ID

	t      testing.TB
	log    logbook
	core   *daemon.Daemon
	cancel context.CancelFunc
	done   chan error
}

// New makes a device that is not started yet. It is stopped with the test, and the log shown if the test has failed.
func New(t testing.TB, name string) *Device {
	t.Helper()
	dir := t.TempDir()
	id, err := identity.LoadOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	address, err := FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Name, cfg.StateDir, cfg.Listen = name, dir, address
	cfg.Camera.Device, cfg.Camera.Size = "test", config.Size{Width: 320, Height: 240}
	// A directory of its own: the path of a unix socket has 107 bytes at most.
	run, err := os.MkdirTemp("", "vchat-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(run) })
	cfg.Control = config.Control{Socket: filepath.Join(run, "control.sock")}
	cfg.Peers = map[string]config.Peer{}
	d := &Device{Config: cfg, ID: id.ID(), t: t, Client: client.New(cfg.Control.Socket)}
	t.Cleanup(func() {
		d.Client.Close()
		d.Stop()
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, d.Log())
		}
	})
	return d
}

// FreeAddress gives an address on loopback that was free a moment ago, so that a device keeps it over a restart. Its port is
// below the range that the kernel takes for outgoing connections, of which other tests make thousands.
func FreeAddress() (string, error) {
	for {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.N(12000)))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("find a free port: %w", err)
		}
		return l.Addr().String(), l.Close()
	}
}

// Know makes other a peer of d, reached through address; "" where the other one dials.
func (d *Device) Know(other *Device, address string, change func(*config.Peer)) {
	p := config.Peer{Name: other.Config.Name, ID: other.ID.String(), Address: address}
	if change != nil {
		change(&p)
	}
	d.Config.Peers[p.Name] = p
}

// Start runs the device until Stop or the end of the test.
func (d *Device) Start() {
	d.t.Helper()
	cfg := *d.Config
	core, err := daemon.New(&cfg, slog.New(slog.NewTextHandler(&d.log, nil)), nil)
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- core.Run(ctx) }()
	select {
	case <-core.Ready():
	case err := <-done:
		cancel()
		d.t.Fatalf("%s: %v", cfg.Name, err)
	}
	d.core, d.cancel, d.done = core, cancel, done
}

// Reload gives the running device a configuration that is the present one with a change, as SIGHUP does; or, if change
// fails, none.
func (d *Device) Reload(change func(*config.Config) error) {
	d.core.Reload(func() (*config.Config, error) {
		cfg := *d.Config
		cfg.Peers = maps.Clone(cfg.Peers)
		if err := change(&cfg); err != nil {
			return nil, err
		}
		d.Config = &cfg
		return &cfg, nil
	})
}

// Stop ends the device in order, if it runs.
func (d *Device) Stop() {
	if d.cancel == nil {
		return
	}
	d.cancel()
	d.cancel = nil
	if err := <-d.done; err != nil {
		d.t.Errorf("%s: Run: %v", d.Config.Name, err)
	}
}

// Log is what the device has logged.
func (d *Device) Log() string { return d.log.String() }

// Status asks the device over its control socket.
func (d *Device) Status() api.Status {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	s, err := d.Client.Status(ctx)
	if err != nil {
		d.t.Fatalf("%s: status: %v", d.Config.Name, err)
	}
	return s
}

// Wait waits until a device's status is as it must be.
func (d *Device) Wait(what string, ok func(api.Status) bool) api.Status {
	d.t.Helper()
	until := time.Now().Add(Patience)
	for {
		s := d.Status()
		if ok(s) {
			return s
		}
		if time.Now().After(until) {
			d.t.Fatalf("%s: after %v still not: %s\nstatus: %s", d.Config.Name, Patience, what, describe(s))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// InCall says whether there is a call in this state.
func InCall(state api.CallState) func(api.Status) bool {
	return func(s api.Status) bool { return len(s.Calls) == 1 && s.Calls[0].State == state }
}

// Seeing says whether the peer's frames come in a call.
func Seeing(s api.Status) bool {
	return InCall(api.CallActive)(s) && s.Calls[0].HasFrames
}

// NoCall says that there is none.
func NoCall(s api.Status) bool { return len(s.Calls) == 0 }

func describe(s api.Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "camera %s %s;", s.Camera.State, s.Camera.Reason)
	for _, c := range s.Calls {
		fmt.Fprintf(&b, " %s %s frames=%v;", c.Peer, c.State, c.HasFrames)
	}
	for _, p := range s.Peers {
		fmt.Fprintf(&b, " link to %s %s %s;", p.Name, p.Link.State, p.Link.Reason)
	}
	return b.String()
}

type logbook struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
