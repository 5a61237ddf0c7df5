package link

import (
	"sync"
	"sync/atomic"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// Sending describes the frames that are sent over a link.
type Sending struct {
	frame.Rate
	Frames   uint64
	Dropped  uint64 // the sum of Drops
	Drops    Drops
	Reduced  bool          // frames are smaller than the camera delivers them
	Why      string        // why frames are reduced, or why fewer are sent because they cannot be; empty otherwise
	Feedback wire.Feedback // the receiver's latest; zero before the first
	Remote   frame.Rate    // its Delay is from capture to arrival at the receiver
}

// Drops counts the frames that were not sent, by reason.
type Drops struct {
	Link       uint64 // a newer frame replaced it before the link was free
	MaxBitrate uint64 // max_bitrate left no bytes for it
	TooBig     uint64 // it is larger than wire.MaxFrame or framecodec.MaxPixels
	Broken     uint64 // it had to be reduced, but is damaged
}

// Total returns the sum.
func (d Drops) Total() uint64 { return d.Link + d.MaxBitrate + d.TooBig + d.Broken }

// sendStats counts the frames that are sent. The sender and, for
// feedback, the reading goroutine write it; any goroutine may read it.
type sendStats struct {
	meter   frame.Meter
	remote  frame.Meter // of the receiver's reports: delay from capture to arrival there
	refresh atomic.Bool // the receiver has requested a full raw frame

	mu         sync.Mutex
	frames     uint64
	drops      Drops
	quality    qualityState
	feedback   wire.Feedback
	feedbackAt time.Duration // when it arrived
}

// onSent counts a frame.
func (s *sendStats) onSent(h *wire.Frame, q qualityState, d Drops) {
	now := frame.Now()
	s.meter.Add(now, now-h.Captured, h.Size, int(h.Width), int(h.Height))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames++
	s.quality, s.drops = q, d
}

func (s *sendStats) onDropped(d Drops) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drops = d
}

// onFeedback keeps a Feedback for latestFeedback.
func (s *sendStats) onFeedback(f *wire.Feedback, at time.Duration) {
	if f.Delay > 0 {
		s.remote.Add(frame.Now(), f.Delay, 0, 0, 0)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.feedback, s.feedbackAt = *f, at
}

func (s *sendStats) latestFeedback() (f wire.Feedback, at time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.feedback, s.feedbackAt
}

func (s *sendStats) sending() Sending {
	now := frame.Now()
	out := Sending{Rate: s.meter.Rate(now), Remote: s.remote.Rate(now)}
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Frames, out.Drops, out.Dropped, out.Feedback = s.frames, s.drops, s.drops.Total(), s.feedback
	out.Reduced, out.Why = s.quality.reduced, s.quality.String()
	return out
}
