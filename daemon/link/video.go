package link

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"vchat/daemon/frame"
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
	raw  packer
	head []byte

	window  window
	rate    rate
	quality quality
	pulse   pulse
	paced   paced
	natural natural
	paid    time.Duration // max_bitrate is kept for what was sent, if nothing more is sent until then

	counted uint64  // drops of eyes that have their reason
	barred  *uint64 // why none was taken since the last one: counts there
	drops   Drops
	bound   bool // frames like the latest have to be made smaller
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
	v.raw.forget()
	if h != nil {
		v.eyes = h.Subscribe()
		v.pulse.pause()
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
	if now < v.paid && v.link.peer.maxBytes() > 0 {
		v.barred = &v.drops.Limit
		return false, v.paid
	}
	if ok, ask = v.window.open(now, v.pulse.interval(), v.rate.slowness(len(v.rate.recent)), v.link.socket); !ok {
		v.barred = &v.drops.Link
	}
	return ok, ask
}

// heard takes the receiver's word, which came at an instant.
func (v *video) heard(f *wire.Feedback, at time.Duration) {
	var way flow
	if v.bound || v.window.trip.value() > nearby {
		if way = v.link.socket.flow(); way.stale(v.window.trip.value()) {
			way = flow{}
		} else {
			v.window.losses.resent(way.repeated, at)
		}
	}
	s, ok := v.window.heard(f, at, v.rate.slowness(len(v.rate.recent)))
	if !ok {
		return
	}
	if v.paced.holds(s, way, v.window.losses.crowded(), at) {
		v.link.socket.restart()
	}
	interval := v.pulse.interval()
	v.rate.heard(s, course{interval: interval, trip: v.window.trip.value(),
		asked: float64(v.natural.most()) / min(interval, longestSpan).Seconds()}, at)
}

// nearby is a round trip so short that nobody needs to know why it was longer, where frames go as they come.
const nearby = 5 * time.Millisecond

// newest writes the newest frame, if there is one that was not sent yet.
func (v *video) newest() error {
	f := v.eyes.Take()
	if f == nil {
		return nil
	}
	defer f.Release()
	v.count()
	v.pulse.saw(f)
	p := wire.Frame{Seq: f.Seq, Captured: f.Captured, Width: uint16(f.Width), Height: uint16(f.Height)}
	if f.Card {
		p.Flags |= wire.Card
	}
	if v.link.sent.refresh.Swap(false) {
		v.raw.forget()
	}
	room, began := v.room(f), v.link.elapsed()
	data, err := v.fit(&p, f, room)
	if err != nil {
		return err
	}
	v.window.lead += (v.link.elapsed() - began - v.window.lead) / 8
	p.Size = len(data)
	if err := p.Check(); err != nil {
		v.drops.TooBig++ // a raw one above 16 MiB: the protocol has no room for it
		v.link.sent.note(nil, v)
		return nil
	}
	now := v.link.elapsed()
	// One that is as it came, and much smaller than it may be, says nothing of what would be if it were as large.
	shrunk := v.bound && (f.Format != frame.JPEG || p.Size < len(f.Data) || p.Size > room-room/4)
	v.window.sent(p.Seq, p.Size, shrunk, now, v.rate.slowness(len(v.rate.recent)))
	if most := v.link.peer.maxBytes(); most > 0 {
		v.paid = max(v.paid, now-v.pulse.interval()) + seconds(1/most).of(p.Size)
	}
	if err := v.write(&p, data); err != nil {
		return fmt.Errorf("write a frame to %s: %w", v.link.Peer(), classify(err))
	}
	v.raw.sent(&p, f)
	v.link.sent.note(&p, v)
	if v.news.due(v.state, now) {
		v.link.peer.links.cfg.Handler.Quality(v.link)
	}
	return nil
}

// room is how many bytes a frame may have; 0: as many as it has.
func (v *video) room(f *frame.Frame) int {
	if f.Card {
		return 0 // what it says must be readable, and they are few
	}
	interval := v.pulse.interval()
	room := v.rate.room(interval)
	v.state.limited = false
	if most := v.link.peer.maxBytes(); most > 0 {
		if capped := int(min(max(1, most*interval.Seconds()), wire.MaxFrame)); room == 0 || capped < room {
			room, v.state.limited = capped, true
		}
	}
	return room
}

// fit packs a frame into the room there is for it.
func (v *video) fit(p *wire.Frame, f *frame.Frame, room int) ([]byte, error) {
	now := v.link.elapsed()
	data, most, err := v.raw.pack(p, f, v.link.agreed, room)
	if err != nil || f.Card {
		v.bound, v.state = false, state{}
		return data, err
	}
	v.natural.saw(most, now)
	v.bound = room > 0 && v.natural.most() > room
	if room > 0 && len(data) > room {
		var half bool
		if data, half = v.quality.fit(data, room, now); half {
			p.Width, p.Height = (p.Width+1)/2, (p.Height+1)/2
		}
	}
	v.state.judge(v.bound, len(data), most, room)
	v.state.carries = v.rate.carries()
	return data, nil
}

// write hands a frame to the kernel. Its head is a record of its own, so that the receiver knows when its first byte came.
func (v *video) write(p *wire.Frame, data []byte) error {
	v.head = wire.AppendFrame(v.head[:0], p)
	v.link.batch.hold()
	_, err := v.link.tls.Write(v.head)
	if err == nil {
		_, err = v.link.tls.Write(data)
	}
	if released := v.link.batch.release(); err == nil {
		err = released
	}
	return err
}

// pulse finds out the camera's rate from the frames that were taken of its hub.
type pulse struct {
	seq      uint64
	captured time.Duration
	smooth   time.Duration
}

// usualInterval is taken for a camera of which nothing is known yet.
const usualInterval = time.Second / 30

// pause forgets the last frame: what comes next is of another time, or another camera.
func (p *pulse) pause() { p.seq, p.captured = 0, 0 }

func (p *pulse) saw(f *frame.Frame) {
	if f.Card {
		p.pause()
		return
	}
	apart, passed := f.Captured-p.captured, f.Seq-p.seq
	if p.captured > 0 && apart > 0 && f.Seq > p.seq && apart < 2*time.Second {
		d := max(apart/time.Duration(passed), time.Second/240)
		if p.smooth == 0 {
			p.smooth = d
		}
		if d > p.smooth {
			p.smooth += (min(d, 4*p.smooth) - p.smooth) / 16 // a camera that stumbles is not a slow one
		} else {
			p.smooth += (d - p.smooth) / 4
		}
	}
	p.seq, p.captured = f.Seq, f.Captured
}

func (p *pulse) interval() time.Duration {
	if p.smooth == 0 {
		return usualInterval
	}
	return p.smooth
}

// natural is how large frames have lately been, as they came.
type natural struct {
	now, before int
	since       time.Duration
}

func (n *natural) saw(bytes int, at time.Duration) {
	if at-n.since > time.Second {
		n.before, n.now, n.since = n.now, 0, at
	}
	n.now = max(n.now, bytes)
}

func (n *natural) most() int { return max(n.now, n.before) }

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
