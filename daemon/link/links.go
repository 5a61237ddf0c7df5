// Package link keeps one authenticated connection to each peer: it listens,
// dials, exchanges hellos, detects a dead connection within three seconds, and
// makes a new one.
//
// Guarantees:
//   - The Handler gets Up for each link, then its messages and frames, then
//     Down.
//   - A message waits for the frame that is being written, and for no other.
//   - A frame that has to wait is dropped for a newer one; see sender.go.
//   - An unauthenticated device gets nothing but a refusal. Its connections and
//     the CPU time of their handshakes are limited; see admission.go.
//   - A peer cannot make this device work without limit, nor use more memory
//     than all peers together may: see limits.go. Frames without a viewer are
//     not decoded.
//   - Frames that the Handler gets have the size that they claim, and no
//     surprises for a decoder: see framecodec.Accept.
//
// Goroutines, all of them ended when Run returns:
//
//	Run ─┬─ accept ── one per connection: TLS, key, hello ──────────┐
//	     ├─ one dialer per peer ── attempts: resolve, connect,      ├─▶ Link:
//	     │                         TLS, hello ──────────────────────┘   reader,
//	     └─ network changes: probe the links, dial at once              sender
//
// The path of a frame:
//
//	camera ─ frame.Hub ─▶ sender.go ─▶ framecodec ─▶ transport ═══╗
//	                         └─ congestion ◀─── Feedback ◀─┐      ║ network
//	       Handler ◀─ framecodec ◀─ receiver.go ◀──────────┴─ transport
//
// Two connections to a peer exist for a moment when both sides dial at once, or
// when one side looks for a better one. The arbiter nominates one of them
// (arbitrate.go); the peer keeps all of them until then. The states of a
// connection:
//
//	                                 silence of 0.5 s, during
//	          hello       Nominate   a call or after a probe
//	connected ──▶ pending ──────▶ up ──────────────────────────▶ stale
//	    │            │            │ ◀────── bytes arrive ─────── │
//	    │ 5 s,       │ 5 s,       │ error, Bye,                  │ silence
//	    │ error      │ replaced   │ replaced                     │ of 2.5 s
//	    ▼            ▼            ▼                              ▼
//	 closed       closed         down                           down
//
// While a link is stale, the peer is dialled in parallel. The connection that
// answers first becomes the link.
package link

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"vchat/daemon/frame"
	"vchat/daemon/identity"
	"vchat/daemon/resolve"
	"vchat/daemon/socks"
	"vchat/daemon/transport"
	"vchat/daemon/wire"
)

const (
	handshakeTimeout    = 5 * time.Second        // for each of TLS, hello and nomination
	crowdedHelloTimeout = time.Second            // for the ClientHello, while many connections wait
	idlePingInterval    = 700 * time.Millisecond // three of them fit into transport.DeadTimeout
	callPingInterval    = 200 * time.Millisecond // two of them fit into transport.StaleTimeout
	simultaneousDial    = time.Second            // two connections this close together come from one simultaneous dial
	maxGreeting         = 8                      // accepted connections of one peer before the hello
	maxPending          = 8                      // connections of one peer that are not nominated
)

// Peer is a device that may connect. It is dialled if it has an address.
type Peer struct {
	Name    string
	Address string // host:port, or empty
	ID      identity.ID
	Proxy   *socks.Proxy // by which Address is dialled; nil: none

	MaxBitrate float64 // of the video that is sent to it, in Mbit/s; 0: no limit
}

// Handler receives the events of all links. Its methods are called from the
// goroutines of the links and must return soon. For one Link they are called
// one at a time: first Up, last Down. When a link replaces another one to the
// same peer, Up of the new one comes before Down of the old one. The methods
// may call Links.
type Handler interface {
	Up(l *Link)
	Down(l *Link, err error)
	// Refused reports an error that dialling again does not correct: one device
	// does not accept the other's key (ErrWrongIdentity, ErrRefused), or they
	// have no common version (wire.ErrVersion).
	Refused(peer string, err error)
	Message(l *Link, m wire.Message)
	// Wants reports what is wanted of the next frame. It is called before each
	// frame.
	Wants(l *Link) Wanted
	// Skipped reports a frame that has arrived but is not decoded, because it
	// has no viewer: Wants has returned WantsNewest, and the frame is
	// expensive. Only its header was checked.
	Skipped(l *Link, m frame.Meta)
	// Frame takes over the reference to f.
	Frame(l *Link, f *frame.Frame)
	// Quality reports that the quality of sent frames was reduced or restored;
	// Status has the reason. It is called from another goroutine, between Up
	// and Down or shortly after.
	Quality(l *Link)
}

