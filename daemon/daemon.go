// Package daemon is one vchat device. It wires the packages below it together
// and is the only one that knows them all.
//
//	           ┌───────── control socket ◀──▶ vchatctl
//	           ▼                ▲
//	         api_* ─▶ calls ─▶ events
//	           │       ▲  └─ messages ─┐
//	           ▼       │               ▼
//	camera ─▶ Hub ─────┼─ frames ──▶ links ◀──▶ peers
//	   │       │       │               │
//	   │       ▼       └───────── linkHandler
//	   │    viewers                    └─▶ callSession.hub ─▶ viewers
//	   └ state ─▶ events, peers
//
// Guarantees:
//   - One mutex, mu, guards the calls, the links that are up and the viewers.
//     It is never held while waiting. The bytes of frames do not need it.
//   - Calls survive a restart of the daemon and the loss of a link.
//   - While privacy mode is on, no camera is open. Only SetPrivacy turns it
//     off.
//   - Run returns within two seconds after its context is done.
//
// Goroutines: Run starts one per part, in this order, and stops them in the
// reverse order: systemd notifications, call store, hooks, camera, camera
// state, camera inspector, stats, links, discovery, devices on the network,
// control socket, metrics, feeds.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/call"
	"vchat/daemon/camera"
	"vchat/daemon/camerastore"
	"vchat/daemon/configfile"
	"vchat/daemon/control"
	"vchat/daemon/discovery"
	"vchat/daemon/feeds"
	"vchat/daemon/frame"
	"vchat/daemon/hooks"
	"vchat/daemon/identity"
	"vchat/daemon/link"
	"vchat/daemon/logging"
	"vchat/daemon/metrics"
	"vchat/daemon/netwatch"
	"vchat/daemon/peerstore"
	"vchat/daemon/smallfile"
	"vchat/daemon/wire"
)

// ErrUnavailable reports that a required resource cannot be used: the port or
// the control socket is taken, or the key cannot be read.
var ErrUnavailable = errors.New("not available")

// ErrNoKey reports that there is no key and none can be created. A restart does
// not change that.
var ErrNoKey = errors.New("this device has no key, and none can be created")

// ErrState reports that the state directory or the key is refused: it is
// damaged, or others may change it. A restart does not change that.
var ErrState = errors.New("state directory refused")

// Version is the version of the programs in this tree.
const Version = api.Version

const (
	stopTimeout  = 1800 * time.Millisecond // for all parts together
	extraTimeout = 100 * time.Millisecond  // for each part after one that timed out, so that calls are still saved
)

// Daemon is one device. Its methods are safe for concurrent use.
type Daemon struct {
	log         *slog.Logger
	level       *slog.LevelVar // nil: the caller sets the level
	started     time.Time
	startConfig *config.Config // listen, control and state_dir apply until the end
	callsFile   string
	identity    *identity.Identity

	camera    *camera.Camera
	inspector *camera.Inspector
	links     *link.Links
	discovery finder
	control   *control.Server
	metrics   *metrics.Server
	feeds     *feeds.Server
	hooks     *hooks.Hooks
	events    *control.Events
	pool      *frame.Pool // for frames encoded for viewers

	ready       chan struct{} // closed by Run
	statusDirty chan struct{} // wakes notifySystemd
	storeDirty  chan struct{} // wakes saveCalls
	statsDirty  chan struct{} // wakes publishStats

	devicesDirty chan struct{} // wakes publishDevices

	privacyMu sync.Mutex // serialises SetPrivacy, disk included

	reloadMu sync.Mutex       // serialises reloads and the use of file; it comes before configMu
	file     *configfile.File // nil: the configuration does not come from a file

	// configMu serialises changes of the configuration and of the paired peers,
	// disk included. It comes before mu.
	configMu   sync.Mutex
	fileConfig *config.Config // as loaded, without the paired peers
	store      *peerstore.Store

	cameraStore *camerastore.Store // of what users have chosen; configMu serialises changes

	pairings pairings

	mu            sync.Mutex
	cfg           *config.Config            // fileConfig, the paired peers and the chosen camera
	paired        map[string]peerstore.Peer // the paired ones of cfg.Peers, by name there
	calls         *call.Calls
	deadlineTimer *time.Timer             // for the next deadline of calls; nil until there is one
	up            map[string]*link.Link   // by peer
	sessions      map[string]*callSession // by peer
	viewers       map[*viewer]struct{}
	viewerCount   uint64                   // since the start
	encodings     map[*frame.Hub]*encoding // of feeds with viewers
	stopping      bool                     // step refuses every event
	stateErr      error                    // why the state directory cannot be written; nil: it can
	stateLost     string                   // what could not be read from it at the start
	refused       *refusedConfig           // nil: the configuration file is in effect
}

