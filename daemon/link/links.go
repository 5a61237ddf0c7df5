// Package link keeps one authenticated connection to each peer: it listens, dials, says hello, notices a dead connection
// within three seconds and makes a new one, for ever.
//
// What it owes the rest: a Handler hears of each link that comes up, of what arrives on it, and of its end. A message never
// waits behind a frame that is not already being written; a frame that would wait is replaced by a newer one. Nothing a
// stranger sends gets further than a refusal in words, and the number of strangers at the door is bounded, as is what a known
// peer can make us do: its messages are paced, and its frames are not unpacked unless somebody wants them.
//
// Video never waits in queues (video.go): the receiver tells of each frame that arrived, a window keeps what is on the way
// below what the link delivers in a moment (window.go), and where that is less than the camera gives, a rate says how many
// bytes a frame may have (rate.go), and quality brings it down to them (quality.go). What waits for TCP to repeat a lost packet
// is told apart from what waits in queues (tcp.go), and what our own kernel holds up, for want of knowing better, is freed (paced.go).
//
//	Links.Run ─┬─ accept loop ── one goroutine per connection: TLS, whose key?, hello ──┐
//	           ├─ one dial loop per peer ── attempts: resolve, connect, TLS, hello ─────┴─▶ Link: a reader and a writer
//	           └─ the watch for changes of the network: links are pinged, peers dialled at once
//
// How often a peer is dialled is said in dial.go. When both devices dial at once there may be two connections for a moment,
// and in the search for a better one several. The device whose fingerprint is the smaller one chooses (choose.go, and
// PROTOCOL.md, section 3); the other holds all until it has heard the choice.
//
//	connected ──hello──▶ agreed ──Nominate──▶ up ──silence of 2.5 s, error, Bye, replaced──▶ down
//	                                           ▲▼ silence of 0.5 s in a call, or after a change of the network
//	                                        suspect: another connection is tried beside it, and the first that carries wins
package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/identity"
	"vchat/daemon/resolve"
	"vchat/daemon/wire"
)

const (
	handshakeTime = 5 * time.Second        // for each of TLS, hello and nomination
	pingEvery     = 700 * time.Millisecond // so that three of them fit into transport.DeadTimeout
	pingOften     = 200 * time.Millisecond // in a call: two of them fit into transport.StaleTimeout
	youngLink     = time.Second            // a second connection within this time is the other half of a simultaneous dial
	maxStrangers  = 64                     // connections that have not yet shown a known key
	maxGreeting   = 8                      // connections of one peer that have not yet said hello: in haste it makes several
	maxGreeted    = 8                      // connections of one peer that wait to be chosen
)

// Peer is a device that may connect and, where it has an address, is dialled.
type Peer struct {
	Name    string
	Address string // host:port, or empty: it dials us
	ID      identity.ID

	MaxBitrate float64 // of the video that is sent there, Mbit/s; 0: as much as the link carries
}

// Handler hears what happens on links. Its methods are called from the links' goroutines and must return soon; for one
// Link they are called one at a time, first Up, last Down. Where a link takes the place of another one to the same peer,
// the new one's Up comes before the old one's Down. Links may be asked from within.
type Handler interface {
	Up(l *Link)
	Down(l *Link, why error)
	// Refused tells that the connection to a peer failed for a reason that dialling again will not mend: one side
	// does not accept the other's key (ErrWrongIdentity, ErrRefused), or they share no version (wire.ErrVersion).
	Refused(peer string, why error)
	Message(l *Link, m wire.Message)
	Wants(l *Link) bool            // whether frames are; asked before each
	Frame(l *Link, f *frame.Frame) // the callee owns the reference
	// Quality tells that our frames are now sent in less than their own quality, or in all of it again; Status says why.
	// Unlike the others it is called from a goroutine of its own, between Up and Down or shortly after.
	Quality(l *Link)
}

// Config is what Links needs. Dial and Lookup are the system's where they are nil; without Network nothing is known of changes.
type Config struct {
	Identity *identity.Identity
	Name     string // of this device, told in the hello
	Software string // program and version, told in the hello
	Handler  Handler
	Log      *slog.Logger
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	// Lookup gives the addresses of a host in one family, an error if there are none.
	Lookup func(ctx context.Context, host string, v4 bool) ([]netip.Addr, error)
	// Network calls changed after each change of the network that may matter, until ctx ends or it cannot: netwatch.Watch.
	Network func(ctx context.Context, changed func()) error
}

// Links holds the links to all peers. Its methods are safe for concurrent use.
type Links struct {
	cfg  Config
	gate gate

	mu       sync.Mutex
	name     string
	peers    map[string]*peer
	byID     map[identity.ID]*peer
	refusals refusals

	listener net.Listener
	ctx      context.Context
	over     bool // nothing is started any more
	work     sync.WaitGroup
}

