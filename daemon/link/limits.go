package link

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// What a peer may make this device work. A peer that sends more is read more
// slowly, so TCP slows it down; nothing is lost. The limits are those of a
// peer, not of a connection: more connections do not give it more.
const (
	// An honest peer sends about 70 a second: 50 Feedbacks, Pings and Pongs.
	// After a stall of 2.5 s those that waited come at once.
	controlRate, controlBurst = 200, 400
	// Each message to the Handler may cost a line in the journal, an event, and
	// a write to the disk. A peer sends 8 texts a second, and little else.
	messageRate, messageBurst = 25, 100
	// No camera is faster.
	frameRate, frameBurst = 300, 150
	// unwatchedRate is the rate of the bytes of frames without a viewer. At
	// 16 MB/s, decryption takes a tenth of a core of a Raspberry Pi 4. Most
	// streams need less. A faster one is reduced by its sender until there is a
	// viewer.
	unwatchedRate, unwatchedBurst = 16 << 20, 1 << 20
	// maxDiscard is how much is read of a link that has ended, in bytes.
	maxDiscard = 4 << 20
	// A peer reconnects a few times while its network is bad.
	connectInterval, connectBurst = 500 * time.Millisecond, 60

	// frameMemory is for the received frames of all peers. Five buffers of the
	// largest raw frame that is sent losslessly fit.
	frameMemory = 40 << 20
	// maxUnwatched is the largest frame that is kept for the next viewer, so
	// that it sees a picture at once, in bytes.
	maxUnwatched = 1 << 20
)

// limits are the limits of one peer.
type limits struct {
	control, messages, frames, unwatched, connects *rate.Limiter
}

func newLimits() limits {
	return limits{
		control:   rate.NewLimiter(controlRate, controlBurst),
		messages:  rate.NewLimiter(messageRate, messageBurst),
		frames:    rate.NewLimiter(frameRate, frameBurst),
		unwatched: rate.NewLimiter(unwatchedRate, unwatchedBurst),
		connects:  rate.NewLimiter(rate.Every(connectInterval), connectBurst),
	}
}

// pacedReader reads from a connection, at unwatchedRate unless its frames have
// a viewer. It pauses after small parts: what is behind a frame, as a Ping,
// must not wait long.
type pacedReader struct {
	io.Reader
	ctx     context.Context
	limit   *rate.Limiter
	watched atomic.Bool
}

// maxPacedRead is the largest part, in bytes: the size of a TLS record.
const maxPacedRead = 16 << 10

// Read implements io.Reader.
func (r *pacedReader) Read(b []byte) (int, error) {
	if r.watched.Load() {
		return r.Reader.Read(b)
	}
	n, err := r.Reader.Read(b[:min(len(b), maxPacedRead)])
	if n > 0 {
		_ = r.limit.WaitN(r.ctx, n) // fails only when ctx ends
	}
	return n, err
}
