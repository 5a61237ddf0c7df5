package congestion

import "time"

// TCPInfo is what the kernel knows of a connection (tcp(7), TCP_INFO). The zero
// TCPInfo, of a connection in memory, says nothing.
type TCPInfo struct {
	Retransmitted uint32        // packets sent again since the connection exists
	Lost          int           // packets known to be lost that were not sent again yet
	Recovering    bool          // some packets are lost, and later ones wait for them in the other kernel
	InFlight      int           // bytes that have neither arrived nor are known to be lost
	PacingRate    float64       // the kernel sends no faster, in bytes a second; 0: unknown
	MinRTT        time.Duration // the least round trip of five minutes (net.ipv4.tcp_min_rtt_wlen); 0: unknown
}

// hasStaleMinRTT reports whether the path has become so much longer than MinRTT
// that BBR throttles the connection: its window is a multiple of the round trip
// it remembers, which it forgets after ten seconds, or ten after a reset. Until
// then delays say nothing about the path.
func (i TCPInfo) hasStaleMinRTT(baseRTT time.Duration) bool {
	return i.MinRTT > 0 && baseRTT > 4*i.MinRTT
}
