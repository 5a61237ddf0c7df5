package link

import (
	"context"
	"crypto/tls"
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

// features are the optional parts of the protocol that this program supports.
var features = []string{wire.FeatureJPEG, wire.FeatureYUYV, wire.FeatureLZ4, wire.FeatureDelta,
	wire.FeatureText, wire.FeatureResume}

// refusalTimeout is how long a refused connection is still read. If it were
// closed at once, a reset would destroy the Bye.
const refusalTimeout = time.Second

// arrival is an accepted connection that admission has let in, or one that a
// relay has joined with ours.
type arrival struct {
	raw     net.Conn
	visitor *visitor
	route   route
	expects *peer  // by a relay: the peer that we wait for there; nil: any
	onHello func() // called when the hellos are exchanged
}

// serveAccepted serves an accepted connection to its end, and returns why it
// has ended. It spends little on it before the key turns out to be a peer's.
func (ls *Links) serveAccepted(ctx context.Context, a arrival) error {
	raw, v := a.raw, a.visitor
	leave := sync.OnceFunc(func() { <-ls.served })
	defer leave()
	defer ls.admission.leave(v)
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	defer raw.Close()
	// Without ctx, for which crypto/tls would start a goroutine: closing raw
	// ends the handshake, too.
	conn, err := transport.Server(context.Background(), raw, ls.serverConfig(ctx, a))
	if err != nil {
		ls.cfg.Log.Debug("TLS handshake failed", "from", raw.RemoteAddr(), "err", err)
		return fmt.Errorf("TLS handshake: %w", classify(err))
	}
	id, err := identity.PeerID(conn.ConnectionState())
	if err == nil {
		if conn.ConnectionState().NegotiatedProtocol == identity.PairingALPN {
			if ls.cfg.Pairing != nil && a.expects == nil {
				ls.cfg.Pairing(ctx, conn, id,
					func() { ls.admission.refuse(v) },
					func() { ls.admission.pass(v); leave() })
			}
			return errNoPeer
		}
		p := ls.peerByID(id)
		if p != nil && id != ls.cfg.Identity.ID() && (a.expects == nil || a.expects == p) {
			p.greeting.enter(raw)
			defer p.greeting.leave(raw)
			ls.admission.pass(v)
			leave()
			return ls.serve(p, conn, false, a.route, func(*Link) {
				p.greeting.leave(raw)
				stop()
				a.onHello()
			})
		}
		ls.admission.refuse(v)
		if err = ls.refuse(conn, id); err == nil {
			err = errNoPeer
		}
	}
	ls.cfg.Log.Debug("connection refused", "from", raw.RemoteAddr(), "err", err)
	return err
}

// serverConfig returns the TLS configuration for a. crypto/tls calls
// GetConfigForClient between the ClientHello and the first computation.
func (ls *Links) serverConfig(ctx context.Context, a arrival) *tls.Config {
	c := ls.cfg.Identity.ServerConfig()
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if !ls.admission.await(ctx, a.visitor, ls.acquaintances.proven(hello.SupportedProtos)) {
			return nil, errEvicted
		}
		_ = a.raw.SetDeadline(time.Now().Add(a.route.handshakeTimeout()))
		return nil, nil
	}
	return c
}

// refuse sends a Bye to a device with an unknown key, and logs the key and the
// name that the device claims.
func (ls *Links) refuse(conn *transport.Conn, id identity.ID) error {
	bye := wire.Bye{Code: wire.CodeUnknownDevice,
		Text: fmt.Sprintf("your key %s is unknown here; add it under peers", id)}
	own := id == ls.cfg.Identity.ID()
	if own {
		bye = wire.Bye{Code: wire.CodeSelfCall, Text: selfByeText}
	}
	err := sendBye(conn, bye)
	name := "" // from its hello, which is on the way; unauthenticated
	if m, err := wire.NewReader(conn).Next(); err == nil {
		if h, ok := m.(*wire.Hello); ok {
			name = h.Name
			if own && h.Instance != ls.cfg.Instance {
				ls.onOwnTwin("at " + conn.RemoteAddr().String())
			}
		}
	}
	if !own {
		ls.onUnknown(conn.RemoteAddr(), name, id)
	}
	discard(conn)
	return err
}

// onUnknown records and logs a device with an unknown key.
func (ls *Links) onUnknown(from net.Addr, name string, id identity.ID) {
	device := Refusal{ID: id, Name: name, Address: from.String(), origin: originOf(from)}
	p, certain := ls.peerNamed(name, from)
	if p != nil {
		device.Peer = p.Name
	}
	isNew := ls.refusals.add(device, time.Now())
	switch {
	case isNew && p != nil:
		ls.cfg.Log.Warn(ErrWrongIdentity.Error(), "claimed_peer", p.Name, "from", from, "expected", p.ID, "got", id,
			"hint", mismatchHint)
	case isNew:
		ls.cfg.Log.Warn("unknown device refused", "from", from, "claimed_name", name, "id", id,
			"hint", "to accept it, add its id under peers")
	}
	if p != nil {
		err := &MismatchError{Expected: p.ID, Got: id, Address: from.String(), Certain: certain}
		p.onMismatch(mismatch{err, time.Now()})
	}
}

const mismatchHint = "if the peer was installed anew, put its new id under peers; if not, this is another device"

// sendByeAndWait sends a Bye and waits for the peer to close.
func sendByeAndWait(conn *transport.Conn, bye wire.Bye) error {
	if err := sendBye(conn, bye); err != nil {
		return err
	}
	discard(conn)
	return nil
}

