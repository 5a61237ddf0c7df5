package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
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

	out  chan wire.Message
	pong chan *wire.Pong // the answer to the newest ping
	show chan *frame.Hub
	told chan struct{} // a frame has come of which the other side should hear
	word chan struct{} // the other side has told of one
	ask  chan struct{} // a ping, now
	ctx  context.Context
	end  context.CancelCauseFunc

	choice *time.Timer // until when the other side has to choose this link; nil where we choose

	clock    clock
	received inbound
	sent     outbound
	decoder  *framecodec.Decoder
}

func newLink(p *peer, c *transport.Conn, in *wire.Reader, ours, theirs wire.Hello, dialled bool) *Link {
	l := &Link{peer: p, conn: c, in: in, theirs: theirs, agreed: wire.Features(ours, theirs), dialled: dialled,
		began: time.Now(), clockBase: frame.Now(),
		decoder: framecodec.NewDecoder(in),
		out:     make(chan wire.Message, 64), pong: make(chan *wire.Pong, 1), show: make(chan *frame.Hub, 1),
		told: make(chan struct{}, 1), word: make(chan struct{}, 1), ask: make(chan struct{}, 1)}
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
		l.end(l.write())
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

// write is the writing goroutine.
func (l *Link) write() error {
	ping := time.NewTimer(l.peer.rhythm())
	defer ping.Stop()
	w := newWriter(l)
	defer w.close()
	for l.ctx.Err() == nil {
		var err error
		select { // messages go before frames
		case m := <-l.out:
			err = w.message(m)
		case m := <-l.pong:
			err = w.message(m)
		default:
			select {
			case m := <-l.out:
				err = w.message(m)
			case m := <-l.pong:
				err = w.message(m)
			case <-ping.C:
				err = w.message(&wire.Ping{})
				ping.Reset(l.peer.rhythm())
			case <-l.told:
				err = w.feedback()
			case <-w.tell.C:
				err = w.feedback()
			case <-l.word:
				f, at := l.sent.latest()
				w.video.control.OnFeedback(at, &f)
			case <-l.ask:
				err = w.message(&wire.Ping{})
				ping.Reset(l.peer.rhythm())
			case h := <-l.show:
				w.video.look(h)
			case <-w.frames():
				err = w.video.newest()
			case <-w.ask.C: // the window may have opened
			case <-l.ctx.Done():
			}
		}
		if err != nil {
			return err
		}
	}
	w.goodbye(context.Cause(l.ctx))
	return nil
}

// read is the reading goroutine. It returns why the link ends.
func (l *Link) read() error {
	for {
		m, err := l.in.Next()
		if l.ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return classify(err)
		}
		if err := l.heard(m); err != nil {
			return err
		}
	}
}

// heard handles one message. What it returns ends the link.
func (l *Link) heard(m wire.Message) error {
	now := frame.Now()
	switch m := m.(type) {
	case *wire.Ping:
		select { // of several that wait for their answer, only the last one needs it
		case <-l.pong:
		default:
		}
		l.pong <- &wire.Pong{T1: m.T1, T2: now}
	case *wire.Pong:
		l.clock.add(m, now)
		return l.peer.answered(l, m.T1)
	case *wire.Bye:
		return &ByeError{*m}
	case *wire.Hello:
		return fmt.Errorf("%w: a second hello", wire.ErrProtocol)
	case *wire.Nominate:
		switch {
		case l.chooses():
			return fmt.Errorf("%w: nominated by the side that does not choose", wire.ErrProtocol)
		case !l.nominated:
			l.peer.adopt(l)
		}
	default:
		if !l.nominated {
			return fmt.Errorf("%w: %v before the connection was nominated", wire.ErrProtocol, m.Type())
		}
		switch m := m.(type) {
		case *wire.Frame:
			return l.frame(m)
		case *wire.Refresh:
			l.sent.refresh.Store(true)
		case *wire.Feedback:
			l.sent.word(m, l.elapsed())
			poke(l.word)
		default:
			l.peer.pace.wait(l.ctx)
			l.peer.links.cfg.Handler.Message(l, m)
		}
	}
	return nil
}

// frame receives one frame. One that is not what it says it is gets counted and is not shown.
func (l *Link) frame(m *wire.Frame) error {
	if !m.Codec.Allowed(l.agreed) {
		return fmt.Errorf("%w: a frame as %v, which was not agreed on", wire.ErrProtocol, m.Codec)
	}
	began := l.elapsed()
	f, err := l.unpacked(m)
	if err != nil {
		return classify(err)
	}
	whole, now := l.elapsed(), frame.Now()
	captured, known := l.clock.local(m.Captured, now)
	delay := now - captured
	if !known {
		delay = 0
	}
	if f != nil {
		f.Captured, f.Arrived = captured, now
		f.Card = m.Flags&wire.Card != 0
		if framecodec.Valid(f) {
			l.received.count(f, m.Size)
			l.peer.links.cfg.Handler.Frame(l, f)
		} else {
			l.received.spoil()
			f.Release()
		}
	}
	l.received.landed(wire.Feedback{Seq: m.Seq, At: l.clockBase + whole, Took: whole - began, Delay: delay})
	poke(l.told)
	// Behind a hole that TCP has mended several frames come at once. With one processor, viewers would see the last of them.
	runtime.Gosched()
	return nil
}

// unpacked reads a frame, or nil where it is of no use. Then its data is skipped, and not unpacked: that would be work
// that anybody we know could make us do.
func (l *Link) unpacked(m *wire.Frame) (*frame.Frame, error) {
	switch {
	case !l.peer.links.cfg.Handler.Wants(l):
		return nil, l.decoder.Discard()
	case !l.received.newer(m.Seq):
		l.received.spoil()
		return nil, l.in.Skip()
	}
	f, needRefresh, err := l.decoder.Decode(m)
	if needRefresh {
		l.Send(&wire.Refresh{})
	}
	if f == nil && err == nil {
		l.received.spoil()
	}
	return f, err
}

// poke leaves a message that one is enough of.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
