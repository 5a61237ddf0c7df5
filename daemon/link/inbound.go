package link

import (
	"sync"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// lossPause is the longest pause after which missing frames count as lost: above the second between two cards.
const lossPause = 1500 * time.Millisecond

// inbound is what is known of the frames that come in. The reading goroutine writes it, any may read.
type inbound struct {
	meter frame.Meter
	whole frame.Meter // its delay: from the first byte of a frame to the last

	mu             sync.Mutex
	word           wire.Feedback // what the other side is told
	seq            uint64        // of the newest frame that was good
	broken         uint64
	newest, camera time.Duration // when it arrived, and was captured
}

// newer says whether seq is above that of all frames before.
func (in *inbound) newer(seq uint64) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.word.Frames == 0 || seq > in.seq
}

// count takes down a good frame.
func (in *inbound) count(f *frame.Frame, size int) {
	in.meter.Add(f.Arrived, f.Arrived-f.Captured, size, f.Width, f.Height)
	in.mu.Lock()
	defer in.mu.Unlock()
	// A gap after a pause is not loss: the camera was away, or another call.
	if in.word.Frames > 0 && f.Seq > in.seq+1 && f.Arrived-in.newest < lossPause {
		in.word.Lost += f.Seq - in.seq - 1
	}
	in.word.Frames++
	in.word.Bytes += uint64(size)
	in.seq, in.newest, in.camera = f.Seq, f.Arrived, f.Captured
}

// spoil takes down one that was not good.
func (in *inbound) spoil() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.broken++
}

// landed takes down that a frame, good or not, has arrived whole. The counts are those of the good ones.
func (in *inbound) landed(w wire.Feedback) {
	in.whole.Add(frame.Now(), w.Took, 0, 0, 0)
	in.mu.Lock()
	defer in.mu.Unlock()
	w.Frames, w.Bytes, w.Lost = in.word.Frames, in.word.Bytes, in.word.Lost
	in.word = w
}

func (in *inbound) feedback() wire.Feedback {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.word
}

// Receiving is what comes in over a link.
type Receiving struct {
	frame.Rate
	Frames, Lost, Broken uint64
	Transfer             frame.Rate    // its delay: from the first byte of a frame to the last
	Age                  time.Duration // of the newest frame; 0 without one
}

func (l *Link) receiving() Receiving {
	in, now := &l.received, frame.Now()
	r := Receiving{Rate: in.meter.Rate(now), Transfer: in.whole.Rate(now)}
	in.mu.Lock()
	defer in.mu.Unlock()
	r.Frames, r.Lost, r.Broken = in.word.Frames, in.word.Lost, in.broken
	if r.Frames > 0 {
		r.Age = now - in.camera
	}
	return r
}
