package link

import (
	"fmt"
	"time"

	"vchat/daemon/congestion"
	"vchat/daemon/frame"
	"vchat/daemon/framecodec"
	"vchat/daemon/wire"
)

// writer is the state of a link's writing goroutine.
type writer struct {
	link  *Link
	video video
	ask   *time.Timer // when the window is to be asked again
	buf   []byte

	tell *time.Timer // when the other side may be told of its frames again
	told time.Time   // when it was
	word wire.Feedback
}

// feedbackEvery is the shortest time between two Feedbacks: 50 a second, as PROTOCOL.md has it.
const feedbackEvery = 20 * time.Millisecond

func newWriter(l *Link) *writer {
	w := &writer{link: l, video: video{link: l, control: congestion.New(l.conn), encoder: framecodec.NewEncoder(l.agreed)}, ask: time.NewTimer(0), tell: time.NewTimer(0)}
	w.ask.Stop()
	w.tell.Stop()
	return w
}

func (w *writer) close() {
	w.video.look(nil)
	w.ask.Stop()
	w.tell.Stop()
}

// frames receives a value when there is a frame that may be sent; while the window is closed it is nil.
func (w *writer) frames() <-chan struct{} {
	if w.video.eyes == nil {
		return nil
	}
	now := w.link.elapsed()
	if ok, ask := w.video.open(now); !ok {
		w.ask.Reset(ask - now)
		return nil
	}
	return w.video.eyes.Ready()
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
	if _, err := w.link.conn.Write(w.buf); err != nil {
		return fmt.Errorf("write to %s: %w", w.link.Peer(), classify(err))
	}
	return nil
}

// feedback tells the other side what has become of its frames; a moment later, if it was told just now.
func (w *writer) feedback() error {
	if early := feedbackEvery - time.Since(w.told); early > 0 {
		w.tell.Reset(early)
		return nil
	}
	w.tell.Stop()
	w.told = time.Now()
	w.word = w.link.received.feedback()
	return w.message(&w.word)
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
		_ = w.link.conn.CloseWrite()
	}
}
