// Package discovery announces this device on the local network and lists the
// others that do, by DNS-SD (RFC 6763) over mDNS (RFC 6762).
//
// Guarantees:
//   - If avahi-daemon runs, it does the work, over D-Bus; if not, a responder
//     of our own does, and never both. Discovery follows avahi-daemon as it
//     comes and goes, and does not start it.
//   - Nothing that is announced is trusted: a Device is a hint for where to
//     connect, and TLS decides. The Internet is no place of a device.
//   - Its memory is bounded, whatever others announce, and so is its work. An
//     announcement never pushes out another one, and a known peer always has a
//     place.
//   - Without traffic it wakes up to refresh what it has found, about every
//     100 s, or to look for others, every 5 min.
//
// The responder is not pion/mdns: that one keeps every service it has ever seen
// and polls. Avahi as a client, and DNS as bytes, are parsed by godbus and
// x/net/dns/dnsmessage.
//
// Goroutines, all of them ended when Run returns:
//
//	Run ─┬─ changes of the network
//	     ├─ the connection to D-Bus ──▶ avahi ───────┐
//	     └─ mdns ─┬─ readers                         ├─▶ table ──▶ Changed
//	              └─ responder ──────────────────────┘
package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/time/rate"

	"vchat/daemon/identity"
)

// By is what does the work.
type By string

// What does the work.
const (
	ByNone  By = ""      // discovery is off, or starting
	ByAvahi By = "avahi" // avahi-daemon
	ByMDNS  By = "mdns"  // this process
)

// Config configures Discovery. Network is optional.
type Config struct {
	ID      identity.ID
	Version int // of the protocol
	Log     *slog.Logger
	// Changed reports that Devices or By have changed. It is called often, from
	// the goroutine of Run, and must return at once.
	Changed func()
	// Network calls changed after each change of the network until ctx ends, as
	// netwatch.Watch does.
	Network func(ctx context.Context, changed func()) error

	// For tests.
	BusAddress string // of D-Bus; "": the system's
	Loopback   bool   // own mDNS on the loopback interface, and on no other
}

// Settings can be changed while Run runs.
type Settings struct {
	On   bool
	Name string // of this device
	// Listen is where this device accepts connections. Port 0: it does not, and
	// only looks for others. A loopback address switches discovery off: nothing
	// of this device is on the network.
	Listen netip.AddrPort
	Known  []identity.ID // of the peers
}

// Discovery finds devices. Its methods are safe for concurrent use.
type Discovery struct {
	cfg     Config
	table   *table
	changed chan struct{} // the settings have changed

	mu       sync.Mutex
	settings Settings
	by       By
	started  rate.Sometimes // limits the log while avahi-daemon comes and goes
}

// New returns Discovery that is off until Configure.
func New(cfg Config) *Discovery {
	if cfg.Changed == nil {
		cfg.Changed = func() {}
	}
	return &Discovery{cfg: cfg, table: newTable(cfg.ID, cfg.Changed), changed: make(chan struct{}, 1),
		started: rate.Sometimes{First: 3, Interval: time.Minute}}
}

// Configure changes the settings. It does not wait for Run to follow.
func (d *Discovery) Configure(s Settings) {
	d.table.setKnown(s.Known)
	d.mu.Lock()
	old := d.settings
	d.settings = s
	d.mu.Unlock()
	if old.On != s.On || old.Name != s.Name || old.Listen != s.Listen {
		notify(d.changed)
	}
}

func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Devices returns the devices that announce themselves now, sorted by name:
// the known ones, and at most 64 others.
func (d *Discovery) Devices() []Device { return d.table.list() }

// By returns what does the work now.
func (d *Discovery) By() By {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.by
}

func (d *Discovery) setBy(by By) {
	d.mu.Lock()
	changed := d.by != by
	d.by = by
	d.mu.Unlock()
	if changed {
		d.cfg.Changed()
	}
	if changed && by != ByNone {
		d.started.Do(func() { d.cfg.Log.Info("discovery started", "by", string(by)) })
	}
}

func (d *Discovery) isOn(s Settings) bool {
	return s.On && (d.cfg.Loopback || !s.Listen.Addr().IsLoopback())
}

// On reports whether the settings switch discovery on.
func (d *Discovery) On() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.isOn(d.settings)
}

// Run works until ctx ends. It returns nil: discovery is never required.
func (d *Discovery) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		select {
		case <-d.changed: // the settings that are read now
		default:
		}
		d.mu.Lock()
		s := d.settings
		d.mu.Unlock()
		if d.isOn(s) {
			own := Own{ID: d.cfg.ID, Name: s.Name, Version: d.cfg.Version, Port: s.Listen.Port()}
			if a := s.Listen.Addr(); a.IsValid() && !a.IsUnspecified() {
				own.Only = a.Unmap().WithZone("")
			}
			(&runner{d: d, own: own}).run(ctx)
			continue
		}
		select {
		case <-d.changed:
		case <-ctx.Done():
		}
	}
	return nil
}

const (
	busRetry     = 5 * time.Minute // after a failure that no signal and no change of the network ends
	avahiRetry   = 5 * time.Second // after signals of Avahi were lost
	networkPause = 500 * time.Millisecond
)

// runner is Run with one set of settings. Only its goroutine uses it.
type runner struct {
	d      *Discovery
	own    Own
	bus    *bus         // nil: none
	avahi  *avahi       // nil: none; else mdns is nil
	mdns   *runningMDNS // nil: none; else avahi is nil
	failed string       // the last failure that was logged
	work   sync.WaitGroup
}

