package congestion

import "time"

// TCPInfo is what the kernel knows about a connection (tcp(7), TCP_INFO). A
// connection in memory has the zero TCPInfo: everything is unknown.
type TCPInfo struct {
	Retransmitted uint32        // packets retransmitted since the connection was made
	Lost          int           // packets known to be lost and not retransmitted yet
	Recovering    bool          // some packets are lost, and later ones wait for them in the other kernel
	InFlight      int           // bytes that have neither arrived nor are known to be lost
	PacingRate    float64       // the kernel's upper limit, in bytes a second; 0: unknown
	MinRTT        time.Duration // the least round trip of five minutes (net.ipv4.tcp_min_rtt_wlen); 0: unknown
}

// hasStaleMinRTT reports whether the path has become so much longer than MinRTT
// that BBR throttles the connection: its window is a multiple of the shortest
// round trip that it remembers. It forgets that ten seconds later, or ten after
// a reset. Until then delays show nothing about the path.
func (i TCPInfo) hasStaleMinRTT(baseRTT time.Duration) bool {
	return i.MinRTT > 0 && baseRTT > 4*i.MinRTT
}
