// Package daemon is one vchat device: it puts the rooms below it together and is the only place that knows them all.
//
//	           ┌──────────── control socket ◀── vchatctl
//	           ▼                   ▲
//	        backend ─▶ calls ─▶ events
//	           │         ▲  │
//	           │         │  └─ what to send, whom to show ─┐
//	camera ─▶ Hub ───────┼─────────────────────────────────▼
//	   │       └─▶ viewers of self            links ◀──▶ peers
//	   │                 └── what has come ─────┤
//	   └ state ─▶ events, peers                 └─▶ party.hub ─▶ viewers of the peer
//
// All state that is decided on (the calls, who is linked, who looks) lies under one mutex, which is never held while
// waiting for anybody; frames pass beside it. Run owns every goroutine and waits for it: one that talks to systemd, one
// that writes the calls to disk, the camera's, one that passes its state on and one that waits for the last question to a
// camera, one that tells numbers, the links', the control socket's, that of the metrics. They are started in this order and
// ended in the reverse one.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/call"
	"vchat/daemon/camera"
	"vchat/daemon/control"
	"vchat/daemon/frame"
	"vchat/daemon/identity"
	"vchat/daemon/link"
	"vchat/daemon/logging"
	"vchat/daemon/metrics"
	"vchat/daemon/netwatch"
)

// ErrUnavailable says that something the daemon cannot run without is not to be had: its port or its control socket is
// taken, its state directory cannot be written.
var ErrUnavailable = errors.New("not available")

// Version is that of the programs of this tree.
const Version = api.Version

// stopTime is how long an orderly end may take.
const stopTime = 1800 * time.Millisecond

// lateTime is what the parts after one that is late still get, such as the one that writes the calls.
const lateTime = 100 * time.Millisecond

// Daemon is one device.
type Daemon struct {
	log       *slog.Logger
	level     *slog.LevelVar // nil: not ours to change
	started   time.Time
	first     *config.Config // that of the start, whose port, socket and state directory stay
	identity  *identity.Identity
	camera    *camera.Camera
	inspector *camera.Inspector // to cameras, beside its stream
	links     *link.Links
	control   *control.Server
	metrics   *metrics.Server
	events    *control.Events
	pool      *frame.Pool // of frames that are encoded for viewers
	ready     chan struct{}
	dirty     chan struct{} // the calls on disk are not those in memory
	news      chan struct{} // systemd is to be told
	talks     chan struct{} // a call has changed: numbers may be to be told

	callsFile string
	deciding  sync.Mutex // about privacy: one at a time, the disk included

	mu        sync.Mutex
	cfg       *config.Config
	calls     *call.Calls
	alarm     *time.Timer             // the calls' next deadline
	up        map[string]*link.Link   // by peer
	sessions  map[string]*callSession // by peer: those with whom there is a call
	viewers   map[*viewer]struct{}
	viewed    uint64                   // how many viewers there have been
	encodings map[*frame.Hub]*encoding // of the feeds that somebody looks at
	ending    bool                     // nothing is decided any more
}

// New makes a device from its configuration and the key and calls in its state directory. Nothing is opened or started
// before Run. The level, if not nil, follows the configuration. Errors: ErrUnavailable, or those of identity.
func New(cfg *config.Config, log *slog.Logger, level *slog.LevelVar) (*Daemon, error) {
	log = slog.New(logging.LimitPeers(log.Handler()))
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("state directory: %w: %w", ErrUnavailable, err)
	}
	id, err := identity.LoadOrCreate(cfg.StateDir)
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return nil, fmt.Errorf("key of this device: %w: %w", ErrUnavailable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("key of this device: %w", err)
	}
	d := &Daemon{log: log, level: level, identity: id, first: cfg, cfg: cfg, started: time.Now(), pool: frame.NewPool(4),
		callsFile: filepath.Join(cfg.StateDir, CallsFile),
		calls:     call.New(callConfig(cfg)),
		ready:     make(chan struct{}), dirty: make(chan struct{}, 1), news: make(chan struct{}, 1), talks: make(chan struct{}, 1),
		up: map[string]*link.Link{}, sessions: map[string]*callSession{}, viewers: map[*viewer]struct{}{},
		encodings: map[*frame.Hub]*encoding{}}
	if level != nil {
		level.Set(cfg.Log.Level)
	}
	warnOfIdleKeys(cfg, log)
	d.camera = camera.New(cameraConfig(cfg), log)
	d.inspector = camera.NewInspector(d.camera)
	d.links = link.New(link.Config{Identity: id, Name: cfg.Name, Software: "vchat " + Version, Handler: (*linkHandler)(d),
		Log: log, Network: netwatch.Watch})
	peers, err := linkPeers(cfg)
	if err != nil {
		return nil, err
	}
	d.links.Configure(cfg.Name, peers)
	d.events = control.NewEvents(d.Status)
	d.control = control.New(control.Config{Socket: cfg.Control.Socket, Group: cfg.Control.Group, Version: Version},
		d, log)
	d.metrics = metrics.New(d.Metrics, log)
	d.metrics.Listen(cfg.Metrics)
	return d, nil
}

