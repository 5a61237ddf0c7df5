package congestion

import (
	"time"

	"vchat/daemon/wire"
)

// bitrateCap keeps the frames below max_bitrate. After a frame it waits as long
// as the frame takes at that rate.
type bitrateCap struct {
	rate   float64       // bytes a second; 0: no cap
	nextAt time.Duration // when the frames sent so far are through at that rate
}

func (b *bitrateCap) canSend(now time.Duration) bool { return b.rate == 0 || now >= b.nextAt }

// frameBudget returns how many bytes a frame may have, from 1 to wire.MaxFrame;
// 0: no cap.
func (b *bitrateCap) frameBudget(interval time.Duration) int {
	if b.rate == 0 {
		return 0
	}
	return int(min(max(1, b.rate*interval.Seconds()), wire.MaxFrame))
}

// onSent counts a frame. At most one frame interval of unused time carries
// over.
func (b *bitrateCap) onSent(bytes int, now, interval time.Duration) {
	if b.rate > 0 {
		b.nextAt = max(b.nextAt, now-interval) + secondsPerByte(1/b.rate).of(bytes)
	}
}
