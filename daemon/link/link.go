package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/framecodec"
	"vchat/daemon/transport"
	"vchat/daemon/wire"
)

// farewellTime is how long an ending link may take to say Bye and to hear that it arrived.
const farewellTime = 300 * time.Millisecond

// Link is one connection to a peer, from the hello on. It owns two goroutines: the one that called run reads, another
// writes. Its methods are safe for concurrent use.
type Link struct {
	peer    *peer
	conn    *transport.Conn
	in      *wire.Reader
	theirs  wire.Hello
	agreed  []string // features
	dialled bool
	began   time.Time

	clockBase time.Duration // frame.Now at began

	nominated bool // set by adopt, before anything is handed to the Handler

	out             chan wire.Message
	pong            chan *wire.Pong // the answer to the newest ping
	show            chan *frame.Hub
	feedbackDue     chan struct{} // a frame has arrived, and the other side expects a Feedback
	feedbackArrived chan struct{} // sent has a new Feedback
	ask             chan struct{} // a ping, now
	ctx             context.Context
	end             context.CancelCauseFunc

	choice *time.Timer // until when the other side has to choose this link; nil where we choose

	clock    clock
	received receiveStats
	sent     sendStats
	decoder  *framecodec.Decoder
}

func newLink(p *peer, c *transport.Conn, in *wire.Reader, ours, theirs wire.Hello, dialled bool) *Link {
	l := &Link{peer: p, conn: c, in: in, theirs: theirs, agreed: wire.CommonFeatures(ours, theirs), dialled: dialled,
		began: time.Now(), clockBase: frame.Now(),
		decoder: framecodec.NewDecoder(in),
		out:     make(chan wire.Message, 64), pong: make(chan *wire.Pong, 1), show: make(chan *frame.Hub, 1),
		feedbackDue: make(chan struct{}, 1), feedbackArrived: make(chan struct{}, 1), ask: make(chan struct{}, 1)}
	l.ctx, l.end = context.WithCancelCause(context.Background())
	return l
}

// Peer is the name of the peer on the other side.
func (l *Link) Peer() string { return l.peer.Name }

// Remote is the network address of the other side.
func (l *Link) Remote() string { return l.conn.RemoteAddr().String() }

// Can says whether both sides have a feature of the hello.
func (l *Link) Can(feature string) bool { return slices.Contains(l.agreed, feature) }

func (l *Link) dialledBy() string {
	if l.dialled {
		return "us"
	}
	return "them"
}

// Send queues a message. It never blocks: when 64 messages wait, the other side does not read, and the link ends.
func (l *Link) Send(m wire.Message) bool {
	select {
	case l.out <- m:
		return true
	default:
		l.end(fmt.Errorf("%w: %d messages wait for it", ErrSlow, cap(l.out)))
		return false
	}
}

// Show sends the frames of a hub from now on; nil ends that.
func (l *Link) Show(h *frame.Hub) {
	for {
		select {
		case l.show <- h:
			return
		case <-l.show: // a wish that the writer has not seen is overtaken
		}
	}
}

// Local turns an instant on the other side's clock into one on ours.
func (l *Link) Local(theirs time.Duration) time.Duration {
	t, _ := l.clock.local(theirs, frame.Now())
	return t
}

// elapsed is the clock of the video that goes out, and of what is told of the video that comes in. It is frame.Now less
// clockBase; but in tests it is theirs.
func (l *Link) elapsed() time.Duration { return time.Since(l.began) }

// probe asks the other side to be heard soon.
func (l *Link) probe() {
	l.conn.Probe()
	poke(l.ask)
}

// run serves the link until ctx or the link ends and returns why.
func (l *Link) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { l.end(shutdown(ctx)) })()
	defer context.AfterFunc(l.ctx, func() { l.conn.SetFinalDeadline(time.Now().Add(farewellTime)) })()
	l.conn.Start(transport.Options{Counters: &l.peer.bytes, LivenessTimeout: l.peer.patience, OnStale: l.peer.poke})
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		l.end(newSender(l).run())
	}()
	if err := l.nominate(); err != nil {
		l.end(err)
	}
	l.end(l.read())
	why := context.Cause(l.ctx)
	if farewell(why) != nil {
		_, _ = io.Copy(io.Discard, l.conn) // or what is under way would reset the connection, and with it the Bye
		<-wrote
	}
	if errors.Is(why, ErrDead) || errors.Is(why, errReplaced) {
		l.conn.Abort()
	}
	_ = l.conn.Close()
	<-wrote
	l.peer.left(l, why)
	return why
}

func shutdown(ctx context.Context) error {
	if why := context.Cause(ctx); !errors.Is(why, context.Canceled) {
		return why
	}
	return errShutdown
}

// nominate chooses, or waits for the other side's choice.
func (l *Link) nominate() error {
	if l.chooses() {
		return l.peer.offer(l)
	}
	l.peer.await(l)
	return nil
}

// stopWaiting ends the wait for the other side's choice.
func (l *Link) stopWaiting() {
	if l.choice != nil {
		l.choice.Stop()
	}
}

// chooses says whether this device is the one of the two that chooses among connections.
func (l *Link) chooses() bool {
	return l.peer.links.cfg.Identity.ID().Compare(l.peer.ID) < 0
}

// poke leaves a message that one is enough of.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