// Wanted is what a Handler wants of a frame.
type Wanted int

// What a Handler wants.
const (
	WantsNothing Wanted = iota // there is no call: frames are discarded
	WantsNewest                // there is no viewer: a frame is only kept for the next one
	WantsAll                   // there is a viewer
)

// Config configures Links. Pairing, Keys, OnKeys, Listen, Dial, Lookup, Network
// and Listening are optional.
type Config struct {
	Identity *identity.Identity
	Name     string // of this device, for the hello
	Software string // program and version, for the hello
	Instance uint64 // differs between devices with one key, for the hello; 0: twins are not recognised
	Handler  Handler
	Log      *slog.Logger
	// Pairing serves an accepted connection with the protocol
	// identity.PairingALPN, until it ends or ctx does; nil: it is closed. The
	// connection counts as that of a stranger, which may be closed at any time,
	// and has a deadline. Pairing calls refused when it has nothing more to say
	// than why not, and passed when the connection is to stay.
	Pairing func(ctx context.Context, conn *transport.Conn, id identity.ID, refused, passed func())
	// Keys are public keys of peers, from OnKeys of an earlier run: a peer with
	// such a key gets in through any flood.
	Keys []ed25519.PublicKey
	// OnKeys is called with the public keys of all peers whenever there is a
	// new one; nil: they are forgotten at the end of the run.
	OnKeys func([]ed25519.PublicKey)
	// Listen listens on an address; nil: net.Listen.
	Listen func(network, address string) (net.Listener, error)
	// Dial connects to "IP:port"; nil: transport.Dial.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Lookup returns the addresses of a host in one family, or an error if
	// there are none; nil: resolve.Lookup.
	Lookup func(ctx context.Context, host string, v4 bool) ([]netip.Addr, error)
	// Network calls changed after each change of the network until ctx ends, or
	// returns an error if it cannot, as netwatch.Watch does; nil: changes go
	// unnoticed.
	Network func(ctx context.Context, changed func()) error
	// Listening is called when Run has opened a listener that Listen could not.
	Listening func()
}

// Links holds the links to all peers. Its methods are safe for concurrent use.
type Links struct {
	cfg            Config
	admission      *admission
	acquaintances  *acquaintances
	keepingKeys    sync.Mutex    // held while OnKeys is called
	networkChanged chan struct{} // wakes awaitListener
	served         chan struct{} // one value for each connection that admission has let in
	refusals       refusals
	frames         *frame.Budget  // memory of the received frames
	crowded        rate.Sometimes // logs a flood
	twin           twinVar        // another device with our key

	mu    sync.Mutex
	name  string
	peers map[string]*peer
	byID  map[identity.ID]*peer

	relays []*relayServer

	listener    net.Listener
	lateAddress string // of a listener that Run opens; ""
	listenErr   error  // why it is not open yet
	ctx         context.Context
	over        bool // Run is ending: nothing new is started
	work        sync.WaitGroup
}

// New returns Links without peers.
func New(cfg Config) *Links {
	if cfg.Dial == nil {
		cfg.Dial = transport.Dial
	}
	if cfg.Listen == nil {
		cfg.Listen = net.Listen
	}
	if cfg.Lookup == nil {
		cfg.Lookup = resolve.Lookup
	}
	return &Links{cfg: cfg, name: cfg.Name, admission: newAdmission(minTurnRate),
		acquaintances:  newAcquaintances(cfg.Identity, cfg.Keys),
		networkChanged: make(chan struct{}, 1),
		served:         make(chan struct{}, maxServed), crowded: rate.Sometimes{Interval: time.Hour},
		frames: frame.NewBudget(frameMemory),
		peers:  map[string]*peer{}, byID: map[identity.ID]*peer{}}
}

// Run keeps the links until ctx ends. Then it sends a Bye on each of them, and
// returns when all goroutines have ended. An error means that the listener has
// failed.
func (ls *Links) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	ls.mu.Lock()
	ls.ctx = ctx
	for _, p := range ls.peers {
		ls.start(p)
	}
	ls.mu.Unlock()
	if ls.cfg.Network != nil {
		ls.work.Go(func() { ls.followNetwork(ctx) })
	}
	ls.admission.setTurnRate(turnRate(ls.cfg.Identity.HandshakeCost()))
	listener, err := ls.awaitListener(ctx)
	if listener != nil {
		ls.work.Go(func() {
			<-ctx.Done()
			_ = listener.Close()
		})
		err = ls.accept(ctx, listener)
	} else if err == nil {
		<-ctx.Done()
	}
	cancel()
	ls.mu.Lock()
	ls.over = true
	ls.mu.Unlock()
	ls.work.Wait()
	return err
}

