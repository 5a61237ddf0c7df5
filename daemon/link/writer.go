package link

import (
	"fmt"
	"sync/atomic"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// outbound is what is known of the pictures that go out. The writer writes it, any may read.
type outbound struct {
	meter             frame.Meter
	pictures, dropped atomic.Uint64
	feedback          atomic.Pointer[wire.Feedback] // the receiver's latest
	refresh           atomic.Bool                   // the receiver waits for a raw picture that stands alone
}

// Sending is what goes out over a link.
type Sending struct {
	frame.Rate
	Pictures, Dropped uint64
	Feedback          wire.Feedback // the receiver's latest word; zero before the first
}

func (l *Link) sending() Sending {
	s := Sending{Rate: l.sent.meter.Rate(frame.Now()), Pictures: l.sent.pictures.Load(), Dropped: l.sent.dropped.Load()}
	if f := l.sent.feedback.Load(); f != nil {
		s.Feedback = *f
	}
	return s
}

// writer is the state of a link's writing goroutine.
type writer struct {
	link *Link
	eyes *frame.Reader
	lost uint64 // dropped by readers before eyes
	told uint64 // pictures that the last feedback was about
	buf  []byte
	raw  packer
}

// look watches another hub, or none.
func (w *writer) look(h *frame.Hub) {
	if w.eyes != nil {
		w.eyes.Close()
		w.lost += w.eyes.Dropped()
		w.eyes = nil
	}
	w.raw.forget()
	if h != nil {
		w.eyes = h.Subscribe()
	}
}

func (w *writer) pictures() <-chan struct{} {
	if w.eyes == nil {
		return nil
	}
	return w.eyes.Ready()
}

// message writes one message, stamping pings and pongs as late as possible.
func (w *writer) message(m wire.Message) error {
	switch t := m.(type) {
	case *wire.Ping:
		t.T1 = frame.Now()
		w.link.clock.ask(t.T1)
	case *wire.Pong:
		t.T3 = frame.Now()
	}
	var err error
	if w.buf, err = wire.Append(w.buf[:0], m); err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if _, err := w.link.tls.Write(w.buf); err != nil {
		return fmt.Errorf("write to %s: %w", w.link.Peer(), classify(err))
	}
	return nil
}

// heartbeat writes a ping and, if pictures have come since the last one, what has become of them.
func (w *writer) heartbeat() error {
	if err := w.message(&wire.Ping{}); err != nil {
		return err
	}
	f := w.link.feedback()
	if f.Pictures == w.told {
		return nil
	}
	w.told = f.Pictures
	return w.message(f)
}

// newest writes the newest picture, if there is one that was not sent yet.
func (w *writer) newest() error {
	f := w.eyes.Take()
	if f == nil {
		return nil
	}
	defer f.Release()
	w.link.sent.dropped.Store(w.lost + w.eyes.Dropped())
	p := wire.Picture{Seq: f.Seq, Captured: f.Captured, Width: uint16(f.Width), Height: uint16(f.Height)}
	if f.Card {
		p.Flags |= wire.Card
	}
	if w.link.sent.refresh.Swap(false) {
		w.raw.forget()
	}
	data, err := w.raw.pack(&p, f, w.link.agreed)
	if err != nil {
		return err
	}
	p.Size = len(data)
	if err := p.Check(); err != nil {
		w.lost++ // a picture that the protocol has no room for, such as a raw one above 16 MiB, is one that is not sent
		return nil
	}
	w.buf = wire.AppendPicture(w.buf[:0], &p)
	if _, err = w.link.tls.Write(w.buf); err == nil {
		_, err = w.link.tls.Write(data)
	}
	if err != nil {
		return fmt.Errorf("write a picture to %s: %w", w.link.Peer(), classify(err))
	}
	w.raw.sent(&p, f)
	now := frame.Now()
	w.link.sent.pictures.Add(1)
	w.link.sent.meter.Add(now, now-f.Captured, len(data), f.Width, f.Height)
	return nil
}

// goodbye says why the link ends, if the other side can still hear it: behind what waits to be said, unless that is for
// another link to say. What fails here fails because the other side does not hear it.
func (w *writer) goodbye(why error) {
	bye := farewell(why)
	if bye == nil {
		return
	}
	for waiting := len(w.link.out); waiting > 0 && bye.Code != wire.CodeReplaced; waiting-- {
		if w.message(<-w.link.out) != nil {
			return
		}
	}
	if w.message(bye) == nil {
		_ = w.link.tls.CloseWrite()
	}
}
