package congestion

import "time"

// loss separates random loss from congestion loss. A radio link loses a few
// packets all the time, and sending less does not help. A full link loses many
// at once.
type loss struct {
	retransmitted uint32        // packets, as the kernel last reported
	changedAt     time.Duration // when that number last grew
	sentBytes     int           // since the kernel was last asked; at most maxSentBytes
	ratio         float64       // of packets lost, 0 to 1, smoothed
}

const (
	// congestionRatio is more than a radio link loses if it is good enough for
	// a call.
	congestionRatio = 0.05
	// minCongestionPackets: a burst of more lost packets is congestion.
	minCongestionPackets = 3
	// packetBytes is roughly the payload of a TCP segment on Ethernet.
	packetBytes = 1400
	// maxSentBytes keeps the sum within an int of 32 bits. Hours may pass
	// before the kernel is asked: see minLossRTT.
	maxSentBytes = 1 << 30
)

func (l *loss) onSent(bytes int) { l.sentBytes = min(l.sentBytes, maxSentBytes-bytes) + bytes }

// onRetransmitted records how many packets the kernel has retransmitted in all.
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

// congestionBurst reports congestion loss from the packets that are known to be
// lost now, before any feedback arrives.
func (l *loss) congestionBurst(i TCPInfo) bool {
	lost := i.Lost + int(i.Retransmitted-l.retransmitted)
	return l.congestionLoss() || lost > minCongestionPackets && lost*packetBytes > l.sentBytes/10
}

// recovered reports whether a frame was, or may have been, delayed because TCP
// had to retransmit a packet that was lost at random.
func (l *loss) recovered(f *inFlightFrame, baseRTT time.Duration) bool {
	during := f.retransmitted != l.retransmitted
	behind := l.changedAt > 0 && f.sentAt-l.changedAt < baseRTT
	return !l.congestionLoss() && (during || behind)
}
