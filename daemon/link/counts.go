package link

// Counts are the frames of a link since it began.
type Counts struct {
	Sent  uint64
	Drops Drops

	Received, Lost, Broken uint64

	PeerReceived, PeerLost uint64 // as the peer reports them
}

// StartCounts returns Counts at the start of a call, and does not count as lost
// what the peer has not sent before it.
func (l *Link) StartCounts() Counts {
	l.received.startCall()
	return l.Counts()
}

// Counts returns the counts until now.
func (l *Link) Counts() Counts {
	out, in := l.sent.sending(), l.received.receiving()
	return Counts{
		Sent: out.Frames, Drops: out.Drops, Received: in.Frames, Lost: in.Lost, Broken: in.Broken,
		PeerReceived: out.Feedback.Frames, PeerLost: out.Feedback.Lost,
	}
}

// Plus returns the sum of two counts.
func (c Counts) Plus(o Counts) Counts {
	return c.with(o, func(a, b uint64) uint64 { return a + b })
}

// Minus returns c without what is in o already.
func (c Counts) Minus(o Counts) Counts {
	return c.with(o, func(a, b uint64) uint64 { return a - min(a, b) })
}

func (c Counts) with(o Counts, f func(a, b uint64) uint64) Counts {
	return Counts{
		Sent: f(c.Sent, o.Sent),
		Drops: Drops{
			Link: f(c.Drops.Link, o.Drops.Link), MaxBitrate: f(c.Drops.MaxBitrate, o.Drops.MaxBitrate),
			TooBig: f(c.Drops.TooBig, o.Drops.TooBig), Broken: f(c.Drops.Broken, o.Drops.Broken),
		},
		Received: f(c.Received, o.Received), Lost: f(c.Lost, o.Lost), Broken: f(c.Broken, o.Broken),
		PeerReceived: f(c.PeerReceived, o.PeerReceived), PeerLost: f(c.PeerLost, o.PeerLost),
	}
}
