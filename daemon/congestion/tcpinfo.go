package congestion

import "time"

// TCPInfo is what the kernel knows of a connection's way (tcp(7), TCP_INFO). The zero TCPInfo, of a connection in memory, says nothing.
type TCPInfo struct {
	Retransmitted uint32        // packets that were sent again so far
	Lost          int           // packets that are known to be lost and were not sent again yet
	Recovering    bool          // some are lost, and what came behind them waits for them in the other kernel
	InFlight      int           // bytes that have neither arrived nor are known to be lost
	PacingRate    float64       // bytes a second: faster the kernel does not send; 0: it does not say
	MinRTT        time.Duration // the least round trip of the last minutes
}

// stale says that the way has become so much longer that BBR, which bounds what is on the way by the least round trip that it
// remembers, holds up what it sends: for ten seconds, or for as many more as it is told to search again. What is late then is
// late for that.
func (f TCPInfo) stale(trip time.Duration) bool { return f.MinRTT > 0 && trip > 4*f.MinRTT }