// runningMDNS is a responder of our own in its goroutine.
type runningMDNS struct {
	cancel  context.CancelFunc
	done    chan struct{}
	changed chan struct{} // the interfaces have changed
}

// run works until ctx ends or the settings change.
func (r *runner) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer r.work.Wait()
	defer cancel()
	defer r.stop()
	network := make(chan struct{}, 1)
	if watch := r.d.cfg.Network; watch != nil {
		r.work.Go(func() { _ = watch(ctx, func() { notify(network) }) })
	}
	choose, settled := time.NewTimer(0), time.NewTimer(0)
	settled.Stop()
	defer choose.Stop()
	defer settled.Stop()
	for {
		var queue <-chan *dbus.Signal
		var lost <-chan struct{}
		if r.bus != nil {
			queue, lost = r.bus.signals.queue, r.bus.done()
		}
		select {
		case <-choose.C:
			if again := r.choose(ctx); again > 0 {
				choose.Reset(again)
			}
		case s := <-queue:
			if again, ok := r.onSignal(ctx, s); ok {
				choose.Reset(again)
			}
		case <-lost:
			r.bus, r.avahi = nil, nil
			r.d.table.clear()
			choose.Reset(0)
		case <-network: // a burst counts once
			settled.Reset(networkPause)
		case <-settled.C:
			if r.mdns != nil {
				notify(r.mdns.changed)
			}
			if r.bus == nil || r.mdns == nil && r.avahi == nil {
				choose.Reset(0)
			}
		case <-r.d.changed:
			return
		case <-ctx.Done():
			return
		}
	}
}

// choose starts Avahi or mDNS and stops the other one. It returns when to call
// it again, 0 for never.
func (r *runner) choose(ctx context.Context) time.Duration {
	if r.bus == nil {
		b, err := dialBus(ctx, r.d.cfg.BusAddress)
		if err != nil {
			r.d.cfg.Log.Debug("no D-Bus", "err", err)
			r.startMDNS(ctx)
			return busRetry
		}
		r.bus = b
	}
	owner, err := r.bus.avahi(ctx)
	switch {
	case err != nil:
		r.fail(ctx, fmt.Errorf("ask D-Bus for Avahi: %w", err))
		return busRetry
	case owner == "":
		r.stopAvahi()
		if !r.startMDNS(ctx) {
			return busRetry
		}
	case r.avahi == nil || r.avahi.owner != owner:
		r.stopAvahi()
		r.stopMDNS()
		if err := r.startAvahi(ctx, owner); err != nil {
			r.stopAvahi()
			r.fail(ctx, fmt.Errorf("use Avahi: %w", err))
			return busRetry
		}
	}
	return 0
}

// fail logs why nothing works, once.
func (r *runner) fail(ctx context.Context, err error) {
	if text := err.Error(); text != r.failed && ctx.Err() == nil {
		r.failed = text
		r.d.cfg.Log.Warn("discovery does not work", "err", err)
	}
}

func (r *runner) startAvahi(ctx context.Context, owner string) error {
	r.bus.signals.owner.Store(&owner)
	r.avahi = &avahi{bus: r.bus, owner: owner, own: r.own, table: r.d.table, log: r.d.cfg.Log,
		interfaces: interfaceByIndex}
	err := r.avahi.start(ctx)
	if err == nil {
		r.d.setBy(ByAvahi)
	}
	return err
}

func (r *runner) stopAvahi() {
	if r.avahi == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	r.avahi.stop(ctx)
	r.avahi = nil
	r.d.setBy(ByNone)
}

const stopTimeout = 500 * time.Millisecond // for Avahi to take everything back

// onSignal handles a signal. It returns when to choose, and whether to.
func (r *runner) onSignal(ctx context.Context, s *dbus.Signal) (time.Duration, bool) {
	if r.bus.signals.lost.Swap(false) { // the rest is of no use
		r.stopAvahi()
		return avahiRetry, true
	}
	if isOwnerChange(s) {
		return 0, true
	}
	if r.avahi == nil || s.Sender != r.avahi.owner {
		return 0, false
	}
	if err := r.avahi.onSignal(ctx, s); err != nil {
		r.fail(ctx, fmt.Errorf("use Avahi: %w", err))
		r.stopAvahi()
		return avahiRetry, true
	}
	return 0, false
}

// startMDNS reports whether mDNS runs.
func (r *runner) startMDNS(ctx context.Context) bool {
	if r.mdns != nil {
		return true
	}
	s, err := openSockets()
	if err != nil {
		r.fail(ctx, err)
		return false
	}
	ctx, cancel := context.WithCancel(ctx)
	r.mdns = &runningMDNS{cancel: cancel, done: make(chan struct{}), changed: make(chan struct{}, 1)}
	m := mdns{responder: newResponder(r.own, r.d.table), sockets: s, changed: r.mdns.changed, log: r.d.cfg.Log,
		interfaces: func() ([]netInterface, error) { return usable(r.d.cfg.Loopback) }}
	go func() {
		defer close(r.mdns.done)
		m.run(ctx)
	}()
	r.d.setBy(ByMDNS)
	return true
}

func (r *runner) stopMDNS() {
	if r.mdns == nil {
		return
	}
	r.mdns.cancel()
	<-r.mdns.done
	r.mdns = nil
	r.d.table.clear()
	r.d.setBy(ByNone)
}

// stop stops everything.
func (r *runner) stop() {
	r.stopAvahi()
	r.stopMDNS()
	if r.bus != nil {
		r.bus.close()
	}
	r.d.table.clear()
	r.d.setBy(ByNone)
}
