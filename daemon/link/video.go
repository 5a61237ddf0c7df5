package link

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"vchat/daemon/congestion"
	"vchat/daemon/frame"
	"vchat/daemon/framecodec"
	"vchat/daemon/wire"
)

// video sends a hub's frames over a link: the newest, when the window is open, in as many bytes as the rate allows. It
// belongs to the writing goroutine.
//
//	Hub ─▶ eyes (the newest) ─▶ window open? ─▶ pack ─▶ fit into rate's room ─▶ TLS
//	                              ▲                          ▲
//	                              └────── Feedback ──────────┘
type video struct {
	link *Link
	eyes *frame.Reader
	head []byte

	control *congestion.Controller
	encoder *framecodec.Encoder

	counted uint64  // drops of eyes that have their reason
	barred  *uint64 // why none was taken since the last one: counts there
	drops   Drops
	state   state
	news    news
}

// look watches another hub, or none.
func (v *video) look(h *frame.Hub) {
	if v.eyes != nil {
		v.eyes.Close()
		v.count()
		v.counted, v.eyes = 0, nil
	}
	v.encoder.Reset()
	if h != nil {
		v.eyes = h.Subscribe()
		v.control.OnNewSource()
	}
}

// count gives the frames that were dropped since it was last called their reason.
func (v *video) count() {
	if n := v.eyes.Dropped(); n > v.counted {
		why := &v.drops.Link // the writer was busy with the one before
		if v.barred != nil {
			why = v.barred
		}
		*why += n - v.counted
		v.counted = n
	}
	v.barred = nil
}

// open says whether a frame may be sent now, and if not, when to ask again.
func (v *video) open(now time.Duration) (ok bool, ask time.Duration) {
	v.control.SetMaxRate(v.link.peer.maxBytes())
	if ok, ask = v.control.CanSend(now); ok {
		return true, 0
	}
	v.barred = &v.drops.Link
	if v.control.BlockedBy() == congestion.MaxBitrateLimit {
		v.barred = &v.drops.Limit
	}
	return false, ask
}

// newest writes the newest frame, if there is one that was not sent yet.
func (v *video) newest() error {
	f := v.eyes.Take()
	if f == nil {
		return nil
	}
	defer f.Release()
	v.count()
	v.control.OnFrame(f)
	if v.link.sent.refresh.Swap(false) {
		v.encoder.Reset()
	}
	room, by := 0, congestion.NoLimit // what a card says must be readable, and they are few
	if !f.Card {
		room, by = v.control.Budget()
	}
	began := v.link.elapsed()
	enc, err := v.encoder.Encode(f, room, began)
	if err != nil {
		return err
	}
	p, data := enc.Header, enc.Data
	if err := p.Check(); err != nil {
		v.drops.TooBig++ // a raw one above 16 MiB: the protocol has no room for it
		v.link.sent.note(nil, v)
		return nil
	}
	now := v.link.elapsed()
	v.control.OnSent(now, congestion.SentFrame{Seq: p.Seq, Bytes: p.Size, FullBytes: enc.FullBytes, Budget: room,
		Raw: f.Format != frame.JPEG, Card: f.Card, EncodeTime: now - began})
	if v.state = (state{}); !f.Card {
		v.state.judge(v.control.Constrained(), p.Size, enc.FullBytes, room)
		v.state.limited, v.state.carries = by == congestion.MaxBitrateLimit, v.control.Capacity()
	}
	if err := v.write(&p, data); err != nil {
		return fmt.Errorf("write a frame to %s: %w", v.link.Peer(), classify(err))
	}
	v.encoder.OnSent(&p, f)
	v.link.sent.note(&p, v)
	if v.news.due(v.state, now) {
		v.link.peer.links.cfg.Handler.Quality(v.link)
	}
	return nil
}

// write hands a frame to the kernel. Its head is a record of its own, so that the receiver knows when its first byte came.
func (v *video) write(p *wire.Frame, data []byte) error {
	v.head = wire.AppendFrame(v.head[:0], p)
	return v.link.conn.WriteFrame(v.head, data)
}

// allow sets max_bitrate, in Mbit/s; it takes effect with the next frame.
func (p *peer) allow(mbit float64) { p.most.Store(math.Float64bits(mbit * 1e6 / 8)) }

// maxBytes is max_bitrate in bytes a second; 0: there is none.
func (p *peer) maxBytes() float64 { return math.Float64frombits(p.most.Load()) }

// outbound is what is known of the frames that go out. The writer writes it, any may read.
type outbound struct {
	meter   frame.Meter
	there   frame.Meter // of what the receiver says: the delay from capture to its arrival
	refresh atomic.Bool // the receiver waits for a raw frame that stands alone

	mu       sync.Mutex
	frames   uint64
	drops    Drops
	dropped  uint64
	state    state
	feedback wire.Feedback // the receiver's latest word
	heard    time.Duration // when it came
}

// note takes down what the writer has done, and the frame that it has sent, if it has.
func (o *outbound) note(p *wire.Frame, v *video) {
	if p != nil {
		now := frame.Now()
		o.meter.Add(now, now-p.Captured, p.Size, int(p.Width), int(p.Height))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if p != nil {
		o.frames++
		o.state = v.state
	}
	o.drops, o.dropped = v.drops, v.drops.Link+v.drops.Limit+v.drops.TooBig
}

// word keeps what the receiver says.
func (o *outbound) word(f *wire.Feedback, at time.Duration) {
	if f.Delay > 0 {
		o.there.Add(frame.Now(), f.Delay, 0, 0, 0)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.feedback, o.heard = *f, at
}

func (o *outbound) latest() (wire.Feedback, time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.feedback, o.heard
}

func (l *Link) sending() Sending {
	o := &l.sent
	now := frame.Now()
	s := Sending{Rate: o.meter.Rate(now), There: o.there.Rate(now)}
	o.mu.Lock()
	defer o.mu.Unlock()
	s.Frames, s.Drops, s.Dropped, s.Reduced, s.Feedback = o.frames, o.drops, o.dropped, o.state.reduced, o.feedback
	s.Why = o.state.words()
	return s
}

// Drops counts the frames that were not sent, by reason.
type Drops struct {
	Link   uint64 // a newer one was there before the link had taken the one before
	Limit  uint64 // max_bitrate had no room for it
	TooBig uint64 // for the protocol
}

// Sending is what goes out over a link.
type Sending struct {
	frame.Rate
	Frames   uint64
	Dropped  uint64 // of these Drops tells the reasons
	Drops    Drops
	Reduced  bool          // frames are not sent as they come
	Why      string        // in words, where they are not
	Feedback wire.Feedback // the receiver's latest word; zero before the first
	There    frame.Rate    // its delay: from capture to arrival there, as the receiver says
}
