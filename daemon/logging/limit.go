package logging

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The quota of lines per peer: a known peer must not be able to fill the
// journal.
const (
	peerLineBurst = 60          // lines at once
	peerLineEvery = time.Minute // after that, between two lines
)

// LimitPeers returns a handler that limits the records below slog.LevelError
// with the attribute "peer". The next record that passes has the number of
// dropped ones as the attribute lines_dropped.
func LimitPeers(h slog.Handler) slog.Handler {
	return &peerLimit{Handler: h, quotas: &quotas{byPeer: map[string]*quota{}}}
}

type peerLimit struct {
	slog.Handler
	peer string // from WithAttrs
	*quotas
}

// quotas holds one quota per peer. Peers are configured, so the map is bounded.
type quotas struct {
	mu     sync.Mutex
	byPeer map[string]*quota
}

type quota struct {
	limiter *rate.Limiter
	dropped int // lines since the last one that passed
}

// WithAttrs implements slog.Handler.
func (h *peerLimit) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.Handler = h.Handler.WithAttrs(attrs)
	for _, a := range attrs {
		if a.Key == "peer" {
			c.peer = a.Value.String()
		}
	}
	return &c
}

// WithGroup implements slog.Handler.
func (h *peerLimit) WithGroup(name string) slog.Handler {
	c := *h
	c.Handler = h.Handler.WithGroup(name)
	return &c
}

// Handle implements slog.Handler.
func (h *peerLimit) Handle(ctx context.Context, r slog.Record) error {
	peer := h.peer
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "peer" {
			peer = a.Value.String()
		}
		return true
	})
	if peer != "" && r.Level < slog.LevelError {
		dropped, ok := h.allow(peer, r.Time)
		if !ok {
			return nil
		}
		if dropped > 0 {
			r.AddAttrs(slog.Int("lines_dropped", dropped))
		}
	}
	return h.Handler.Handle(ctx, r)
}

// allow reports whether another line about a peer may pass, and how many were
// dropped before it.
func (q *quotas) allow(peer string, now time.Time) (dropped int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	x := q.byPeer[peer]
	if x == nil {
		x = &quota{limiter: rate.NewLimiter(rate.Every(peerLineEvery), peerLineBurst)}
		q.byPeer[peer] = x
	}
	if !x.limiter.AllowN(now, 1) {
		x.dropped++
		return 0, false
	}
	dropped, x.dropped = x.dropped, 0
	return dropped, true
}