// sendBye sends the last message of a connection and sets its final deadline.
func sendBye(conn *transport.Conn, bye wire.Bye) error {
	conn.SetFinalDeadline(time.Now().Add(refusalTimeout))
	b, err := wire.Append(nil, &bye)
	if err != nil {
		return err
	}
	if _, err := conn.Write(b); err != nil {
		return fmt.Errorf("send Bye: %w", err)
	}
	return conn.CloseWrite()
}

// discard reads until the peer closes, because data that arrives after our
// close causes a reset, and the reset destroys the Bye. It reads a limited
// amount.
func discard(conn *transport.Conn) { _, _ = io.CopyN(io.Discard, conn, wire.MaxControl) }

// serveDialled serves a connection that we made to p. ctx ends it only until
// the hellos are exchanged: after that, the peer may have nominated it already.
func (ls *Links) serveDialled(ctx context.Context, p *peer, address string, isFound bool, via route, raw net.Conn,
	onHello func(*Link)) error {
	defer raw.Close()
	stop := context.AfterFunc(p.ctx, func() { _ = raw.Close() })
	defer stop()
	_ = raw.SetDeadline(time.Now().Add(via.handshakeTimeout()))
	conn, err := transport.Client(ctx, raw, ls.acquaintances.clientConfig(p.ID))
	if err != nil {
		if via.path == PathProxy && transport.IsClosed(err) {
			// So says ssh -D that it does not reach the address.
			return &stepError{StepConnect, plainError{"the proxy closed the connection to " + address,
				errors.Join(ErrClosed, err)}}
		}
		return &stepError{StepTLS, HandshakeError(address, err)}
	}
	id, err := identity.PeerID(conn.ConnectionState())
	if err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	if (isFound || via.path == PathRelay) && id != p.ID {
		return fmt.Errorf("%s: device with id %s", address, id)
	}
	if id == ls.cfg.Identity.ID() && id != p.ID {
		return ls.serveOwnKey(p, conn, id, address)
	}
	if id != p.ID {
		// Without the peer's name: the device is unauthenticated. Any device
		// that dials the peer learns its id.
		_ = sendByeAndWait(conn, wire.Bye{Code: wire.CodeWrongIdentity,
			Text: fmt.Sprintf("your key %s is not the one expected at this address, which is %s", id, p.ID)})
		return &MismatchError{Expected: p.ID, Got: id, Address: address, Certain: true}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	return ls.serve(p, conn, true, via, func(l *Link) { stop(); onHello(l) })
}

// serve exchanges hellos with an authenticated peer, calls onHello, and runs
// the link to its end.
func (ls *Links) serve(p *peer, conn *transport.Conn, dialled bool, via route, onHello func(*Link)) error {
	l, err := ls.exchangeHellos(p, conn, dialled, via)
	if err != nil {
		if !dialled { // for a dialled one, the attempt reports it
			p.onFailure(err)
		}
		return err
	}
	onHello(l)
	ls.learnKey(p.ID, conn.ConnectionState())
	return l.run(p.ctx)
}

// exchangeHellos sends our hello and receives that of p. Where p has a link
// already, it may be a twin that has dialled; then our hello waits for theirs.
func (ls *Links) exchangeHellos(p *peer, conn *transport.Conn, dialled bool, via route) (*Link, error) {
	if !dialled && !p.limits.connects.Allow() {
		_ = sendBye(conn, wire.Bye{Code: wire.CodeTooMany, Text: "you connect too often"})
		return nil, errTooOften
	}
	ours := ls.hello()
	conn.SetHandshakeDeadline(time.Now().Add(via.handshakeTimeout()))
	current := p.link()
	second := current != nil && !dialled
	if !second {
		if err := sendHello(conn, ours); err != nil {
			return nil, err
		}
	}
	pace := &pacedReader{Reader: conn, ctx: p.ctx, limit: p.limits.unwatched}
	in := wire.NewReader(pace)
	m, err := in.Next()
	if err != nil {
		if errors.Is(err, wire.ErrProtocol) {
			_ = sendByeAndWait(conn, *goodbye(err))
		}
		return nil, fmt.Errorf("receive hello: %w", classify(err))
	}
	switch m := m.(type) {
	case *wire.Bye:
		return nil, &ByeError{*m}
	case *wire.Hello:
		theirs := *m
		if _, err := wire.Agree(ours, theirs); err != nil {
			_ = sendByeAndWait(conn, *goodbye(err))
			return nil, err
		}
		if second {
			if bye := p.refuseTwin(current, theirs.Instance, conn.RemoteAddr().String()); bye != nil {
				_ = sendByeAndWait(conn, *bye)
				return nil, errReplaced
			}
			if err := sendHello(conn, ours); err != nil {
				return nil, err
			}
		}
		return newLink(p, conn, in, pace, ours, theirs, dialled, via), nil
	}
	err = fmt.Errorf("%w: first message has type %d, want a hello", wire.ErrProtocol, m.Type())
	_ = sendByeAndWait(conn, *goodbye(err))
	return nil, err
}

func sendHello(conn *transport.Conn, ours wire.Hello) error {
	b, err := wire.Append(nil, &ours)
	if err != nil {
		return fmt.Errorf("encode hello: %w", err)
	}
	if _, err := conn.Write(b); err != nil {
		return fmt.Errorf("send hello: %w", classify(err))
	}
	return nil
}