// New returns a device with the key and the calls in its state directory. It
// opens and starts nothing else before Run. The level, if not nil, follows the
// configuration. Errors: ErrNoKey, ErrState, ErrUnavailable.
func New(cfg *config.Config, log *slog.Logger, level *slog.LevelVar) (*Daemon, error) {
	log = slog.New(logging.LimitPeers(log.Handler()))
	id, created, err := openState(cfg.StateDir)
	if err != nil {
		return nil, err
	}
	store := peerstore.Open(cfg.StateDir)
	for _, p := range store.Problems() {
		log.Warn("paired peers not complete", "err", p)
	}
	switch {
	case created && len(store.List()) > 0: // the key is lost, and with it the id
		log.Error("no key found; new key created: pair again with every peer", "dir", cfg.StateDir, "id", id.ID())
	case created:
		log.Info("new key created", "dir", cfg.StateDir, "id", id.ID())
	}
	cameraStore := camerastore.Open(cfg.StateDir)
	if p := cameraStore.Problem(); p != "" {
		log.Warn(p)
	}
	merged, paired := withPaired(cfg, store.List(), id.ID())
	chooseCamera(merged, cameraStore.Choice())
	peers, err := linkPeers(merged, id.ID())
	if err != nil {
		return nil, err
	}
	d := &Daemon{
		log: log, level: level, started: time.Now(), startConfig: cfg, identity: id,
		callsFile:   filepath.Join(cfg.StateDir, CallsFile),
		pool:        frame.NewPool(4),
		ready:       make(chan struct{}),
		statusDirty: make(chan struct{}, 1),
		storeDirty:  make(chan struct{}, 1),
		statsDirty:  make(chan struct{}, 1),

		devicesDirty: make(chan struct{}, 1),

		fileConfig:  cfg,
		store:       store,
		cameraStore: cameraStore,
		cfg:         merged,
		paired:      paired,
		calls:       call.New(callConfig(merged)),
		up:          map[string]*link.Link{},
		sessions:    map[string]*callSession{},
		viewers:     map[*viewer]struct{}{},
		encodings:   map[*frame.Hub]*encoding{},
	}
	if level != nil {
		level.Set(cfg.Log.Level)
	}
	d.makeParts(peers)
	return d, nil
}

// makeParts makes what Run runs.
func (d *Daemon) makeParts(peers []link.Peer) {
	cfg, log := d.startConfig, d.log
	d.camera = camera.New(cameraConfig(d.cfg, cfg, d.cameraStore), log)
	d.inspector = camera.NewInspector(d.camera)
	d.links = link.New(link.Config{
		Identity: d.identity, Name: cfg.Name, Software: "vchat " + Version, Instance: instance(cfg.StateDir),
		Handler: (*linkHandler)(d), Log: log,
		Network: netwatch.Watch, Pairing: d.servePairing, Listening: func() { notify(d.statusDirty) },
		Keys: loadPeerKeys(cfg.StateDir), OnKeys: keepPeerKeys(cfg.StateDir, log),
	})
	d.configureRelays(cfg)
	d.links.Configure(cfg.Name, peers)
	d.discovery = discovery.New(discovery.Config{
		ID: d.ID(), Version: int(wire.VersionMax), Log: log, Changed: func() { notify(d.devicesDirty) },
		Network: netwatch.Watch,
	})
	d.events = control.NewEvents(d.Status)
	d.control = control.New(control.Config{
		Socket: cfg.Control.Socket, WatchGroup: cfg.Control.WatchGroup, Group: cfg.Control.Group,
		PairGroup: cfg.Control.PairGroup, AdminGroup: cfg.Control.AdminGroup, Version: Version,
	}, d, log)
	d.hooks = hooks.New(log)
	d.hooks.Configure(hooksConfig(cfg, cfg))
	d.metrics = metrics.New(d.Metrics, log)
	d.metrics.Listen(cfg.Metrics)
	d.feeds = feeds.New(d, cfg.StateDir, log)
	d.feeds.Listen(cfg.Feeds)
}

