package congestion

import "time"

// loss separates random loss from congestion loss. A radio link loses a few
// packets at all times, and sending less is no help. A full link loses many at
// once.
type loss struct {
	retransmitted uint32        // packets, as the kernel last reported
	changedAt     time.Duration // when that number last grew
	sentBytes     int           // since then it was asked for; at most maxSentBytes
	ratio         float64       // of packets lost, 0 to 1, smoothed
}

const (
	// congestionRatio is above what a radio link loses that is fit for a call.
	congestionRatio = 0.05
	// minCongestionPackets are lost at once before a burst is congestion.
	minCongestionPackets = 3
	// packetBytes is the payload of a TCP segment on Ethernet, about.
	packetBytes = 1400
	// maxSentBytes keeps the sum in an int of 32 bits. The kernel may not be
	// asked for hours: see minLossRTT.
	maxSentBytes = 1 << 30
)

func (l *loss) onSent(bytes int) { l.sentBytes = min(l.sentBytes, maxSentBytes-bytes) + bytes }

// onRetransmitted takes how many packets the kernel has sent again in all.
func (l *loss) onRetransmitted(total uint32, now time.Duration) {
	if l.sentBytes == 0 {
		return // nothing to compare with
	}
	lost := float64(total - l.retransmitted)
	l.ratio += (min(1, lost*packetBytes/float64(l.sentBytes)) - l.ratio) / 8
	if l.sentBytes = 0; lost > 0 {
		l.retransmitted, l.changedAt = total, now
	}
}

// congestionLoss reports whether packets are lost because there are too many.
func (l *loss) congestionLoss() bool { return l.ratio > congestionRatio }

// congestionBurst reports congestion loss by what is known to be lost now,
// before any feedback arrives.
func (l *loss) congestionBurst(i TCPInfo) bool {
	lost := i.Lost + int(i.Retransmitted-l.retransmitted)
	return l.congestionLoss() || lost > minCongestionPackets && lost*packetBytes > l.sentBytes/10
}

// recovered reports whether a frame was delayed, or may have been, because TCP
// had to repeat a packet that was lost at random.
func (l *loss) recovered(f *inFlightFrame, baseRTT time.Duration) bool {
	during := f.retransmitted != l.retransmitted
	behind := l.changedAt > 0 && f.sentAt-l.changedAt < baseRTT
	return !l.congestionLoss() && (during || behind)
}
