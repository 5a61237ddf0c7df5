package congestion

import "time"

// losses tells packets that a radio link has lost from those that a full link has thrown away: of the former there are some
// always, and TCP repeats them; to send less is no help. Of the latter there are many at once.
type losses struct {
	repeated uint32        // packets that the kernel has sent again, as far as is known
	at       time.Duration // when that was seen to have changed
	bytes    int           // sent since repeated was last asked for, at most mostBytes
	share    float64       // of the packets, smoothed
}

const (
	// crowdedShare of the packets is more than a radio link loses on which anybody would call.
	crowdedShare = 0.05
	packetBytes  = 1400
	// mostBytes: where nobody asks for hours, an int of 32 bits would be too small.
	mostBytes = 1 << 30
)

func (l *losses) sent(bytes int) { l.bytes = min(l.bytes, mostBytes-bytes) + bytes }

// resent takes how many packets the kernel has sent again so far.
func (l *losses) resent(repeated uint32, now time.Duration) {
	if l.bytes == 0 {
		return // until there is something to compare with
	}
	lost := float64(repeated - l.repeated)
	l.share += (min(1, lost*packetBytes/float64(l.bytes)) - l.share) / 8
	if l.bytes = 0; lost > 0 {
		l.repeated, l.at = repeated, now
	}
}

// crowded says that packets are thrown away because there are too many.
func (l *losses) crowded() bool { return l.share > crowdedShare }

// many says that of what was sent lately more is lost than a radio loses, before anything is heard of it.
func (l *losses) many(f TCPInfo) bool {
	lost := f.Lost + int(f.Retransmitted-l.repeated)
	return l.crowded() || lost > 3 && lost*packetBytes > l.bytes/10
}

// mended says that a frame had a hole, or may have waited behind one, for no other reason than that some are lost always.
func (l *losses) mended(f *flight, trip time.Duration) bool {
	return !l.crowded() && (f.repeated != l.repeated || l.at > 0 && f.sent-l.at < trip)
}
