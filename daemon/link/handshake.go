package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"vchat/daemon/identity"
	"vchat/daemon/transport"
	"vchat/daemon/wire"
)

// features are what this program can do, as told in the hello.
var features = []string{wire.FeatureJPEG, wire.FeatureYUYV, wire.FeatureLZ4, wire.FeatureDelta, wire.FeatureText, wire.FeatureResume}

// refusalTime is how long a refused connection is still read, so that the Bye is not lost to a reset.
const refusalTime = time.Second

// answer serves one accepted connection, which has passed the gate: nothing is done for it before its key is known.
func (ls *Links) answer(ctx context.Context, raw net.Conn) {
	defer ls.gate.leave(raw)
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(handshakeTime))
	conn, err := transport.Server(ctx, raw, ls.cfg.Identity.ServerConfig())
	if err != nil {
		ls.cfg.Log.Debug("a connection without a TLS handshake", "from", raw.RemoteAddr(), "err", err)
		return
	}
	id, err := identity.PeerID(conn.ConnectionState())
	if err == nil {
		if p := ls.peerByID(id); p != nil && id != ls.cfg.Identity.ID() {
			p.door.enter(raw)
			defer p.door.leave(raw)
			ls.gate.leave(raw)
			_ = ls.serve(p, conn, false, func() { p.door.leave(raw); stop() })
			return
		}
		err = ls.refuse(conn, id)
	}
	ls.cfg.Log.Debug("a connection ended", "from", raw.RemoteAddr(), "err", err)
}

// refuse tells a device with an unknown key so, and the log which key it was and what the device calls itself.
func (ls *Links) refuse(conn *transport.Conn, id identity.ID) error {
	bye := wire.Bye{Code: wire.CodeUnknownDevice, Text: fmt.Sprintf("your key %s is not known here; put it under peers on the device that says so", id)}
	if id == ls.cfg.Identity.ID() {
		bye = wire.Bye{Code: wire.CodeSelfCall, Text: "you have reached yourself: the address or the id is your own"}
	}
	said := say(conn, bye)
	// Its own hello is on the way; the name in it is a claim, for the log only.
	claim := "(silent)"
	if m, err := wire.NewReader(conn).Next(); err == nil {
		if h, ok := m.(*wire.Hello); ok {
			claim = h.Name
		}
	}
	if ls.refusals.worthTelling(id) {
		ls.cfg.Log.Warn("refused a device whose key is not known here; if it is one of yours, put its id under peers",
			"from", conn.RemoteAddr(), "calls_itself", claim, "id", id)
	}
	readOn(conn)
	return said
}

// sayBye ends a connection in words.
func sayBye(conn *transport.Conn, bye wire.Bye) error {
	if err := say(conn, bye); err != nil {
		return err
	}
	readOn(conn)
	return nil
}

// say sends the last word, and begins the time in which the connection ends.
func say(conn *transport.Conn, bye wire.Bye) error {
	conn.SetFinalDeadline(time.Now().Add(refusalTime))
	b, err := wire.Append(nil, &bye)
	if err != nil {
		return err
	}
	if _, err := conn.Write(b); err != nil {
		return fmt.Errorf("say goodbye: %w", err)
	}
	return conn.CloseWrite()
}

// readOn reads until the other side has the Bye and closes, for a reset would destroy it; but not all that it may send.
func readOn(conn *transport.Conn) { _, _ = io.CopyN(io.Discard, conn, wire.MaxControl) }

// serveDialled serves a connection that we made to p. With ctx it ends as long as we have not said hello: after that the
// other side may have chosen it already.
func (ls *Links) serveDialled(ctx context.Context, p *peer, address string, raw net.Conn, agreed func()) error {
	defer raw.Close()
	stop := context.AfterFunc(p.ctx, func() { _ = raw.Close() })
	defer stop()
	_ = raw.SetDeadline(time.Now().Add(handshakeTime))
	conn, err := transport.Client(ctx, raw, ls.cfg.Identity.ClientConfig())
	if err != nil {
		return fmt.Errorf("TLS with %s: %w", address, classify(err))
	}
	id, err := identity.PeerID(conn.ConnectionState())
	if err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	if id != p.ID {
		// Not the peer's name: it is for a stranger's eyes.
		_ = sayBye(conn, wire.Bye{Code: wire.CodeWrongIdentity, Text: fmt.Sprintf("your key %s is not the one known for this address", id)})
		return fmt.Errorf("%w: %s answers with %s, but %s is %s", ErrWrongIdentity, address, id, p.Name, p.ID)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	return ls.serve(p, conn, true, func() { stop(); agreed() })
}

// serve exchanges hellos with a peer whose key is the known one, tells that they agreed, and runs the link to its end.
func (ls *Links) serve(p *peer, conn *transport.Conn, dialled bool, agreed func()) error {
	l, err := ls.agree(p, conn, dialled)
	if err != nil {
		if !dialled {
			p.fail(err) // else it is for the attempt to weigh
		}
		return err
	}
	agreed()
	return l.run(p.ctx)
}

// agree exchanges hellos.
func (ls *Links) agree(p *peer, conn *transport.Conn, dialled bool) (*Link, error) {
	ours := ls.hello()
	b, err := wire.Append(nil, &ours)
	if err != nil {
		return nil, fmt.Errorf("hello: %w", err)
	}
	conn.SetHandshakeDeadline(time.Now().Add(handshakeTime))
	if _, err := conn.Write(b); err != nil {
		return nil, fmt.Errorf("say hello: %w", classify(err))
	}
	in := wire.NewReader(conn)
	m, err := in.Next()
	if err != nil {
		if errors.Is(err, wire.ErrProtocol) {
			_ = sayBye(conn, *farewell(err))
		}
		return nil, fmt.Errorf("hear hello: %w", classify(err))
	}
	switch m := m.(type) {
	case *wire.Bye:
		return nil, &ByeError{*m}
	case *wire.Hello:
		theirs := *m
		if _, err := wire.Agree(ours, theirs); err != nil {
			_ = sayBye(conn, *farewell(err))
			return nil, err
		}
		return newLink(p, conn, in, ours, theirs, dialled), nil
	}
	err = fmt.Errorf("%w: the first message is of type %d, not a hello", wire.ErrProtocol, m.Type())
	_ = sayBye(conn, *farewell(err))
	return nil, err
}

// refusals remembers the strangers that were logged, so that one that tries for ever is one line. A key costs nothing, so
// there are at most 256 lines an hour.
type refusals struct {
	mu    sync.Mutex
	seen  map[identity.ID]bool
	since time.Time
}

func (r *refusals) worthTelling(id identity.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil || len(r.seen) >= maxRefusals && time.Since(r.since) >= time.Hour {
		r.seen, r.since = map[identity.ID]bool{}, time.Now()
	}
	if r.seen[id] || len(r.seen) >= maxRefusals {
		return false
	}
	r.seen[id] = true
	return true
}

const maxRefusals = 256
