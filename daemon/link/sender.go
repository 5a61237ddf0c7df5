package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vchat/daemon/congestion"
	"vchat/daemon/frame"
	"vchat/daemon/framecodec"
	"vchat/daemon/wire"
)

// sender is the state of a link's writing goroutine. It writes messages as
// they come, and the newest frame of a hub whenever the controller lets it.
// A frame that has to wait is dropped as soon as the camera delivers a newer
// one, so no queue of old frames forms.
//
//	Hub ─▶ sub ─▶ CanSend? ─▶ Encode within Budget ─▶ write ─▶ OnSent
//	                 ▲                        ▲                   │
//	                 └────────── Controller ──┴───────────────────┘
//	                                 ▲
//	                            OnFeedback ◀─ wire.Feedback ◀─ the receiver
type sender struct {
	link    *Link
	sub     *frame.Reader // to the hub whose frames are sent; nil: none
	control *congestion.Controller
	encoder *framecodec.Encoder
	quality qualityReporter

	counted uint64            // drops of sub that drops already includes
	blocked congestion.Reason // why CanSend refused since the last frame
	drops   Drops

	retry         *time.Timer // when to call CanSend again
	feedbackTimer *time.Timer // when the next Feedback may be sent
	lastFeedback  time.Time
	feedback      wire.Feedback // reused, so that nothing is allocated

	buf []byte // an encoded message, or the header of a frame
}

// feedbackInterval is the shortest time between two Feedbacks: PROTOCOL.md
// allows 50 a second.
const feedbackInterval = 20 * time.Millisecond

func newSender(l *Link) *sender {
	control := congestion.New
	if l.route.path == PathRelay {
		control = congestion.NewRelayed
	}
	s := &sender{link: l, control: control(l.conn), encoder: framecodec.NewEncoder(l.features),
		retry: time.NewTimer(0), feedbackTimer: time.NewTimer(0)}
	s.retry.Stop()
	s.feedbackTimer.Stop()
	return s
}

func (s *sender) close() {
	s.subscribe(nil)
	s.retry.Stop()
	s.feedbackTimer.Stop()
}

// run writes until the link ends. Messages go before frames.
func (s *sender) run() error {
	l := s.link
	defer s.close()
	ping := time.NewTimer(0) // the round trip is known from the start
	defer ping.Stop()
	for l.ctx.Err() == nil {
		var err error
		select {
		case m := <-l.out:
			err = s.sendMessage(m)
		case m := <-l.pong:
			err = s.sendMessage(m)
		default:
			select {
			case m := <-l.out:
				err = s.sendMessage(m)
			case m := <-l.pong:
				err = s.sendMessage(m)
			case <-ping.C:
				err = s.sendMessage(&wire.Ping{})
				ping.Reset(l.peer.pingInterval())
			case <-l.pingNow:
				err = s.sendMessage(&wire.Ping{})
				ping.Reset(l.peer.pingInterval())
			case <-l.feedbackDue:
				err = s.sendFeedback()
			case <-s.feedbackTimer.C:
				err = s.sendFeedback()
			case <-l.feedbackReceived:
				f, at := l.sent.latestFeedback()
				s.control.OnFeedback(at, &f)
			case h := <-l.source:
				s.subscribe(h)
			case <-s.frameReady():
				err = s.sendFrame()
			case <-s.retry.C: // frameReady asks CanSend again
			case <-l.ctx.Done():
			}
		}
		if err != nil {
			return err
		}
	}
	s.sendGoodbye(context.Cause(l.ctx))
	return nil
}

// frameReady returns a channel that receives when there is a new frame. It
// returns nil, and sets the retry timer, while no frame may be sent.
func (s *sender) frameReady() <-chan struct{} {
	if s.sub == nil {
		return nil
	}
	now := s.link.elapsed()
	s.control.SetMaxRate(s.link.peer.maxRate())
	if ok, retryAt := s.control.CanSend(now); !ok {
		s.blocked = s.control.BlockedBy()
		s.retry.Reset(retryAt - now)
		return nil
	}
	return s.sub.Ready()
}

