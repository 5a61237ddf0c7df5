package control

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"vchat/daemon/api"
	"vchat/daemon/connlimit"
)

// sendBuffer bounds the unread bytes of a stream in the kernel. It is less than
// a frame: after a pause, a viewer reads at most the rest of one old frame
// before the newest.
const sendBuffer = 64 << 10

// place is what a request occupies while it is served. Each kind has places of
// its own, so that any number of streams leaves room for acts.
type place int

const (
	placeRead   place = iota // answers at once, or within seconds
	placeStream              // lasts as long as its client wants
	placeAct                 // changes something
	placeKinds
)

// placeLimits bounds the places of one user, and of all users but root. Root
// has its own, so that no user can lock it out.
var placeLimits = [placeKinds]struct{ user, others int }{
	placeRead:   {24, 48},
	placeStream: {64, 96},
	placeAct:    {16, 32},
}

// maxConns is the number of connections at once. It exceeds the number of all
// places, so that a connection without one can always be replaced by a new one.
const maxConns = 320

func placeOf(r *http.Request) place {
	switch path := r.URL.Path; {
	case r.Method != http.MethodGet:
		return placeAct
	case path == api.PathEvents, strings.HasPrefix(path, api.PathFeeds) && strings.HasSuffix(path, api.StreamSuffix):
		return placeStream
	}
	return placeRead
}

// places counts the occupied places. It is safe for concurrent use.
type places struct {
	mu     sync.Mutex
	byUser [placeKinds]map[int]int
	others [placeKinds]int // of all users but root
}

// take takes a place for a request of a client, or returns an *api.Error. The
// caller calls release.
func (ps *places) take(c *conn, p place) (release func(), err error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	uid, limit := c.client.uid, placeLimits[p]
	if ps.byUser[p] == nil {
		ps.byUser[p] = map[int]int{}
	}
	if ps.byUser[p][uid] >= limit.user {
		return nil, limitReached(limit.user, p, "of this user")
	}
	if uid != 0 && ps.others[p] >= limit.others {
		return nil, limitReached(limit.others, p, "of all users")
	}
	ps.add(uid, p, 1)
	c.limited.Begin()
	return func() {
		c.limited.End()
		ps.mu.Lock()
		defer ps.mu.Unlock()
		ps.add(uid, p, -1)
	}, nil
}

// add changes the counts of a user. The caller holds ps.mu.
func (ps *places) add(uid int, p place, n int) {
	if ps.byUser[p][uid] += n; ps.byUser[p][uid] == 0 {
		delete(ps.byUser[p], uid)
	}
	if uid != 0 {
		ps.others[p] += n
	}
}

func limitReached(n int, p place, whose string) error {
	e := &api.Error{Kind: api.LimitReached, Message: fmt.Sprintf("client limit reached: %d requests %s", n, whose),
		Hint: "try again"}
	if p == placeStream {
		e.Message = fmt.Sprintf("client limit reached: %d streams %s", n, whose)
		e.Hint = "close some viewers"
	}
	return e
}

// conn is a connection with its client.
type conn struct {
	limited *connlimit.Conn
	client  client
	right   right
}

type connKey struct{}

// withConn is the ConnContext of the server.
func (s *Server) withConn(ctx context.Context, c net.Conn) context.Context {
	limited := c.(*connlimit.Conn)
	raw := limited.Conn.(*net.UnixConn)
	_ = raw.SetWriteBuffer(sendBuffer) // without it the stream has more delay, but works
	cl := clientOf(raw)
	return context.WithValue(ctx, connKey{}, &conn{limited, cl, s.groups.of(cl)})
}

func connOf(ctx context.Context) *conn { return ctx.Value(connKey{}).(*conn) }

// byUser is the admit function of the listener. The connections of one user
// replace each other.
func byUser(c net.Conn) (owner string, ok bool) {
	return strconv.Itoa(clientOf(c.(*net.UnixConn)).uid), true
}