// Configure sets the name of this device and its peers. A link stays up if name
// and key of the peer are unchanged; a new address is used for the next
// attempt.
func (ls *Links) Configure(name string, peers []Peer) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.name = name
	old := ls.peers
	ls.peers, ls.byID = map[string]*peer{}, map[identity.ID]*peer{}
	for _, want := range peers {
		p := newPeer(ls, want)
		if before := old[want.Name]; before != nil {
			p.switching = before.switching
			p.inCall.Store(before.inCall.Load())
			p.callInstance = before.instanceOfCall()
			if before.ID == want.ID {
				p = before
				p.setAddress(want.Address, want.Proxy)
			}
		}
		p.setMaxBitrate(want.MaxBitrate)
		ls.peers[want.Name], ls.byID[want.ID] = p, p
	}
	for name, p := range old {
		switch {
		case ls.peers[name] == p:
		case ls.byID[p.ID] != nil:
			p.stop(errRenamed)
		default:
			ls.admission.forget(name)
			p.stop(errForgotten)
		}
	}
	ls.acquaintances.configure(ls.byID)
	// Last: a replaced peer must end before its successor of the same name has
	// events.
	for _, p := range ls.peers {
		ls.start(p)
	}
}

// start begins to dial p if it is new and Run was called. The caller holds mu.
func (ls *Links) start(p *peer) {
	if p.ctx != nil || ls.ctx == nil {
		return
	}
	p.ctx, p.cancel = context.WithCancelCause(ls.ctx)
	if !ls.over {
		ls.work.Go(p.keepDialling)
		p.startWaiters()
	}
}

func (ls *Links) peer(name string) *peer {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.peers[name]
}

func (ls *Links) peerByID(id identity.ID) *peer {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.byID[id]
}

// Status returns the status of the link to a peer; the zero Status for an
// unknown one.
func (ls *Links) Status(peer string) Status {
	if p := ls.peer(peer); p != nil {
		return p.status()
	}
	return Status{}
}

// SetInCall records whether a call waits for the link to a peer or uses it.
// During a call the link is pinged more often, and the peer is dialled in
// parallel while there is no live link: the first time at once, even after a
// refusal.
func (ls *Links) SetInCall(peer string, inCall bool) {
	if p := ls.peer(peer); p != nil {
		p.setInCall(inCall)
	}
}

func (ls *Links) hello() wire.Hello {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return wire.Hello{VersionMin: wire.VersionMin, VersionMax: wire.VersionMax,
		Name: ls.name, Software: ls.cfg.Software, Features: features,
		Instance: ls.cfg.Instance}
}

// accept serves connections until the listener is closed.
func (ls *Links) accept(ctx context.Context, listener net.Listener) error {
	pause := newBackoff(5*time.Millisecond, 100*time.Millisecond)
	warning := rate.Sometimes{Interval: time.Minute}
	for {
		conn, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept peers: %w", err)
		case err != nil:
			// EMFILE, ENFILE, ENOBUFS and ECONNABORTED are temporary. Without a
			// pause the first two would cause a busy loop.
			warning.Do(func() { ls.cfg.Log.Warn("accept failed", "err", err) })
			ls.admission.shed()
			sleep(ctx, pause.next())
			continue
		}
		pause.reset()
		ls.admit(ctx, conn)
	}
}

// admit serves a new connection in a goroutine. It enters in the caller's, so
// that a flood cannot use more descriptors than admission allows.
func (ls *Links) admit(ctx context.Context, conn net.Conn) {
	select {
	case ls.served <- struct{}{}:
	case <-ctx.Done():
		_ = conn.Close()
		return
	}
	v := newVisitor(originOf(conn.RemoteAddr()), func() { abort(conn) })
	timeout := ls.admission.enter(v)
	_ = conn.SetDeadline(time.Now().Add(timeout))
	if timeout == crowdedHelloTimeout {
		ls.crowded.Do(func() {
			ls.cfg.Log.Warn("many new connections at once; some are closed early", "one_from", conn.RemoteAddr())
		})
	}
	ls.work.Go(func() { _ = ls.serveAccepted(ctx, arrival{raw: conn, visitor: v, onHello: func() {}}) })
}

// abort closes a connection with a reset, so that the kernel keeps nothing of
// it.
func abort(conn net.Conn) {
	if t, ok := conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = conn.Close()
}

// Visitors returns the counters of accepted connections without a known key.
func (ls *Links) Visitors() Visitors { return ls.admission.visitors() }

// sleep waits for d or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
