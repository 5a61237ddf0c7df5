package v4l2

import (
	"fmt"
	"time"
)

// captureClock decides for each frame whether the driver's time stamp is
// plausible. If not, the time of arrival takes its place. Times are of
// CLOCK_MONOTONIC.
//
//   - The driver must mark the stamp as CLOCK_MONOTONIC.
//   - It must be later than the one before.
//   - It must not be later than the arrival, but for futureTolerance.
//   - It must not be older than maxStampAge, plus the longest recent pause of
//     this program: frames wait in their buffers meanwhile.
//
// After an implausible stamp it uses the time of arrival until all stamps have
// been plausible for a while, because the two differ: a mixture would jump.
type captureClock struct {
	fault      string        // why stamps are not used; "": they are
	count      int           // implausible stamps of this fault
	stamp      time.Duration // the driver's last one
	result     time.Duration // of the last call
	arrival    time.Duration // of the last frame
	trustAfter time.Duration // of plausible stamps; doubles with each fault
	plausible  time.Duration // since when stamps are, during a fault; 0: they are not
	pause      time.Duration // the longest between two of the last frames
	pauseLeft  int           // frames until pause is forgotten
}

const (
	futureTolerance = 500 * time.Millisecond // vivid is up to 100 ms ahead; then the arrival counts
	maxStampAge     = time.Second
	otherClock      = 6 * time.Hour // a larger difference is not a delay
	pauseFrames     = maxBuffers    // at most so many frames waited during a pause
	minTrustAfter   = 5 * time.Second
	maxTrustAfter   = 10 * time.Minute
	minFaultCount   = 5 // fewer implausible stamps are not worth a warning
)

// at returns the time of capture of a frame that arrived at now. Its results
// only rise, as long as now does.
func (c *captureClock) at(stamp time.Duration, monotonic bool, now time.Duration) time.Duration {
	if pause := now - c.arrival; c.arrival > 0 && (pause >= c.pause || c.pauseLeft == 0) {
		c.pause, c.pauseLeft = pause, pauseFrames
	} else if c.pauseLeft > 0 {
		c.pauseLeft--
	}
	fault := c.check(stamp, monotonic, now)
	c.stamp, c.arrival = stamp, now
	switch {
	case fault != "":
		if c.fault == "" {
			c.fault, c.count = fault, 0
			c.trustAfter = min(max(2*c.trustAfter, minTrustAfter), maxTrustAfter)
		}
		c.count++
		c.plausible = 0
	case c.fault != "" && c.plausible == 0:
		c.plausible = now
	case c.fault != "" && now-c.plausible >= c.trustAfter:
		c.fault = ""
	}
	t := now
	if c.fault == "" {
		t = min(stamp, now)
	}
	if t <= c.result && c.result < now { // after a change from arrivals to stamps
		t = c.result + 1
	}
	c.result = t
	return t
}

// check returns why a stamp is not plausible, or "".
func (c *captureClock) check(stamp time.Duration, monotonic bool, now time.Duration) string {
	switch {
	case !monotonic:
		return "are not of the monotonic clock"
	case stamp <= 0:
		return "are missing"
	case max(stamp-now, now-stamp) > otherClock:
		return "are of another clock"
	case stamp > now+futureTolerance:
		return fmt.Sprintf("are %v in the future", roundTime(stamp-now))
	case c.arrival > 0 && stamp <= c.stamp && c.stamp <= c.arrival+futureTolerance:
		return "do not advance"
	case now-stamp > maxStampAge+c.pause:
		return fmt.Sprintf("are %v old", roundTime(now-stamp))
	}
	return ""
}

// warning returns the fault once it is certain, or "".
func (c *captureClock) warning() string {
	if c.count < minFaultCount {
		return ""
	}
	return c.fault
}

func roundTime(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}