// ID is the fingerprint of this device's key.
func (d *Daemon) ID() identity.ID { return d.identity.ID() }

// Ready is closed once Run listens on the control socket and for peers.
func (d *Daemon) Ready() <-chan struct{} { return d.ready }

// Addr is where peers reach this device after Ready; nil if it does not listen.
func (d *Daemon) Addr() net.Addr { return d.links.Addr() }

// listens is Addr for people.
func (d *Daemon) listens() string {
	if a := d.Addr(); a != nil {
		return a.String()
	}
	return ""
}

// Run serves until ctx ends, which gives nil, or a part fails. Calls are not ended by it: they are resumed when the
// device is back. It returns when nothing runs any more, but at the latest two seconds after the end of ctx: a driver
// that does not let go of a camera is left behind, with an error.
func (d *Daemon) Run(ctx context.Context) error {
	unlock, err := lockState(d.first.StateDir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.listen(); err != nil {
		return err
	}
	// Started from the inside out, stopped from the outside in: viewers first, then peers, then the camera they look at.
	parts := []*part{
		{name: "systemd", run: d.tellSystemd},
		{name: "state", run: d.keepState},
		{name: "camera", run: d.camera.Run},
		{name: "camera state", run: d.followCamera},
		{name: "camera inspector", run: d.inspector.Run},
		{name: "numbers", run: d.tellNumbers},
		{name: "links", run: d.links.Run},
		{name: "control", run: d.control.Serve},
		{name: "metrics", run: d.metrics.Run},
	}
	d.restorePrivacy()
	d.restore()
	failed := make(chan error, len(parts))
	for _, p := range parts {
		p.start(failed)
	}
	close(d.ready)
	d.log.Info("ready", "name", d.first.Name, "id", d.ID(), "listen", d.listens(), "control", d.first.Control.Socket, "version", Version)
	select {
	case <-ctx.Done():
		d.log.Info("stopping")
	case err = <-failed:
	}
	tell("STOPPING=1")
	return errors.Join(err, d.stop(parts))
}

func (d *Daemon) listen() error {
	if err := d.control.Listen(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if d.first.Listen == "" {
		return nil
	}
	if err := d.links.Listen(d.first.Listen); err != nil {
		// The control socket is taken away by Serve.
		over, cancel := context.WithCancel(context.Background())
		cancel()
		return errors.Join(fmt.Errorf("%w: %w", ErrUnavailable, err), d.control.Serve(over))
	}
	return nil
}

// stop ends the parts one after the other, the last one first.
func (d *Daemon) stop(parts []*part) error {
	late := time.NewTimer(stopTime)
	defer late.Stop()
	d.mu.Lock()
	d.ending = true
	if d.alarm != nil {
		d.alarm.Stop()
	}
	d.mu.Unlock()
	var err error
	for _, p := range slices.Backward(parts) {
		p.cancel()
		select {
		case <-p.done:
		case <-late.C: // the others get no time of their own, but are told, and most need none
			err = errors.Join(err, fmt.Errorf("%s did not stop within %v", p.name, stopTime))
			late.Reset(lateTime)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.sessions {
		p.held.release()
		p.hub.End(errors.New("this device stops"))
	}
	return err
}

// part is one of the rooms that run.
type part struct {
	name   string
	run    func(context.Context) error
	cancel context.CancelFunc
	done   chan struct{}
}

func (p *part) start(failed chan<- error) {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.done = cancel, make(chan struct{})
	go func() {
		defer close(p.done)
		err := p.run(ctx)
		if ctx.Err() == nil {
			failed <- errors.Join(fmt.Errorf("%s ended by itself", p.name), err)
		}
	}()
}
