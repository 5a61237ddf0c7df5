// Package demo runs two devices in one process, which call each other.
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

// ErrNoFrames says that the demo's frames did not flow both ways.
var ErrNoFrames = errors.New("frames did not flow both ways")

// Options is what can be chosen of a demo.
type Options struct {
	For time.Duration // then it ends by itself; 0: at the end of ctx
	Dir string        // of sockets and state; "": a temporary one that is removed at the end
	Out io.Writer     // how to look at it, and the status line
	TTY bool          // Out is a terminal, on which the status line may be written over itself
	Log *slog.Logger
}

// Run runs two whole devices, alice and bob, on loopback with the test camera. Alice calls, bob answers by himself.
// The error is ErrNoFrames if anything but frames flowed, or that of a device that failed.
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
	// A device has an end of its own: alice's comes first, so that she does not dial into the void and complain of it.
	run := func(cfg *config.Config) (*daemon.Daemon, func(), error) {
		d, err := daemon.New(cfg, o.Log.With("device", cfg.Name), nil)
		if err != nil {
			return nil, func() {}, err
		}
		own, end := context.WithCancel(context.WithoutCancel(ctx))
		var running sync.WaitGroup
		running.Go(func() { cancel(d.Run(own)) })
		stop := func() { end(); running.Wait() }
		select {
		case <-d.Ready():
			return d, stop, nil
		case <-ctx.Done():
			return nil, stop, context.Cause(ctx)
		}
	}
	ids := map[string]string{}
	for _, name := range []string{"alice", "bob"} {
		id, err := identity.LoadOrCreate(stateDir(dir, name))
		if err != nil {
			return fmt.Errorf("demo: key of %s: %w", name, err)
		}
		ids[name] = id.ID().String()
		// A call of an earlier demo in this directory would be resumed, and this one is to begin with its own.
		if err := os.Remove(filepath.Join(stateDir(dir, name), daemon.CallsFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("demo: %w", err)
		}
	}
	bob, stop, err := run(deviceConfig(dir, "bob", config.Peer{Name: "alice", ID: ids["alice"], AutoAnswer: true}))
	defer stop()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	alice, stop, err := run(deviceConfig(dir, "alice", config.Peer{Name: "bob", ID: ids["bob"], Address: bob.Addr().String()}))
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

func stateDir(dir, name string) string { return filepath.Join(dir, name) }

func deviceConfig(dir, name string, peer config.Peer) *config.Config {
	cfg := config.Default()
	cfg.Name, cfg.Listen, cfg.Camera.Device = name, "127.0.0.1:0", "test"
	cfg.Peers = map[string]config.Peer{peer.Name: peer}
	cfg.Control = config.Control{Socket: filepath.Join(dir, name+".sock")}
	cfg.StateDir = stateDir(dir, name)
	return cfg
}

func help(dir string) string {
	return fmt.Sprintf(`Two devices in one process: alice calls bob, and each shows the other its test camera.
Look at it from another terminal:

  export VCHAT_SOCKET=%s
  vchatctl status
  vchatctl view bob                    the frame; q ends it
  vchatctl view bob | ffplay -f mjpeg -
  vchatctl snapshot bob frame.jpg
  vchatctl hangup

(bob's is %s; from the source tree, vchatctl is: go run ./cmd/vchatctl). Ctrl-C ends the demo.

`, filepath.Join(dir, "alice.sock"), filepath.Join(dir, "bob.sock"))
}

// watch writes the status line until ctx ends, then sums up.
func watch(ctx context.Context, o Options, alice, bob *daemon.Daemon) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var fromBob, fromAlice api.Receiving // the latest that was seen
	flowed := false
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			if o.TTY {
				fmt.Fprintln(o.Out)
			}
			if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
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
			flowed = a.FPS > 0 && b.FPS > 0
			line = "alice sees " + rateLine(a) + ", bob sees " + rateLine(b)
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

func receiving(d *daemon.Daemon) *api.Receiving {
	s := d.Status()
	if len(s.Calls) == 0 {
		return nil
	}
	return s.Calls[0].Receiving
}

func rateLine(r *api.Receiving) string {
	return fmt.Sprintf("%.1f fps %.0f Mbit/s %.1f ms", r.FPS, r.MbitS, r.LatencyMS.P50)
}
