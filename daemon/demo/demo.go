// Package demo runs two devices in one process, in a call with each other, to
// try vchat without a camera or a second machine.
//
// Run starts the goroutines of both devices and waits for them.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"vchat/config"
	"vchat/daemon"
	"vchat/daemon/api"
	"vchat/daemon/identity"
)

// ErrNoFrames reports that frames did not flow in both directions.
var ErrNoFrames = errors.New("frames did not flow in both directions")

// Options configures a demo.
type Options struct {
	For time.Duration // how long it runs; 0: until ctx is done
	Dir string        // for sockets and state; "": a temporary directory
	Out io.Writer     // for the instructions and the status line
	TTY bool          // Out is a terminal: the status line overwrites itself
	Log *slog.Logger
}

// Run runs two devices, alice and bob, on loopback with the test camera. Alice
// calls bob, who answers automatically. It returns ErrNoFrames, or the error of
// a device that failed.
func Run(ctx context.Context, o Options) error {
	dir := o.Dir
	if dir == "" {
		tmp, err := os.MkdirTemp("", "vchat-demo-")
		if err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		defer os.RemoveAll(tmp)
		dir = tmp
	}
	if o.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Each device has its own context. The deferred stops end alice first:
	// otherwise she would dial a peer that is gone, and log it.
	start := func(cfg *config.Config) (*daemon.Daemon, func(), error) {
		d, err := daemon.New(cfg, o.Log.With("device", cfg.Name), nil)
		if err != nil {
			return nil, func() {}, err
		}
		deviceCtx, cancelDevice := context.WithCancel(context.WithoutCancel(ctx))
		var running sync.WaitGroup
		running.Go(func() { cancel(d.Run(deviceCtx)) })
		stop := func() { cancelDevice(); running.Wait() }
		select {
		case <-d.Ready():
			return d, stop, nil
		case <-ctx.Done():
			return nil, stop, context.Cause(ctx)
		}
	}
	ids, err := prepareState(dir)
	if err != nil {
		return err
	}
	bob, stop, err := start(deviceConfig(dir, "bob",
		config.Peer{Name: "alice", ID: ids["alice"], AutoAnswer: true}))
	defer stop()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	alice, stop, err := start(deviceConfig(dir, "alice",
		config.Peer{Name: "bob", ID: ids["bob"], Address: bob.Addr().String()}))
	defer stop()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	fmt.Fprint(o.Out, help(dir))
	if _, err := alice.Call(api.CallRequest{Peer: "bob"}); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return watch(ctx, o, alice, bob)
}

// prepareState creates the state of both devices, or reuses it without its
// calls. It returns their ids by name.
func prepareState(dir string) (ids map[string]string, err error) {
	ids = map[string]string{}
	for _, name := range []string{"alice", "bob"} {
		id, err := identity.LoadOrCreate(stateDir(dir, name))
		if err != nil {
			return nil, fmt.Errorf("demo: load the key of %s: %w", name, err)
		}
		ids[name] = id.ID().String()
		// Without this the device would resume the call of an earlier demo.
		callsFile := filepath.Join(stateDir(dir, name), daemon.CallsFile)
		if err := os.Remove(callsFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("demo: %w", err)
		}
	}
	return ids, nil
}

func stateDir(dir, name string) string { return filepath.Join(dir, name) }

func deviceConfig(dir, name string, peer config.Peer) *config.Config {
	cfg := config.Default()
	cfg.Discovery = false // both devices are here
	cfg.Name, cfg.Listen, cfg.Camera.Device = name, "127.0.0.1:0", "test"
	cfg.Peers = map[string]config.Peer{peer.Name: peer}
	cfg.Control = config.Control{Socket: filepath.Join(dir, name+".sock")}
	cfg.StateDir = stateDir(dir, name)
	return cfg
}

func help(dir string) string {
	return fmt.Sprintf(`Two devices in one process: alice calls bob, and each sends its test camera.
In another terminal:

  export VCHAT_SOCKET=%s
  vchatctl status
  vchatctl view bob                    show bob's camera; q quits
  vchatctl view bob --to pipe --format mkv | mpv --profile=low-latency --untimed --cache=no -
  vchatctl snapshot bob frame.jpg
  vchatctl hangup

Bob's socket is %s. In the source tree, run: go run ./cmd/vchatctl
Ctrl-C ends the demo.

`, filepath.Join(dir, "alice.sock"), filepath.Join(dir, "bob.sock"))
}

// watch prints a status line every second until ctx is done, then a summary.
func watch(ctx context.Context, o Options, alice, bob *daemon.Daemon) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var fromBob, fromAlice api.Receiving // the newest stats
	flowed := false
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			if o.TTY {
				fmt.Fprintln(o.Out)
			}
			err := context.Cause(ctx)
			if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			if !flowed {
				return ErrNoFrames
			}
			fmt.Fprintf(o.Out, "alice saw bob at %.1f fps, bob saw alice at %.1f fps\n", fromBob.FPS, fromAlice.FPS)
			return nil
		}
		line := "no call: vchatctl call bob"
		if a, b := receiving(alice), receiving(bob); a != nil && b != nil {
			fromBob, fromAlice = *a, *b
			flowed = flowed || a.FPS > 0 && b.FPS > 0
			line = "alice sees " + statsLine(a) + ", bob sees " + statsLine(b)
		} else if s := alice.Status(); len(s.Calls) > 0 {
			line = fmt.Sprintf("alice's call to bob: %s", s.Calls[0].State)
		}
		if o.TTY {
			fmt.Fprintf(o.Out, "\r\x1b[K%s", line)
		} else {
			fmt.Fprintln(o.Out, line)
		}
	}
}

// receiving returns the stats of the video that d receives, or nil.
func receiving(d *daemon.Daemon) *api.Receiving {
	s := d.Status()
	if len(s.Calls) == 0 {
		return nil
	}
	return s.Calls[0].Receiving
}

func statsLine(r *api.Receiving) string {
	return fmt.Sprintf("%.1f fps %.0f Mbit/s %.1f ms", r.FPS, r.MbitS, r.LatencyMS.P50)
}
