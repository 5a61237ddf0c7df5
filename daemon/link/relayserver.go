package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"vchat/daemon/relay"
	"vchat/daemon/resolve"
	"vchat/daemon/socks"
)

const (
	resolveInterval     = 10 * time.Second
	resolveTimeout      = 30 * time.Second // two name servers that do not answer take 20 s
	relayAddressStagger = 250 * time.Millisecond
)

// relayServer is one relay of the list. It is safe for concurrent use.
type relayServer struct {
	address string // HOST:PORT
	proxy   *socks.Proxy
	links   *Links

	mu         sync.Mutex
	err        error  // why the last attempt has failed; nil: it has not
	logged     string // kind of the last error that was logged; "": none
	unreached  bool   // that was an error of connecting
	lines      rate.Sometimes
	joinLines  rate.Sometimes
	backoff    relayBackoff
	addresses  []string // of the name; the last good one is the first
	resolvedAt time.Time
	resolving  *lookup // nil: none
}

// lookup is a look-up of the relay's name, which outlives the attempt that has
// begun it. Its fields are set when done is closed.
type lookup struct {
	done chan struct{}
	err  error
}

func newRelayServer(ls *Links, address string, proxy *socks.Proxy) *relayServer {
	return &relayServer{address: address, proxy: proxy, links: ls,
		lines:     rate.Sometimes{First: 20, Interval: time.Hour},
		joinLines: rate.Sometimes{First: 1, Interval: time.Hour},
		backoff:   newRelayBackoff()}
}

func (s *relayServer) lastErr() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// due returns when the relay may be dialled.
func (s *relayServer) due(urgency relayUrgency) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.backoff.due(urgency)
}

// begin reports whether a waiter may dial now.
func (s *relayServer) begin(urgency relayUrgency, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backoff.due(urgency).After(now) {
		return false // another waiter dials
	}
	s.backoff.begin(now)
	return true
}

// onNetworkChange allows to dial at once.
func (s *relayServer) onNetworkChange() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backoff.reset()
}

// onFailure records why an attempt has failed, and logs each cause once.
func (s *relayServer) onFailure(err error, connecting bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if joined := (*joinedError)(nil); errors.As(err, &joined) {
		// Not the relay's fault: the other connection was dead, or that of a
		// stranger.
		s.joinLines.Do(func() { s.links.cfg.Log.Info("no link by relay", "relay", s.address, "err", err) })
		return
	}
	s.err = err
	if connecting {
		s.backoff.fail(now)
	}
	if key := relayLogKey(err); s.logged != key {
		s.logged, s.unreached = key, connecting && !errors.Is(err, relay.ErrClosed)
		s.lines.Do(func() { s.links.cfg.Log.Warn("relay not usable", "relay", s.address, "err", err) })
	}
}

// onSuccess records that the relay accepts connections, or, if linked, that it
// has joined us with the peer. One that accepts and closes at once is no good.
func (s *relayServer) onSuccess(linked bool) {
	s.mu.Lock()
	wasDown := s.backoff.succeed()
	s.err = nil
	if s.logged != "" && (linked || s.unreached) {
		s.logged = ""
		s.lines.Do(func() { s.links.cfg.Log.Info("relay usable again", "relay", s.address) })
	}
	s.mu.Unlock()
	if wasDown {
		s.links.wakeWaiters()
	}
}

// joinedError is an error of a connection that a relay has joined.
type joinedError struct{ err error }

func (e *joinedError) Error() string {
	return "the relay has joined this device with another one: " + e.err.Error()
}
func (e *joinedError) Unwrap() error { return e.err }

// relayLogKey returns the kind of an error: what a bad relay answers may be
// another text each time.
func relayLogKey(err error) string {
	for _, e := range []error{relay.ErrNoRelay, relay.ErrRefused, relay.ErrClosed} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	return logKey(err)
}

// dial connects to the relay.
func (s *relayServer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if s.proxy != nil {
		return s.proxy.Dial(ctx, s.links.cfg.Dial, s.address)
	}
	addresses, err := s.resolve(ctx)
	if err != nil {
		return nil, err
	}
	return s.dialAny(ctx, addresses)
}

// resolve returns the addresses of the relay. A name is looked up from time to
// time, and not before each attempt: without a network that takes seconds.
func (s *relayServer) resolve(ctx context.Context) ([]string, error) {
	s.mu.Lock()
	addresses, running := s.addresses, s.resolving
	if running == nil && (addresses == nil || time.Since(s.resolvedAt) >= resolveInterval) {
		running = &lookup{done: make(chan struct{})}
		s.resolving, s.resolvedAt = running, time.Now()
		s.links.work.Go(func() { s.lookUp(running) })
	}
	s.mu.Unlock()
	if addresses != nil {
		return addresses, nil
	}
	select {
	case <-running.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("resolve %s: %w", s.address, classify(ctx.Err()))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addresses, running.err
}

func (s *relayServer) lookUp(l *lookup) {
	s.links.mu.Lock()
	ctx := s.links.ctx
	s.links.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	found, err := resolve.Addresses(ctx, s.links.cfg.Lookup, s.address)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.addresses = found
	}
	l.err = err
	s.resolving = nil
	close(l.done)
}

// dialAny returns the first connection to one of the addresses.
func (s *relayServer) dialAny(ctx context.Context, addresses []string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type dialled struct {
		address string
		conn    net.Conn
		err     error
	}
	results := make(chan dialled)
	next := time.NewTimer(0)
	defer next.Stop()
	var firstErr error
	var won net.Conn
	running := 0
	for running > 0 || won == nil && len(addresses) > 0 {
		start := next.C
		if won != nil || len(addresses) == 0 {
			start = nil
		}
		select {
		case <-start:
			address := addresses[0]
			addresses = addresses[1:]
			running++
			s.links.work.Go(func() {
				conn, err := s.links.cfg.Dial(ctx, "tcp", address)
				results <- dialled{address, conn, err}
			})
			next.Reset(relayAddressStagger)
		case r := <-results:
			running--
			switch {
			case r.err == nil && won == nil:
				won = r.conn
				s.prefer(r.address)
				cancel()
			case r.err == nil:
				_ = r.conn.Close()
			case firstErr == nil:
				firstErr = r.err
			}
			next.Reset(0)
		}
	}
	if won != nil {
		return won, nil
	}
	return nil, firstErr
}

// prefer makes an address the first one of the next attempts.
func (s *relayServer) prefer(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.addresses, address); i > 0 {
		s.addresses = slices.Concat([]string{address}, s.addresses[:i], s.addresses[i+1:])
	}
}
