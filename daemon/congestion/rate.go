package congestion

import (
	"cmp"
	"time"
)

// rate estimates the capacity of the link and sets the target rate for frames.
// Its input is how long frames occupy the link and how much they are delayed.
// Loss is not an input: a radio link loses packets at any rate, and a queue
// shows congestion before packets are lost.
//
//	unlimited ──delay or overuse──▶ 85 % of the measured capacity ◀─┐
//	    ▲                              │ underuse: × 2, at once     │
//	    │                              ▼                            │ delay
//	    │                           near the capacity ──────────────┤ or
//	    │                              │ underuse: × 1.2, in steps  │ overuse
//	    │                              ▼                            │
//	    └──────── underuse: × 2 ─── above the capacity ─────────────┘
//
// The capacity is what the link carried when it was last full. A link with a
// token bucket seems idle until the bucket is empty. So the rate is probed from
// time to time: less often after each failure, but at least every 1.5 s, so
// that full quality is back within 3 s. A single sample does not replace a
// known capacity: radios and schedulers pause.
type rate struct {
	target     float64       // bytes a second; 0: unlimited, frames are sent in full size
	capacity   float64       // bytes a second; 0: unknown
	capacityAt time.Duration // when the capacity was last measured
	confirmed  int           // measurements in a row that agreed with the capacity
	outlier    float64       // a single measurement far below the capacity; 0: none
	probeAt    time.Duration // the earliest time for a step up near the capacity
	changedAt  time.Duration // when the target changed; frames sent before do not count for it

	lossFree   secondsPerByte // smoothed cost of frames without loss
	lossFreeAt time.Duration  // when it was last measured

	samples [8]sample // a ring
	count   int       // samples since the target changed; above the ring's length only its remainder matters
}

const (
	// utilization is the part of the capacity that the target uses. The rest
	// lets a queue drain.
	utilization = 0.85
	// overuse and underuse are fractions of the time that frames occupy the
	// link. Above overuse the rate decreases, below underuse it increases.
	overuse  = 0.95
	underuse = 0.70
	// nearCapacity: rates within this factor of the capacity are near it.
	nearCapacity = 1.5
	// minSamples are needed to judge the use of the link.
	minSamples = 3
	// mildSamples are averaged to measure the capacity after a mild delay.
	mildSamples = 3
	// severeDelayFactor: one sample with this many times the allowed delay is
	// enough to measure the capacity.
	severeDelayFactor = 3

	// maxFrameTime bounds the time that one frame may occupy the link if the
	// camera delivers fewer than eight frames a second.
	maxFrameTime = 120 * time.Millisecond
	// jitterAllowance is the delay that schedulers and radios cause without a
	// queue.
	jitterAllowance = 15 * time.Millisecond
	// minTargetRate is a quarter of a Mbit/s, in bytes a second. With less,
	// frames are useless and recovery takes longer.
	minTargetRate = 32e3

	// minProbePause doubles with each failed probe, up to maxProbePause.
	minProbePause = 150 * time.Millisecond
	maxProbePause = 1500 * time.Millisecond
	// capacityLifetime is how long a measured capacity counts.
	capacityLifetime = 10 * time.Second
	// lossFreeLifetime is how long the cost of frames without loss counts.
	lossFreeLifetime = time.Second
)

// conditions describe the camera and the path when a sample is judged.
type conditions struct {
	interval time.Duration // between two frames of the camera
	baseRTT  time.Duration
	demand   float64 // bytes a second of full-size frames
}

// onSample adapts the target rate.
func (r *rate) onSample(s sample, c conditions, now time.Duration) {
	switch {
	case s.rerouted:
		r.capacity, r.outlier, r.confirmed = 0, 0, 0
		r.discardSamples(now)
		return
	case s.sentAt < r.changedAt:
		return
	}
	if s.recovered {
		s.transferTime = r.withoutRecovery(s, c.baseRTT, now)
	} else {
		r.onLossFree(s, now)
	}
	r.add(s)
	frameTime := min(c.interval, maxFrameTime)
	used, n := r.used(frameTime)
	// Three packets that TCP retransmits one after the other are not a queue.
	allowed := frameTime + 3*c.baseRTT/2 + jitterAllowance
	if s.recovered {
		allowed += c.baseRTT
	}
	switch {
	case s.recovered && s.delay > allowed && s.delay <= severeDelayFactor*allowed:
		// Smaller frames lose fewer packets. The sample does not show the
		// capacity, so use the target.
		r.decrease(min(1/float64(r.costOf(mildSamples)), cmp.Or(r.target, c.demand)), c, now)
	case s.delay > severeDelayFactor*allowed:
		r.decrease(1/float64(r.costOf(1)), c, now)
	case s.delay > allowed:
		r.decrease(1/float64(r.costOf(mildSamples)), c, now)
	case n > minSamples && used > overuse:
		r.decrease(1/float64(r.cost()), c, now)
	case r.target > 0 && s.reduced && n >= minSamples && used < underuse:
		r.increase(c, now)
	}
}

