package daemontest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/config"
	"vchat/daemon"
	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/daemontest/syncbuffer"
	"vchat/daemon/identity"
)

// Timeout is how long a test waits for an expected state. It is long enough for
// a machine that is loaded many times over.
const Timeout = time.Minute

// Device is a complete daemon in a test, with the test camera, on loopback and
// with its own state directory. It can be stopped and started again.
type Device struct {
	Config *config.Config
	Client *client.Client
	ID     identity.ID

	t      testing.TB
	log    syncbuffer.Buffer
	daemon *daemon.Daemon
	cancel context.CancelFunc
	done   chan error
}

// New returns a device that is not started yet. It is stopped at the end of the
// test, and its log printed if the test has failed.
func New(t testing.TB, name string) *Device {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state") // with mode 0700, whatever the umask
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
	// t.TempDir is too long: the path of a unix socket has at most 107 bytes.
	run, err := os.MkdirTemp("", "vchat-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(run) })
	cfg.Control = config.Control{Socket: filepath.Join(run, "control.sock")}
	cfg.Discovery = false // tests do not talk to the network
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

// FreeAddress returns an address on loopback that was free a moment ago, for a
// device that keeps its address across restarts. The port is below the range
// for outgoing connections, of which other tests open thousands.
//
// It binds the address and never listens there: a child that has not executed
// its program yet keeps a closed socket of its parent open. A listening one
// would keep the device from listening.
func FreeAddress() (string, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil { // as net.Listen does
		return "", fmt.Errorf("find a free port: %w", err)
	}
	for {
		a := unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 20000 + rand.N(12000)}
		err := unix.Bind(fd, &a)
		if errors.Is(err, unix.EADDRINUSE) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("find a free port: %w", err)
		}
		return fmt.Sprintf("127.0.0.1:%d", a.Port), nil
	}
}

// Know adds other to the peers of d. An empty address means that only the other
// device dials. change may edit the peer.
func (d *Device) Know(other *Device, address string, change func(*config.Peer)) {
	p := config.Peer{Name: other.Config.Name, ID: other.ID.String(), Address: address}
	if change != nil {
		change(&p)
	}
	d.Config.Peers[p.Name] = p
}

// Start runs the device until Stop or the end of the test, and waits until it
// is ready.
func (d *Device) Start() {
	d.t.Helper()
	cfg := *d.Config
	running, err := daemon.New(&cfg, slog.New(slog.NewTextHandler(&d.log, nil)), nil)
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- running.Run(ctx) }()
	select {
	case <-running.Ready():
	case err := <-done:
		cancel()
		d.t.Fatalf("%s: %v", cfg.Name, err)
	}
	d.daemon, d.cancel, d.done = running, cancel, done
}

// Reload reloads the running device with a changed copy of its configuration,
// as SIGHUP does. An error of change stands for an error of the file.
func (d *Device) Reload(change func(*config.Config) error) {
	_ = d.daemon.Reload(func() (*config.Config, error) {
		cfg := *d.Config
		cfg.Peers = maps.Clone(cfg.Peers)
		if err := change(&cfg); err != nil {
			return nil, err
		}
		d.Config = &cfg
		return &cfg, nil
	})
}

// Stop stops the device, if it runs, and waits for it.
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

// Daemon returns the running daemon.
func (d *Device) Daemon() *daemon.Daemon { return d.daemon }

// Log returns the log of the device.
func (d *Device) Log() string { return d.log.String() }

// Status returns the status of the device, over its control socket.
func (d *Device) Status() api.Status {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	s, err := d.Client.Status(ctx)
	if err != nil {
		d.t.Fatalf("%s: status: %v", d.Config.Name, err)
	}
	return s
}

// Wait polls the status until ok returns true, and returns the status. It fails
// the test after Timeout: what is a noun without an article, for "no link,
// within 1m0s".
func (d *Device) Wait(what string, ok func(api.Status) bool) api.Status {
	d.t.Helper()
	deadline := time.Now().Add(Timeout)
	for {
		s := d.Status()
		if ok(s) {
			return s
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%s: no %s, within %v\nstatus: %s", d.Config.Name, what, Timeout, describe(s))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// InCall returns a condition for Wait: there is one call, in this state.
func InCall(state api.CallState) func(api.Status) bool {
	return func(s api.Status) bool { return len(s.Calls) == 1 && s.Calls[0].State == state }
}

// Seeing reports whether there is one active call with frames of the peer.
func Seeing(s api.Status) bool {
	return InCall(api.CallActive)(s) && s.Calls[0].HasFrames
}

// NoCall reports whether there is no call.
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