// New makes Links without peers, which Configure adds.
func New(cfg Config) *Links {
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	if cfg.Lookup == nil {
		cfg.Lookup = resolve.Lookup
	}
	return &Links{cfg: cfg, name: cfg.Name, gate: gate{max: maxStrangers},
		peers: map[string]*peer{}, byID: map[identity.ID]*peer{}}
}

// Listen opens the port for peers. It is called before Run, so that a taken port is known at once.
func (ls *Links) Listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen for peers on %s: %w", address, err)
	}
	ls.ListenOn(l)
	return nil
}

// ListenOn is Listen on a listener that is open already. Run closes it.
func (ls *Links) ListenOn(l net.Listener) { ls.listener = l }

// Addr is where Listen listens, or nil.
func (ls *Links) Addr() net.Addr {
	if ls.listener == nil {
		return nil
	}
	return ls.listener.Addr()
}

// Run keeps the links until ctx ends. Then it says Bye on each and returns when nothing runs any more.
func (ls *Links) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	ls.mu.Lock()
	ls.ctx = ctx
	for _, p := range ls.peers {
		ls.start(p)
	}
	ls.mu.Unlock()
	if ls.cfg.Network != nil {
		ls.work.Go(func() { ls.follow(ctx) })
	}
	var err error
	if ls.listener != nil {
		ls.work.Go(func() {
			<-ctx.Done()
			_ = ls.listener.Close()
		})
		err = ls.accept(ctx)
	} else {
		<-ctx.Done()
	}
	cancel()
	ls.mu.Lock()
	ls.over = true
	ls.mu.Unlock()
	ls.work.Wait()
	return err
}

// Configure sets the name told to peers and the peers themselves. Links to peers whose name and key are as they were stay
// up; another address is for the next time.
func (ls *Links) Configure(name string, peers []Peer) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.name = name
	old := ls.peers
	ls.peers, ls.byID = map[string]*peer{}, map[identity.ID]*peer{}
	for _, want := range peers {
		p := newPeer(ls, want)
		if before := old[want.Name]; before != nil {
			p.telling = before.telling
			p.wanted.Store(before.wanted.Load())
			if before.ID == want.ID {
				p = before
				p.move(want.Address)
			}
		}
		p.allow(want.MaxBitrate)
		ls.peers[want.Name], ls.byID[want.ID] = p, p
	}
	for name, p := range old {
		switch {
		case ls.peers[name] == p:
		case ls.byID[p.ID] != nil:
			p.stop(errRenamed)
		default:
			p.stop(errForgotten)
		}
	}
	// Only now, so that nothing of a new peer is told before its forerunner of the same name has heard of its end.
	for _, p := range ls.peers {
		ls.start(p)
	}
}

// start begins to dial p, if it is new and Run has begun. The caller holds mu.
func (ls *Links) start(p *peer) {
	if p.ctx != nil || ls.ctx == nil {
		return
	}
	p.ctx, p.cancel = context.WithCancelCause(ls.ctx)
	if !ls.over {
		ls.work.Go(p.keepDialling)
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

// Link returns the link to a peer that is up, or nil.
func (ls *Links) Link(peer string) *Link {
	if p := ls.peer(peer); p != nil {
		return p.link()
	}
	return nil
}

// Status describes the link to a peer; the zero Status is that of an unknown one.
func (ls *Links) Status(peer string) Status {
	if p := ls.peer(peer); p != nil {
		return p.status()
	}
	return Status{}
}

// Want says whether a call waits for the link to a peer or is on it. Then the link is watched closely, and without one the
// peer is dialled in haste: the first time at once, even if it has just refused us.
func (ls *Links) Want(peer string, on bool) {
	if p := ls.peer(peer); p != nil {
		p.want(on)
	}
}

func (ls *Links) hello() wire.Hello {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return wire.Hello{VersionMin: wire.VersionMin, VersionMax: wire.VersionMax,
		Name: ls.name, Software: ls.cfg.Software, Features: features}
}

// accept serves whoever connects, until the listener is closed.
func (ls *Links) accept(ctx context.Context) error {
	pause := newBackoff(5*time.Millisecond, time.Second)
	var told time.Time
	for {
		conn, err := ls.listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept peers: %w", err)
		case err != nil:
			// EMFILE, ENFILE, ENOBUFS and ECONNABORTED pass; a loop without a pause would spin on the first two.
			if time.Since(told) >= time.Minute {
				told = time.Now()
				ls.cfg.Log.Warn("cannot accept a connection for a moment", "err", err)
			}
			sleep(ctx, pause.next())
			continue
		}
		pause.reset()
		ls.gate.enter(conn) // here, so that a flood cannot have more descriptors than the gate has places
		ls.work.Go(func() { ls.answer(ctx, conn) })
	}
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