// withoutRecovery returns how long a frame would have occupied the link without
// loss: as long as other recent frames. Without recent frames, it subtracts two
// round trips: one until TCP notices the loss and one until it is as fast as
// before. The result is 0 if the frame only waited behind a retransmitted
// packet.
func (r *rate) withoutRecovery(s sample, baseRTT, now time.Duration) time.Duration {
	least := max(0, s.transferTime-2*baseRTT)
	if r.lossFree == 0 || now-r.lossFreeAt > lossFreeLifetime {
		return least
	}
	return max(least, r.lossFree.of(s.bytes))
}

// onLossFree updates the cost of frames without loss.
func (r *rate) onLossFree(s sample, now time.Duration) {
	cost := secondsPerByte(s.transferTime.Seconds() / float64(max(s.bytes, 1)))
	if r.lossFree == 0 || now-r.lossFreeAt > lossFreeLifetime {
		r.lossFree = cost
	}
	r.lossFree += (cost - r.lossFree) / 4
	r.lossFreeAt = now
}

// decrease sets the target below a capacity that was just measured. A target
// that is not lower is ignored: the delay was a short disturbance.
func (r *rate) decrease(measured float64, c conditions, now time.Duration) {
	target := max(measured*utilization, minTargetRate)
	if r.target > 0 && target >= r.target || r.target == 0 && target >= c.demand {
		return
	}
	r.target = target
	r.discardSamples(now)
	known := r.capacity > 0 && now-r.capacityAt < capacityLifetime
	switch {
	case known && measured < r.capacity/nearCapacity && (r.outlier == 0 || measured > r.outlier*nearCapacity):
		r.outlier = measured
		return
	case known && measured > r.capacity/nearCapacity && measured < r.capacity*nearCapacity:
		r.capacity = (r.capacity + measured) / 2
		r.confirmed++
	default:
		r.capacity, r.confirmed = measured, 1
	}
	r.capacityAt, r.outlier = now, 0
	r.probeAt = now + min(minProbePause<<min(r.confirmed-1, 10), maxProbePause)
}

// increase raises the target by one step, but not above what the link can carry
// according to the last samples.
func (r *rate) increase(c conditions, now time.Duration) {
	below, above := r.capacity*utilization, r.capacity*nearCapacity
	target := 2 * r.target
	switch {
	case r.target < below-1:
		target = min(target, below)
	case r.target < above && now < r.probeAt:
		return
	case r.target < above:
		target = min(1.2*r.target, 1.2*above)
	}
	if cost := float64(r.cost()); cost > 0 {
		target = min(target, utilization/cost)
	}
	if target <= r.target {
		return
	}
	r.target = target
	r.discardSamples(now)
	if r.target >= c.demand {
		r.target = 0
	}
}

// add appends a sample to the ring.
func (r *rate) add(s sample) {
	r.samples[r.count%len(r.samples)] = s
	if r.count++; r.count == 2*len(r.samples) {
		r.count = len(r.samples) // so that an int of 32 bits does not overflow in a link's life
	}
}

// discardSamples starts over after the target has changed.
func (r *rate) discardSamples(now time.Duration) { r.changedAt, r.count = now, 0 }

// used returns the fraction of the time that frames occupy the link, and the
// number of samples it is based on.
func (r *rate) used(frameTime time.Duration) (fraction float64, n int) {
	n = min(r.count, len(r.samples))
	var sum time.Duration
	for _, s := range r.samples[:n] {
		sum += s.transferTime
	}
	return float64(sum) / float64(frameTime) / float64(max(n, 1)), n
}

// cost returns what a byte costs, averaged over all samples; 0 if unknown.
func (r *rate) cost() secondsPerByte { return r.costOf(len(r.samples)) }

// costOf returns what a byte cost, averaged over the last n samples. Without
// samples it returns the inverse of the capacity, or 0 if that is unknown.
func (r *rate) costOf(n int) secondsPerByte {
	var sum time.Duration
	bytes := 0
	for i := range min(n, r.count, len(r.samples)) {
		s := &r.samples[(r.count-1-i)%len(r.samples)]
		sum += s.transferTime
		bytes += s.bytes
	}
	switch {
	case bytes > 0:
		return secondsPerByte(sum.Seconds() / float64(bytes))
	case r.capacity > 0:
		return secondsPerByte(1 / r.capacity)
	}
	return 0
}

// capacityMbit returns the capacity in Mbit/s, or less while the target shows
// that the link now carries less.
func (r *rate) capacityMbit() float64 {
	capacity := r.capacity
	if r.target > 0 && (capacity == 0 || r.target/utilization < capacity) {
		capacity = r.target / utilization
	}
	return capacity * 8 / 1e6
}

// frameBudget returns how many bytes a frame may have; 0: unlimited.
func (r *rate) frameBudget(interval time.Duration) int {
	return int(r.target * min(interval, maxFrameTime).Seconds())
}
