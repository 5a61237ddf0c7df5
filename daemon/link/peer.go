package link

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"vchat/daemon/identity"
	"vchat/daemon/socks"
	"vchat/daemon/transport"
	"vchat/daemon/wire"
)

// peer is one known device and the link to it.
type peer struct {
	Name       string
	ID         identity.ID
	links      *Links
	ctx        context.Context // set by Links.start
	cancel     context.CancelCauseFunc
	wake       chan struct{} // makes the dialer check the state
	inCall     atomic.Bool   // a call waits for the link or uses it
	greeting   greeting      // accepted connections before the hello
	limits     limits
	counters   transport.Counters
	maxBitrate atomic.Uint64 // in bytes a second, the bits of a float64; 0: no limit

	// switching is held while a link becomes the current one or ends, and while
	// the Handler is called for it, so that the calls come in the order of the
	// changes. Successive peers of the same name share it.
	switching *sync.Mutex

	twin twinVar // another device with the key of the peer

	probes probes

	waitersMu sync.Mutex // taken last
	waiters   []*relayWaiter

	mu           sync.Mutex
	book         addressBook
	callInstance uint64        // of the device in the present call; 0: there is none, or it is not known
	current      *Link         // the nominated one
	pending      []*Link       // hellos exchanged, not nominated yet; oldest first
	raceStart    time.Duration // frame.Now when current and pending were pinged
	linkCount    int           // links since the start
	pause        *backoff
	retryAt      time.Time      // no attempt before
	foundAt      time.Time      // when a found address last ended the pause
	lastErr      error          // why there is no link now
	directErr    error          // why the last attempt at the addresses has failed, if there is no direct link
	moves        rate.Sometimes // logs that a link has moved
	refusedAt    time.Time      // when lastErr was permanent
	mismatch     mismatch
	failedAt     time.Time
	outage       outageLog
}

// Status describes the link to a peer.
type Status struct {
	Up         bool
	Since      time.Time     // of Up, or of the last failure
	Reconnects int           // links after the first one
	Err        error         // why the link is not up; nil before the first attempt
	RTT        time.Duration // the latest
	RTTMin     time.Duration // of the last 64 pings
	Offset     time.Duration // the peer's CLOCK_MONOTONIC minus ours, with an error of at most RTTMin/2
	Sent       uint64        // bytes since the start, including TLS
	Received   uint64        // the same
	Software   string        // the peer's program and version
	Path       Path          // of the link, if it is up
	Remote     string        // likewise, see Link.Remote
	DirectErr  error         // why there is no direct link, if an address is known and was tried; or nil
	Twin       string        // address of another device with the peer's key, seen lately; or empty
	Sending    Sending
	Receiving  Receiving
}

func newPeer(ls *Links, p Peer) *peer {
	return &peer{Name: p.Name, ID: p.ID, book: addressBook{configured: p.Address, proxy: p.Proxy}, links: ls,
		wake: make(chan struct{}, 1), switching: new(sync.Mutex), limits: newLimits(),
		probes: probes{turn: make(chan struct{}, 1)},
		pause:  newBackoff(100*time.Millisecond, 2*time.Second),
		outage: newOutageLog(), moves: rate.Sometimes{First: 10, Interval: time.Hour}}
}

