package link

import (
	"fmt"
	"runtime"

	"vchat/daemon/frame"
	"vchat/daemon/framecodec"
	"vchat/daemon/wire"
)

// read is the reading goroutine. It hands frames and messages to the Handler,
// and returns why the link ends.
func (l *Link) read() error {
	for {
		m, err := l.in.Next()
		if l.ctx.Err() != nil && !l.Draining() {
			return nil
		}
		if err != nil {
			return classify(err)
		}
		if err := l.receive(m); err != nil {
			return err
		}
	}
}

// receive handles one message. An error ends the link.
func (l *Link) receive(m wire.Message) error {
	if f, ok := m.(*wire.Frame); ok && l.nominated {
		l.awaitPrevious()
		return l.receiveFrame(f)
	}
	if _, ok := m.(*wire.Bye); !ok && l.Draining() {
		return nil
	}
	_ = l.peer.limits.control.Wait(l.ctx) // fails only when ctx ends
	now := frame.Now()
	switch m := m.(type) {
	case *wire.Ping:
		select { // only the newest of several pings needs an answer
		case <-l.pong:
		default:
		}
		l.pong <- &wire.Pong{T1: m.T1, T2: now}
	case *wire.Pong:
		l.lastPong.Store(int64(m.T1))
		l.clock.onPong(m, now)
		return l.peer.onPong(l, m.T1)
	case *wire.Bye:
		if m.Code == wire.CodeReplaced {
			l.awaitSuccessor()
		}
		return &ByeError{*m}
	case *wire.Hello:
		return fmt.Errorf("%w: second hello", wire.ErrProtocol)
	case *wire.Nominate:
		switch {
		case l.isArbiter():
			return fmt.Errorf("%w: a nomination from a device that is not the arbiter", wire.ErrProtocol)
		case !l.nominated:
			l.peer.onNominated(l)
		}
	default:
		if !l.nominated {
			return fmt.Errorf("%w: %v before the nomination", wire.ErrProtocol, m.Type())
		}
		switch m := m.(type) {
		case *wire.Twin:
			l.peer.links.onOwnTwin("by " + l.peer.Name)
		case *wire.Refresh:
			l.sent.refresh.Store(true)
		case *wire.Feedback:
			l.sent.onFeedback(m, l.elapsed())
			notify(l.feedbackReceived)
		default:
			_ = l.peer.limits.messages.Wait(l.ctx)
			l.peer.links.cfg.Handler.Message(l, m)
		}
	}
	return nil
}

// receiveFrame reads one frame and hands it to the Handler. A frame that
// contradicts its header, or that is too large, is counted and dropped.
func (l *Link) receiveFrame(m *wire.Frame) error {
	if !m.Codec.Allowed(l.features) {
		return fmt.Errorf("%w: frame codec %v was not agreed on", wire.ErrProtocol, m.Codec)
	}
	_ = l.peer.limits.frames.Wait(l.ctx) // fails only when ctx ends
	wanted := l.peer.links.cfg.Handler.Wants(l)
	l.pace.watched.Store(wanted == WantsAll)
	began := l.elapsed()
	f, skipped, err := l.decodeFrame(m, wanted)
	if err != nil {
		return classify(err)
	}
	complete, now := l.elapsed(), frame.Now()
	captured, known := l.clock.toLocal(m.Captured, now)
	delay := now - captured
	if !known {
		delay = 0
	}
	switch {
	case skipped:
		meta := frame.Meta{Seq: m.Seq, Width: int(m.Width), Height: int(m.Height), Captured: captured, Arrived: now,
			Card: m.Flags&wire.FlagCard != 0}
		l.received.onFrame(&meta, m.Size)
		l.peer.links.cfg.Handler.Skipped(l, meta)
	case f != nil && framecodec.Accept(f):
		f.Captured, f.Arrived, f.Card = captured, now, m.Flags&wire.FlagCard != 0
		l.received.onFrame(&f.Meta, m.Size)
		l.peer.links.cfg.Handler.Frame(l, f)
	case f != nil:
		l.received.onBroken()
		f.Release()
	}
	l.received.onArrival(wire.Feedback{Seq: m.Seq, Arrived: l.clockBase + complete,
		Transfer: complete - began, Delay: delay})
	notify(l.feedbackDue)
	// After TCP has retransmitted a lost packet, several frames arrive at once.
	// With a single CPU the viewers would run only after the last of them.
	runtime.Gosched()
	return nil
}

// decodeFrame reads the data of a frame. It returns nil for a frame that is
// unwanted, too large, not newer than the last one, or a delta whose base is
// missing. These are skipped without decoding, so that a peer cannot waste our
// CPU time. skipped is true for a good frame that is expensive and has no
// viewer.
func (l *Link) decodeFrame(m *wire.Frame, wanted Wanted) (f *frame.Frame, skipped bool, err error) {
	switch {
	case wanted == WantsNothing:
		return nil, false, l.decoder.Discard()
	case framecodec.TooLarge(m), !l.received.isNewer(m.Seq):
		l.received.onBroken()
		return nil, false, l.in.Skip()
	case wanted == WantsNewest && (m.Codec != wire.CodecJPEG || m.Size > maxUnwatched):
		return nil, true, l.decoder.Discard()
	}
	f, needRefresh, err := l.decoder.Decode(m)
	if needRefresh {
		l.Send(&wire.Refresh{})
	}
	if f == nil && err == nil {
		l.received.onBroken()
	}
	return f, false, err
}
