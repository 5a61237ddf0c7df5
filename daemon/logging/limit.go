package logging

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// No peer can make us write more than this: a burst of lines, then one each time this long has passed. A device that we
// know is not a device that may fill our journal.
const (
	peerLines     = 60
	peerLineEvery = 2 * time.Second
)

// LimitPeers leaves out what exceeds that of the lines that name a peer, and says in the next one how many. Errors are ours
// and pass.
func LimitPeers(h slog.Handler) slog.Handler {
	return &peerLimit{Handler: h, quotas: &quotas{of: map[string]*quota{}}}
}

type peerLimit struct {
	slog.Handler
	peer string // from WithAttrs
	*quotas
}

// quotas are those of all peers, of which there are as many as are configured.
type quotas struct {
	mu sync.Mutex
	of map[string]*quota
}

type quota struct {
	paid time.Time // the lines until now have had their time until then
	left int       // lines left out since the last one
}

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

func (h *peerLimit) WithGroup(name string) slog.Handler {
	c := *h
	c.Handler = h.Handler.WithGroup(name)
	return &c
}

func (h *peerLimit) Handle(ctx context.Context, r slog.Record) error {
	peer := h.peer
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "peer" {
			peer = a.Value.String()
		}
		return true
	})
	if peer != "" && r.Level < slog.LevelError {
		left, ok := h.pass(peer, r.Time)
		if !ok {
			return nil
		}
		if left > 0 {
			r.AddAttrs(slog.Int("lines_left_out", left))
		}
	}
	return h.Handler.Handle(ctx, r)
}

// pass says whether there may be one more line about a peer, and how many were left out before it.
func (q *quotas) pass(peer string, now time.Time) (left int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	x := q.of[peer]
	if x == nil {
		x = new(quota)
		q.of[peer] = x
	}
	if credit := now.Add(-peerLines * peerLineEvery); x.paid.Before(credit) {
		x.paid = credit
	}
	if x.paid.Add(peerLineEvery).After(now) {
		x.left++
		return 0, false
	}
	x.paid = x.paid.Add(peerLineEvery)
	left, x.left = x.left, 0
	return left, true
}
