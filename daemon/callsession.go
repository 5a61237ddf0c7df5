package daemon

import (
	"time"

	"golang.org/x/time/rate"

	"vchat/daemon/api"
	"vchat/daemon/call"
	"vchat/daemon/frame"
	"vchat/daemon/link"
	"vchat/daemon/wire"
)

// callSession is the daemon's state of one call: the peer's feed, the peer's
// camera and the chat. Daemon.mu guards it. It exists from the first state of
// the call to its end, across reconnects.
type callSession struct {
	hub       *frame.Hub  // the peer's feed
	link      *link.Link  // that our frames are sent to; nil: none
	past      link.Counts // of the links before, during this call
	base      link.Counts // of link, before this call
	comebacks uint64      // of the links to the peer, before this call was answered
	lease     cameraLease // keeps the camera open while the link is lost
	reported  bool        // that the call is active
	hasFrames bool        // a frame has arrived since the call became active
	lastSeq   uint64      // of the newest frame received
	chat      chat
	refused   string // why there is no link, if only people can change that; as published

	peerCamera      *wire.State // nil until the peer reports it
	peerCameraSince time.Time   // begin of that state, on our clock

	interruptions *rate.Limiter // logged ones
	quiet         bool          // the last interruption is not logged

	qualityLines   *rate.Limiter // changes of the quality that are logged
	qualityOmitted int           // changes since the last one
}

// Of a call that is interrupted all the time, or whose quality changes all the
// time, the log has the first times, then one an hour.
const (
	sessionLineBurst = 10
	sessionLinePause = time.Hour
)

func newCallSession() *callSession {
	return &callSession{hub: frame.NewHub(), chat: newChat(),
		interruptions: rate.NewLimiter(rate.Every(sessionLinePause), sessionLineBurst),
		qualityLines:  rate.NewLimiter(rate.Every(sessionLinePause), sessionLineBurst)}
}

// attachLink sends our frames to an active call over its present link, and
// stops sending in any other state.
func (d *Daemon) attachLink(peer string, s *callSession) {
	var l *link.Link
	if c, ok := d.calls.Get(peer); ok && c.State == call.Active {
		l = d.up[peer]
	}
	d.showOn(s, l)
}

// showOn moves our frames to link l; nil stops them.
func (d *Daemon) showOn(s *callSession, l *link.Link) {
	if s.link == l {
		return
	}
	if s.link != nil {
		s.link.Show(nil)
		s.past = s.counts()
		s.chat.linkLost(time.Now())
	}
	s.link = l
	if l != nil {
		s.base = l.StartCounts()
		l.Send(wireState(d.camera.Status()))
		l.Show(d.camera.Hub())
		s.chat.resend(l)
		s.lease.release()
	}
}

// counts returns the frames of the call, which may have had several links.
func (s *callSession) counts() link.Counts {
	if s.link == nil {
		return s.past
	}
	return s.past.Plus(s.link.Counts().Minus(s.base))
}

// activeSession returns the session and the call that are active over link l,
// or over the one that has replaced it while l drains; or nil. The caller holds
// mu.
func (d *Daemon) activeSession(l *link.Link) (*callSession, call.Call) {
	c, ok := d.calls.Get(l.Peer())
	if !ok || c.State != call.Active || d.up[l.Peer()] != l && !l.Draining() {
		return nil, call.Call{}
	}
	return d.sessions[l.Peer()], c
}

// feedOf returns the hub for a frame from link l, or nil if the frame is
// unwanted. A replacement link starts with the newest frame again: feedOf
// drops such a duplicate, and older frames of a link that drains. The first
// frame of a call is an event; cards are not.
func (d *Daemon) feedOf(l *link.Link, f *frame.Meta) *frame.Hub {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, c := d.activeSession(l)
	if s == nil || f.Seq == s.lastSeq || l.Draining() && f.Seq < s.lastSeq {
		return nil
	}
	s.lastSeq = f.Seq
	if !f.Card {
		f.Rotate = rotation(s.peerCamera)
	}
	if !s.hasFrames && !f.Card {
		s.hasFrames = true
		d.publishCall(api.EventFirstFrame, c)
		if !s.quiet {
			d.log.Info("first frame received", "peer", c.Peer, "call_id", wire.CallID(c.ID))
		}
	}
	return s.hub
}

// publishCall publishes the present state of a call as an event.
func (d *Daemon) publishCall(kind api.EventKind, c call.Call) {
	view := d.callView(c)
	d.publish(api.Event{Event: kind, Peer: c.Peer, Call: &view})
}

// publish publishes an event that may have hooks, too.
func (d *Daemon) publish(e api.Event) {
	e.Time = time.Now()
	d.events.Publish(e)
	d.hooks.Publish(e)
}
