package link

import (
	"sync"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// Receiving describes the frames that arrive over a link.
type Receiving struct {
	frame.Rate
	Frames, Lost, Broken uint64
	Transfer             frame.Rate    // its Delay is from the first byte of a frame to the last
	Age                  time.Duration // since the newest frame was captured; 0 without one
}

// maxLossGap is the longest pause between two frames after which a gap in their
// numbers counts as loss. It is longer than the second between two cards. After
// a longer pause the camera was closed, or another call has begun.
const maxLossGap = 1500 * time.Millisecond

// receiveStats counts the frames that arrive. The reading
// goroutine writes it; any goroutine may read it.
type receiveStats struct {
	meter    frame.Meter
	transfer frame.Meter // delay from the first byte of a frame to the last

	mu       sync.Mutex
	feedback wire.Feedback // the next one to send
	seq      uint64        // of the newest good frame
	arrived  time.Duration // when it did
	captured time.Duration // when it was, on our clock
	broken   uint64
	newCall  bool // no frame since startCall
}

// startCall makes the next frame the first one of a call: the camera may have
// taken frames since the call before, which no call gets.
func (r *receiveStats) startCall() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newCall = true
}

// isNewer reports whether seq is above that of every good frame so far.
func (r *receiveStats) isNewer(seq uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.feedback.Frames == 0 || seq > r.seq
}

// onFrame counts a good frame.
func (r *receiveStats) onFrame(f *frame.Meta, size int) {
	r.meter.Add(f.Arrived, f.Arrived-f.Captured, size, f.Width, f.Height)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.newCall && r.feedback.Frames > 0 && f.Seq > r.seq+1 && f.Arrived-r.arrived < maxLossGap {
		r.feedback.Lost += f.Seq - r.seq - 1
	}
	r.newCall = false
	r.feedback.Frames++
	r.feedback.Bytes += uint64(size)
	r.seq, r.arrived, r.captured = f.Seq, f.Arrived, f.Captured
}

// onBroken counts a frame that cannot be shown.
func (r *receiveStats) onBroken() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken++
}

// onArrival prepares the feedback for a frame, good or broken, whose last byte
// has arrived. It counts only the good ones.
func (r *receiveStats) onArrival(f wire.Feedback) {
	r.transfer.Add(frame.Now(), f.Transfer, 0, 0, 0)
	r.mu.Lock()
	defer r.mu.Unlock()
	f.Frames, f.Bytes, f.Lost = r.feedback.Frames, r.feedback.Bytes, r.feedback.Lost
	r.feedback = f
}

// latest returns the feedback to send.
func (r *receiveStats) latest() wire.Feedback {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.feedback
}

func (r *receiveStats) receiving() Receiving {
	now := frame.Now()
	in := Receiving{Rate: r.meter.Rate(now), Transfer: r.transfer.Rate(now)}
	r.mu.Lock()
	defer r.mu.Unlock()
	in.Frames, in.Lost, in.Broken = r.feedback.Frames, r.feedback.Lost, r.broken
	if in.Frames > 0 {
		in.Age = now - r.captured
	}
	return in
}
