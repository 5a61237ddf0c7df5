package pairing

import (
	"context"
	"io"
	"time"
)

// Conn is a TLS connection of two devices, with deadlines that end a Read or a
// Write at last.
type Conn interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// Host is the device that is being paired. Run calls its methods one at a time,
// from its own goroutine.
type Host interface {
	// Admit reports whether this device waits for a pairing: 0, or why not.
	// Only a responder calls it.
	Admit(name string) Reason
	// Reveal reports whether this connection is the first to get a nonce since
	// the user began to wait: 0, or why not. Only a responder calls it.
	Reveal() Reason
	// Compare shows the code to the user, and the name that the other device
	// claims.
	Compare(code Code, name string)
	// Keep keeps the key of the other device. Undo restores what was before.
	Keep() error
	Undo()
}

// lingerTimeout is how long an ended connection is still read. Data that
// arrives after a close causes a reset, which destroys the last message.
const lingerTimeout = time.Second

// Run runs a session on a connection until it ends, and closes the connection.
// The answers of the user, Agree or Reject, come from answers. The end of ctx
// is a Reject with Cancelled. Errors: nil, ErrLost or *EndError.
func Run(ctx context.Context, s *Session, c Conn, h Host, answers <-chan Event) error {
	r := &runner{session: s, conn: c, host: h, timer: time.NewTimer(ExchangeTimeout),
		in: make(chan Event, 1), done: make(chan struct{})}
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		r.read()
	}()
	defer func() {
		close(r.done)
		r.timer.Stop()
		r.linger(reading)
		_ = c.Close()
		<-reading
	}()
	r.do(s.Start())
	cancelled := ctx.Done()
	for !r.ended {
		select {
		case ev := <-r.in:
			r.step(ev)
		case ev := <-answers:
			r.step(ev)
		case <-r.timer.C:
			r.step(Expired{})
		case <-cancelled:
			cancelled = nil
			r.step(Reject{Cancelled})
		}
	}
	return r.err
}

type runner struct {
	session *Session
	conn    Conn
	host    Host
	timer   *time.Timer
	in      chan Event
	done    chan struct{} // closed when nothing is received from in any more

	ended bool
	err   error
}

// read passes the messages on. After the end of the session it reads on, until
// the other device has closed.
func (r *runner) read() {
	messages := NewReader(r.conn)
	for {
		m, err := messages.Next()
		ev := Event(m)
		if err != nil {
			ev = Lost{err}
		}
		select {
		case r.in <- ev:
		case <-r.done:
		}
		if err != nil {
			break
		}
	}
	<-r.done
	_, _ = io.CopyN(io.Discard, r.conn, maxMessage)
}

// linger lets the last message arrive.
func (r *runner) linger(reading <-chan struct{}) {
	if r.conn.CloseWrite() != nil {
		return
	}
	t := time.NewTimer(lingerTimeout)
	defer t.Stop()
	select {
	case <-reading:
	case <-t.C:
	}
}

func (r *runner) step(ev Event) {
	if !r.ended {
		r.do(r.session.Step(ev))
	}
}

// do carries out actions. An action may lead to an event, whose actions come
// first.
func (r *runner) do(actions []Action) {
	for _, a := range actions {
		switch a := a.(type) {
		case Send:
			if _, err := r.conn.Write(Append(nil, a.Message)); err != nil {
				r.step(Lost{err})
				if !r.ended { // a Refuse, whose End follows
					continue
				}
				return
			}
		case SetTimeout:
			r.timer.Reset(a.Timeout)
		case Admit:
			r.step(answer(r.host.Admit(a.Name)))
		case Reveal:
			r.step(answer(r.host.Reveal()))
		case Compare:
			r.host.Compare(a.Code, a.Name)
		case Keep:
			r.step(r.keep())
		case Undo:
			r.host.Undo()
		case End:
			r.ended, r.err = true, a.Err
		}
	}
}

func answer(r Reason) Event {
	if r == 0 {
		return Allow{}
	}
	return Reject{r}
}

// keep lets the host keep the key. The disk may have been slow, so it looks
// whether the connection has failed before the session relies on it.
func (r *runner) keep() Event {
	kept := Kept{r.host.Keep()}
	select {
	case ev := <-r.in:
		r.step(ev)
	default:
	}
	return kept
}