func (p *peer) link() *Link {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

func (p *peer) status() Status {
	p.mu.Lock()
	l, s := p.current, Status{Reconnects: max(0, p.linkCount-1), Err: p.whyDown(), Since: p.failedAt,
		Sent: p.counters.Out.Load(), Received: p.counters.In.Load(), DirectErr: p.directErr}
	if l == nil {
		s.Err = p.whyNotByRelayEither(s.Err)
	}
	p.mu.Unlock()
	s.Twin = p.twin.get()
	if l != nil {
		s.Up, s.Since, s.Err = true, l.since, nil
		s.Path, s.Remote = l.route.path, l.Remote()
		s.RTT, s.RTTMin, s.Offset = l.clock.estimate()
		s.Software = l.theirs.Software
		s.Sending, s.Receiving = l.sent.sending(), l.received.receiving()
	}
	return s
}

// setInCall records whether a call waits for the link or uses it.
func (p *peer) setInCall(on bool) {
	if p.inCall.Swap(on) == on {
		return
	}
	p.mu.Lock()
	p.callInstance = 0
	p.noteInstance()
	p.mu.Unlock()
	if on {
		p.dialNow()
		if l := p.link(); l != nil {
			l.probe()
		}
		return
	}
	p.wakeDialer()
}

// dialNow ends the pause before the next attempt.
func (p *peer) dialNow() {
	p.mu.Lock()
	p.retryAt = time.Time{}
	p.book.resetFound()
	p.mu.Unlock()
	p.wakeDialer()
}

// onNetworkChange checks the link, which may be dead, and dials a peer that may
// be reachable now.
func (p *peer) onNetworkChange() {
	if l := p.link(); l != nil {
		l.probe()
	}
	p.dialNow()
	p.refreshWaiters()
}

// wakeDialer makes the dialer and the waiters check the state.
func (p *peer) wakeDialer() {
	notify(p.wake)
	p.wakeWaiters()
}

// setAddress changes the address of the next attempt. A link stays up.
func (p *peer) setAddress(address string, proxy *socks.Proxy) {
	p.mu.Lock()
	changed := p.book.configured != address || !p.book.proxy.Equal(proxy)
	if changed {
		p.directErr = nil
		p.book = addressBook{configured: address, proxy: proxy, found: p.book.found, foundGood: p.book.foundGood}
	}
	p.mu.Unlock()
	if changed {
		p.dialNow()
	}
}

// setMaxBitrate sets the limit of the video in Mbit/s; 0: none. It takes effect
// with the next frame.
func (p *peer) setMaxBitrate(mbit float64) { p.maxBitrate.Store(math.Float64bits(mbit * 1e6 / 8)) }

// maxRate returns the limit of the video in bytes a second; 0: none.
func (p *peer) maxRate() float64 { return math.Float64frombits(p.maxBitrate.Load()) }

// stop ends the peer's links and its dialling.
func (p *peer) stop(err error) {
	if p.cancel != nil {
		p.cancel(err)
	}
}

// livenessTimeout returns the silence that makes a link stale. Without a call
// pings are rare, and no link becomes stale.
func (p *peer) livenessTimeout() time.Duration {
	if p.inCall.Load() {
		return transport.StaleTimeout
	}
	return transport.DeadTimeout
}

func (p *peer) pingInterval() time.Duration {
	if p.inCall.Load() {
		return callPingInterval
	}
	return idlePingInterval
}

// onEnd handles the end of l.
func (p *peer) onEnd(l *Link, err error) {
	l.stopNominationTimer()
	p.switching.Lock()
	defer p.switching.Unlock()
	p.mu.Lock()
	wasCurrent := p.current == l
	if wasCurrent {
		p.current = nil
		p.retryAt = p.retryAfter(l, err)
	}
	p.removePending(l)
	p.mu.Unlock()
	if wasCurrent {
		p.onFailure(err)
		p.wakeDialer()
	}
	if l.nominated {
		p.links.cfg.Handler.Down(l, err)
	}
}

// retryAfter returns when to dial after the end of a link. The caller holds mu.
func (p *peer) retryAfter(l *Link, err error) time.Time {
	if errors.Is(err, ErrDead) {
		return time.Time{} // the peer has been dialled since the link became stale
	}
	if time.Since(l.since) > simultaneousDial {
		p.pause.reset() // the link was good
	}
	return time.Now().Add(p.pause.next())
}

// onFailure records why there is no link, and logs each kind of error once.
func (p *peer) onFailure(err error) {
	if err == nil || errors.Is(err, errReplaced) || errors.Is(err, context.Canceled) || p.ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	if p.current != nil {
		p.mu.Unlock()
		return // a second connection has failed
	}
	if p.lastErr == nil {
		p.failedAt = time.Now()
	}
	p.lastErr = err
	if isPermanent(err) {
		p.refusedAt = time.Now()
	}
	isNew, omitted := p.outage.add(logKey(err), time.Now(), p.failedAt)
	p.mu.Unlock()
	if isNew {
		p.logDown(err, omitted)
	}
	if bye := (*ByeError)(nil); errors.As(err, &bye) && bye.Code == wire.CodeSelfCall {
		p.links.twin.set("by " + p.Name) // logged above
	}
	if isPermanent(err) {
		p.links.cfg.Handler.Refused(p.Name, err)
	}
}

// logDown logs why there is no link, and how many links up and down were not
// logged before.
func (p *peer) logDown(err error, omitted int) {
	level := slog.LevelWarn
	if bye := (*ByeError)(nil); errors.As(err, &bye) && bye.Code == wire.CodeShutdown {
		level = slog.LevelInfo
	}
	attrs := append([]any{"peer", p.Name, "err", err}, hints(err)...)
	if omitted > 0 {
		attrs = append(attrs, "omitted", omitted)
	}
	p.links.cfg.Log.Log(p.ctx, level, "link down", attrs...)
}

// logLasting logs an outage that has become a lasting one.
func (p *peer) logLasting() {
	p.mu.Lock()
	err := p.lastErr
	if p.current != nil || err == nil {
		p.mu.Unlock()
		return
	}
	isNew, omitted := p.outage.add(logKey(err), time.Now(), p.failedAt)
	p.mu.Unlock()
	if isNew {
		p.logDown(err, omitted)
	}
}

// untilLasting returns when to call logLasting, if at all.
func (p *peer) untilLasting() (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil || p.lastErr == nil || !p.outage.isSilent() {
		return 0, false
	}
	return time.Until(p.failedAt.Add(lastingOutage)), true
}

// hints returns what a user can do about a key that has changed, for the log.
func hints(err error) []any {
	switch {
	case errors.Is(err, ErrWrongIdentity):
		return []any{"hint", mismatchHint}
	case errors.Is(err, ErrRefused) && !errors.Is(err, ErrTwin):
		return []any{"hint", "put this device's id under peers there"}
	}
	return nil
}