// ID returns the fingerprint of this device's key.
func (d *Daemon) ID() identity.ID { return d.identity.ID() }

// Ready returns a channel that is closed once Run listens on the control
// socket and, if this device has the address already, for peers.
func (d *Daemon) Ready() <-chan struct{} { return d.ready }

// Addr returns the address for peers, or nil if the device does not listen. It
// is valid after Ready.
func (d *Daemon) Addr() net.Addr { return d.links.Addr() }

// listenAddress returns Addr as text, "" for nil.
func (d *Daemon) listenAddress() string {
	if a := d.Addr(); a != nil {
		return a.String()
	}
	return ""
}

// Run serves until ctx is done, which returns nil, or until a part fails. It
// leaves calls open: they resume when the device is back.
//
// Run returns at most two seconds after ctx is done. A driver that does not
// close its camera by then is left behind and reported as an error.
func (d *Daemon) Run(ctx context.Context) error {
	unlock, err := lockState(d.startConfig.StateDir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.listen(); err != nil {
		return err
	}
	d.keepConfig()
	// Stopped in reverse: viewers and peers first, then the camera they use.
	parts := []*part{
		{name: "systemd notifications", run: d.notifySystemd},
		{name: "call store", run: d.saveCalls},
		{name: "hooks", run: d.hooks.Run},
		{name: "camera", run: d.camera.Run},
		{name: "camera state", run: d.publishCamera},
		{name: "camera inspector", run: d.inspector.Run},
		{name: "stats", run: d.publishStats},
		{name: "links", run: d.links.Run},
		{name: "discovery", run: d.discovery.Run},
		{name: "devices on the network", run: d.publishDevices},
		{name: "control", run: d.control.Serve},
		{name: "metrics", run: d.metrics.Run},
		{name: "feeds", run: d.feeds.Run},
	}
	smallfile.RemoveTemporaries(d.startConfig.StateDir) // under the lock: none is being written
	d.store.RemoveTemporaries()
	_ = d.checkState()
	d.restorePrivacy()
	d.restoreCalls()
	d.configureDiscovery()
	failed := make(chan error, len(parts))
	for _, p := range parts {
		p.start(failed)
	}
	// Both sockets listen, and what has started serves them: this goroutine
	// need not wait until the other parts have found out about the network, the
	// camera and the peers.
	sdNotify(sdReady)
	close(d.ready)
	d.log.Info("ready", "name", d.startConfig.Name, "id", d.ID(), "listen", d.listenAddress(),
		"control", d.startConfig.Control.Socket, "version", Version)
	select {
	case <-ctx.Done():
		d.log.Info("stopping")
	case err = <-failed:
	}
	sdNotify("STOPPING=1")
	return errors.Join(err, d.stop(parts))
}

func (d *Daemon) listen() error {
	if err := d.control.Listen(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if d.startConfig.Listen == "" {
		return nil
	}
	if err := d.links.Listen(d.startConfig.Listen); err != nil {
		return errors.Join(fmt.Errorf("%w: %w", ErrUnavailable, err), d.control.Close())
	}
	return nil
}

// stop stops the parts one by one, the last one first.
func (d *Daemon) stop(parts []*part) error {
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	d.mu.Lock()
	d.stopping = true
	if d.deadlineTimer != nil {
		d.deadlineTimer.Stop()
	}
	d.mu.Unlock()
	d.pairings.stopRequests()
	var err error
	for _, p := range slices.Backward(parts) {
		p.cancel()
		select {
		case <-p.done:
		case <-timeout.C:
			err = errors.Join(err, fmt.Errorf("stop %s: not done within %v", p.name, stopTimeout))
			timeout.Reset(extraTimeout)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.sessions {
		s.lease.release()
		s.hub.End(fmt.Errorf("%s is shutting down", d.cfg.Name))
	}
	return err
}

// part is a goroutine of Run.
type part struct {
	name   string
	run    func(context.Context) error // until its context is done
	cancel context.CancelFunc
	done   chan struct{}
}

// start runs the part. If it returns before cancel, failed receives the error.
func (p *part) start(failed chan<- error) {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.done = cancel, make(chan struct{})
	go func() {
		defer close(p.done)
		err := p.run(ctx)
		if ctx.Err() == nil {
			failed <- errors.Join(fmt.Errorf("%s stopped unexpectedly", p.name), err)
		}
	}()
}