// sendFrame writes the newest frame, unless it was sent already.
func (s *sender) sendFrame() error {
	f := s.sub.Take()
	if f == nil {
		return nil
	}
	defer f.Release()
	s.countDrops()
	// The controller sends one frame until its first Feedback: not one that the
	// peer has got by the link before.
	if before := s.link.before; before != nil && f.Seq == before.sentSeq.Load() {
		return nil
	}
	if s.link.sent.refresh.Swap(false) {
		s.encoder.Reset()
	}
	if f.Width*f.Height > framecodec.MaxPixels {
		s.drops.TooBig++ // the peer would drop it
		s.link.sent.onDropped(s.drops)
		return nil
	}
	s.control.OnFrame(f)
	budget, reason := s.control.Budget(f)
	began := s.link.elapsed()
	enc, err := s.encoder.Encode(f, budget, began)
	if errors.Is(err, framecodec.ErrBroken) {
		s.drops.Broken++
		s.link.sent.onDropped(s.drops)
		return nil
	}
	if err != nil {
		return err
	}
	if enc.Header.Validate() != nil {
		s.drops.TooBig++ // above wire.MaxFrame, 16 MiB
		s.link.sent.onDropped(s.drops)
		return nil
	}
	now := s.link.elapsed()
	s.control.OnSent(now, congestion.SentFrame{Seq: f.Seq, Bytes: len(enc.Data), FullBytes: enc.FullBytes,
		Budget: budget, Raw: f.Format != frame.JPEG, Card: f.Card, EncodeTime: now - began})
	quality := s.qualityOf(f, &enc, budget, reason)
	if err := s.writeFrame(&enc); err != nil {
		return s.link.writeError("write a frame", err)
	}
	s.link.sentSeq.Store(f.Seq)
	s.encoder.OnSent(&enc.Header, f)
	s.link.sent.onSent(&enc.Header, quality, s.drops)
	if s.quality.changed(quality, now) {
		s.link.peer.links.cfg.Handler.Quality(s.link)
	}
	return nil
}

// writeFrame hands a frame to the kernel. Its header is a TLS record of its
// own, so that the receiver knows when the first byte arrived.
func (s *sender) writeFrame(enc *framecodec.Encoded) error {
	s.buf = wire.AppendFrame(s.buf[:0], &enc.Header)
	return s.link.conn.WriteFrame(s.buf, enc.Data)
}

// subscribe makes h the source of the frames that are sent; nil: none.
func (s *sender) subscribe(h *frame.Hub) {
	if s.sub != nil {
		s.sub.Close()
		s.countDrops()
		s.counted, s.sub = 0, nil
	}
	s.encoder.Reset()
	if h != nil {
		s.sub = h.Subscribe()
		s.control.OnNewSource()
	}
}

// countDrops counts the frames that the hub has dropped since the last call,
// and attributes them to what blocked the sender.
func (s *sender) countDrops() {
	if n := s.sub.Dropped(); n > s.counted {
		reason := &s.drops.Link // also while the sender was still writing the previous frame
		if s.blocked == congestion.LimitedByMaxBitrate {
			reason = &s.drops.MaxBitrate
		}
		*reason += n - s.counted
		s.counted = n
	}
	s.blocked = congestion.Unlimited
}

// qualityOf returns the quality of a frame that is sent. A card is not video
// and has none.
func (s *sender) qualityOf(f *frame.Frame, enc *framecodec.Encoded, budget int, reason congestion.Reason) qualityState {
	if f.Card {
		return qualityState{}
	}
	q := judgeQuality(s.control.Constrained(), len(enc.Data), enc.FullBytes, budget)
	q.byMaxBitrate, q.capacity = reason == congestion.LimitedByMaxBitrate, s.control.Capacity()
	return q
}

// sendMessage writes one message. It stamps pings and pongs as late as
// possible.
func (s *sender) sendMessage(m wire.Message) error {
	switch t := m.(type) {
	case *wire.Ping:
		t.T1 = frame.Now()
		s.link.clock.onPing(t.T1)
	case *wire.Pong:
		t.T3 = frame.Now()
	}
	var err error
	if s.buf, err = wire.Append(s.buf[:0], m); err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if _, err := s.link.conn.Write(s.buf); err != nil {
		return s.link.writeError("write", err)
	}
	return nil
}

// sendFeedback reports the frames that have arrived to their sender, or sets
// the feedback timer if the last Feedback is too recent.
func (s *sender) sendFeedback() error {
	if wait := feedbackInterval - time.Since(s.lastFeedback); wait > 0 {
		s.feedbackTimer.Reset(wait)
		return nil
	}
	s.feedbackTimer.Stop()
	s.lastFeedback = time.Now()
	s.feedback = s.link.received.latest()
	return s.sendMessage(&s.feedback)
}

// sendGoodbye sends the queued messages and a Bye with the reason for the end
// of the link. A replaced link sends no queued messages: they are for its
// successor. Errors are ignored: the link is over anyway.
func (s *sender) sendGoodbye(why error) {
	bye := goodbye(why)
	if bye == nil {
		return
	}
	for waiting := len(s.link.out); waiting > 0 && bye.Code != wire.CodeReplaced; waiting-- {
		if s.sendMessage(<-s.link.out) != nil {
			return
		}
	}
	if s.sendMessage(bye) == nil {
		_ = s.link.conn.CloseWrite()
	}
}
