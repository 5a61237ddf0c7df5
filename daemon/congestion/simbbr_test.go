package congestion

import (
	"slices"
	"time"
)

// simBBR is a model of BBR in the kernel (net/ipv4/tcp_bbr.c and tcp_rate.c).
// It computes the pacing rate from the bandwidth that a sender sees if it is
// idle between two frames. It has no DRAIN and PROBE_RTT phases.
type simBBR struct {
	noReset bool // reset does nothing

	pacing    float64     // bytes a second
	bandwidth [10]float64 // bytes a second, the maximum of each of the last rounds
	round     int
	startup   bool    // STARTUP, else PROBE_BW
	fullBW    float64 // in STARTUP: the bandwidth that must grow
	fullCount int     // rounds without growth
	phase     int     // of PROBE_BW
	phaseAt   time.Duration
	credit    float64 // bytes that pacing allows now

	delivered     int // bytes, as in tcp_rate.c
	deliveredAt   time.Duration
	firstSentAt   time.Duration
	appLimited    int // until so many bytes are delivered; 0: not
	nextRound     int // when so many bytes are delivered
	inFlight      []simPacket
	inFlightBytes int
	minRTT        time.Duration
}

// simPacket holds the bytes that are sent in one step.
type simPacket struct {
	bytes                                   int
	ackAt, sentAt, firstSentAt, deliveredAt time.Duration
	delivered                               int
	appLimited                              bool
}

const (
	startupGain = 2.885
	simMSS      = 1448
)

var probeGains = [8]float64{1.25, 0.75, 1, 1, 1, 1, 1, 1}

func newSimBBR() *simBBR {
	b := &simBBR{startup: true, minRTT: time.Hour}
	b.pacing = startupGain * 10 * simMSS / 0.001 // as after the handshake, before the first round trip
	return b
}

// reset models a new TCP_CONGESTION: BBR starts from its window and the round
// trip.
func (b *simBBR) reset(rtt time.Duration) {
	if b.noReset {
		return
	}
	b.pacing = max(b.pacing, startupGain*b.window()/rtt.Seconds())
	b.bandwidth, b.startup, b.fullBW, b.fullCount = [10]float64{}, true, 0, 0
}

func (b *simBBR) maxBandwidth() float64 { return slices.Max(b.bandwidth[:]) }

func (b *simBBR) bdp() float64 { return b.maxBandwidth() * b.minRTT.Seconds() }

// window returns the congestion window in bytes.
func (b *simBBR) window() float64 {
	gain := 2.0
	if b.startup {
		gain = startupGain
	}
	return max(gain*b.bdp()+3*max(2*simMSS, b.pacing/1024), 10*simMSS)
}

// allowed returns how many bytes may be sent in this step.
func (b *simBBR) allowed() float64 {
	return min(b.credit, max(0, b.window()-float64(b.inFlightBytes)))
}

// onStep acknowledges what has arrived.
func (b *simBBR) onStep(now time.Duration) {
	b.credit = min(b.credit+b.pacing*simStep.Seconds(), max(2*simMSS, b.pacing/1024))
	for len(b.inFlight) > 0 && b.inFlight[0].ackAt <= now {
		p := b.inFlight[0]
		b.inFlight = b.inFlight[1:]
		b.onAck(p, now)
	}
}

func (b *simBBR) onSent(bytes int, now, rtt time.Duration, lastOfAll bool) {
	if len(b.inFlight) == 0 {
		b.firstSentAt, b.deliveredAt = now, now
	}
	b.credit -= float64(bytes)
	b.inFlightBytes += bytes
	b.inFlight = append(b.inFlight, simPacket{bytes: bytes, ackAt: now + rtt, sentAt: now, firstSentAt: b.firstSentAt,
		deliveredAt: b.deliveredAt, delivered: b.delivered, appLimited: b.appLimited > 0})
	if lastOfAll {
		b.appLimited = b.delivered + b.inFlightBytes
	}
}

func (b *simBBR) onAck(p simPacket, now time.Duration) {
	b.inFlightBytes -= p.bytes
	b.delivered += p.bytes
	b.deliveredAt, b.firstSentAt = now, p.sentAt
	b.minRTT = min(b.minRTT, now-p.sentAt)
	if b.delivered > b.appLimited {
		b.appLimited = 0
	}
	newRound := p.delivered >= b.nextRound
	if newRound {
		b.nextRound = b.delivered
		b.round++
		b.bandwidth[b.round%len(b.bandwidth)] = 0
	}
	interval := max(p.sentAt-p.firstSentAt, now-p.deliveredAt)
	if interval < b.minRTT {
		return // as tcp_rate_gen does
	}
	sample := float64(b.delivered-p.delivered) / interval.Seconds()
	if !p.appLimited || sample >= b.maxBandwidth() {
		i := b.round % len(b.bandwidth)
		b.bandwidth[i] = max(b.bandwidth[i], sample)
	}
	if b.startup && newRound && !p.appLimited {
		if bw := b.maxBandwidth(); bw >= 1.25*b.fullBW {
			b.fullBW, b.fullCount = bw, 0
		} else if b.fullCount++; b.fullCount >= 3 {
			b.startup = false
		}
	}
	b.pace(now)
}

// pace sets the pacing rate. In STARTUP it only grows.
func (b *simBBR) pace(now time.Duration) {
	if b.startup {
		b.pacing = max(b.pacing, startupGain*b.maxBandwidth())
		return
	}
	gain, full := probeGains[b.phase], now-b.phaseAt > b.minRTT
	next := full
	switch {
	case gain > 1: // until more is in flight, which an idle sender may never reach
		next = full && float64(b.inFlightBytes) >= gain*b.bdp()
	case gain < 1:
		next = full || float64(b.inFlightBytes) <= b.bdp()
	}
	if next {
		b.phase, b.phaseAt = (b.phase+1)%len(probeGains), now
	}
	b.pacing = 0.99 * probeGains[b.phase] * b.maxBandwidth()
}
