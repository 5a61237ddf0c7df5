package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/framecodec"
	"vchat/daemon/transport"
	"vchat/daemon/wire"
)

// goodbyeTimeout is how long an ending link may take to send its Bye and to see
// the peer close.
const goodbyeTimeout = 300 * time.Millisecond

// sendQueue is the capacity of the queue of outgoing messages.
const sendQueue = 64

// Link is one connection to a peer after the hellos. The Handler sees it once
// it is nominated. It has two goroutines: a reader (receiver.go) and a sender
// (sender.go). Its methods are safe for concurrent use.
type Link struct {
	peer     *peer
	conn     *transport.Conn
	in       *wire.Reader
	pace     *pacedReader // below in
	theirs   wire.Hello
	features []string // that both devices support
	dialled  bool     // by this device
	route    route
	since    time.Time

	clockBase time.Duration // frame.Now at since

	// A better link has replaced this one: frames on the way are still
	// received.
	draining atomic.Bool
	drained  chan struct{} // closed when the reader has ended
	sentSeq  atomic.Uint64 // of the last frame that was sent
	before   *Link         // likewise previous, for the sender
	previous *Link         // a worse link that this one has replaced; set with nominated

	nominated       bool        // set before the Handler gets anything
	nominationTimer *time.Timer // ends the link if it is not nominated in time; nil if we nominate at once

	out              chan wire.Message
	pong             chan *wire.Pong // the answer to the newest ping
	source           chan *frame.Hub // set by Show
	feedbackDue      chan struct{}   // a frame has arrived: the peer expects a Feedback
	feedbackReceived chan struct{}   // sent has a new Feedback
	pingNow          chan struct{}
	ctx              context.Context
	end              context.CancelCauseFunc

	lastPong atomic.Int64 // T1 of the newest Pong
	clock    clock
	received receiveStats
	sent     sendStats
	decoder  *framecodec.Decoder
}

func newLink(
	p *peer, c *transport.Conn, in *wire.Reader, pace *pacedReader, ours, theirs wire.Hello, dialled bool,
	via route,
) *Link {
	l := &Link{
		peer: p, conn: c, in: in, pace: pace,
		theirs: theirs, features: wire.CommonFeatures(ours, theirs), dialled: dialled,
		route: via, drained: make(chan struct{}),
		since: time.Now(), clockBase: frame.Now(), decoder: framecodec.NewDecoder(in, p.links.frames),
		out: make(chan wire.Message, sendQueue), pong: make(chan *wire.Pong, 1), source: make(chan *frame.Hub, 1),
		feedbackDue: make(chan struct{}, 1), feedbackReceived: make(chan struct{}, 1), pingNow: make(chan struct{}, 1),
	}
	l.ctx, l.end = context.WithCancelCause(context.Background())
	return l
}

// Peer returns the name of the peer.
func (l *Link) Peer() string { return l.peer.Name }

// Remote returns the network address of the peer; HOST:PORT of the relay for a
// link by a relay, and that of the peer as configured for one by a proxy.
func (l *Link) Remote() string {
	if l.route.remote != "" {
		return l.route.remote
	}
	return l.conn.RemoteAddr().String()
}

// Path returns how the link reaches the peer.
func (l *Link) Path() Path { return l.route.path }

// Draining reports whether a better link has replaced this one. Frames that
// were on the way still arrive.
func (l *Link) Draining() bool { return l.draining.Load() }

// Supports reports whether both devices support a feature, for example
// wire.FeatureText.
func (l *Link) Supports(feature string) bool { return slices.Contains(l.features, feature) }

func (l *Link) dialledBy() string {
	if l.dialled {
		return "us"
	}
	return "them"
}

// Send queues a message. It never blocks. If 64 messages already wait, the peer
// is not reading: Send ends the link and returns false.
func (l *Link) Send(m wire.Message) bool {
	select {
	case l.out <- m:
		return true
	default:
		l.end(fmt.Errorf("%w: %d messages wait", ErrSlow, cap(l.out)))
		return false
	}
}

// Show makes h the source of the frames that are sent; nil stops them. It never
// blocks.
func (l *Link) Show(h *frame.Hub) {
	for {
		select {
		case l.source <- h:
			return
		case <-l.source: // a hub that the sender has not taken yet
		}
	}
}

// LocalTime converts an instant of the peer's CLOCK_MONOTONIC to ours. Before
// the first pong it returns the current time.
func (l *Link) LocalTime(theirs time.Duration) time.Duration {
	t, _ := l.clock.toLocal(theirs, frame.Now())
	return t
}

// elapsed returns the time since the link began. Unlike frame.Now it is fake in
// tests with fake time.
func (l *Link) elapsed() time.Duration { return time.Since(l.since) }

// probe pings the peer, which then has transport.StaleTimeout to answer.
func (l *Link) probe() {
	l.conn.Probe()
	notify(l.pingNow)
}

// run serves the link until the link or ctx ends, and returns why.
func (l *Link) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { l.end(endCause(ctx)) })()
	defer context.AfterFunc(l.ctx, func() {
		timeout := goodbyeTimeout
		if l.Draining() {
			timeout = drainTimeout
		}
		l.conn.SetFinalDeadline(time.Now().Add(timeout))
	})()
	l.conn.Start(transport.Options{
		Counters:        &l.peer.counters,
		LivenessTimeout: l.peer.livenessTimeout,
		OnStale:         l.peer.wakeDialer,
	})
	senderEnded := make(chan struct{})
	go func() {
		defer close(senderEnded)
		l.end(newSender(l).run())
	}()
	if err := l.joinArbitration(); err != nil {
		l.end(err)
	}
	l.end(l.read())
	close(l.drained)
	err := context.Cause(l.ctx)
	if goodbye(err) != nil {
		// Closing with unread data resets the connection, and the Bye is lost.
		l.pace.watched.Store(false)
		_, _ = io.CopyN(io.Discard, l.pace, maxDiscard)
		<-senderEnded
	}
	// What a relay has not read yet of an aborted connection is lost.
	if errors.Is(err, ErrDead) || errors.Is(err, errReplaced) && !l.Draining() {
		l.conn.Abort()
	}
	_ = l.conn.Close()
	<-senderEnded
	l.decoder.Close()
	l.peer.onEnd(l, err)
	return err
}

// endCause returns why the context of a peer has ended.
func endCause(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return errShutdown
}

// joinArbitration decides about the link if this device is the arbiter.
// Otherwise it waits for the peer's decision.
func (l *Link) joinArbitration() error {
	if l.isArbiter() {
		return l.peer.arbitrate(l)
	}
	l.peer.waitForNomination(l)
	return nil
}

func (l *Link) stopNominationTimer() {
	if l.nominationTimer != nil {
		l.nominationTimer.Stop()
	}
}

// isArbiter reports whether this device nominates connections: its id is the
// smaller one.
func (l *Link) isArbiter() bool {
	return l.peer.links.cfg.Identity.ID().Compare(l.peer.ID) < 0
}

// notify sends to c, a channel with room for one value, unless a value waits
// there already.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
