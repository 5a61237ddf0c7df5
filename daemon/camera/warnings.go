package camera

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// warnings records where the open camera differs from its configuration.
type warnings struct {
	atOpen []string // from the source
	logged []string // of atOpen, so that a reopen does not log them again

	lowRate     string    // the warning about the frame rate; "": none
	lowRateFPS  float64   // the rate in lowRate
	nextCheck   time.Time // of the rate
	lastCheck   time.Time
	brokenSoFar uint64 // broken frames until lastCheck
}

const (
	rateCheckInterval = 5 * time.Second
	lowRateShare      = 0.8 // of the promised rate; a lower one is a warning
	rateChangeShare   = 0.2 // of lowRateFPS; a larger change updates the warning
)

// setWarnings takes the warnings of a source and logs new ones.
func (s *supervisor) setWarnings(info sourceInfo) {
	w := &s.warnings
	w.atOpen, w.lowRate, w.nextCheck = nil, "", time.Time{}
	w.lastCheck, w.brokenSoFar = time.Now(), s.counters.totalBroken()
	for _, err := range info.warnings {
		w.atOpen = append(w.atOpen, err.Error())
	}
	if !slices.Equal(w.atOpen, w.logged) {
		w.logged = w.atOpen
		for _, text := range w.atOpen {
			s.log.Warn("camera differs from its configuration", "err", text)
		}
	}
	s.publishWarnings()
}

func (s *supervisor) publishWarnings() {
	all := slices.Clone(s.warnings.atOpen)
	if s.warnings.lowRate != "" {
		all = append(all, s.warnings.lowRate)
	}
	s.status.set(func(st *Status) { st.Warnings = all })
}

// checkRate warns if frames arrive at a lower rate than the camera promised,
// and withdraws the warning when the rate is back.
func (s *supervisor) checkRate(src source) {
	w, now := &s.warnings, time.Now()
	if now.Before(w.nextCheck) {
		return
	}
	w.nextCheck = now.Add(rateCheckInterval)
	info, got := src.info(), s.counters.meter.Rate(s.cfg.now()).FPS
	low, warned := got < lowRateShare*info.fps, w.lowRate != ""
	broken := s.brokenRate(now)
	if low == warned && (!low || math.Abs(got-w.lowRateFPS) <= rateChangeShare*w.lowRateFPS) {
		return
	}
	w.lowRateFPS, w.lowRate = got, ""
	if low {
		w.lowRate = fmt.Sprintf("%s sends %.3g frames a second instead of %.3g", info.device, got, info.fps)
		if broken > (info.fps-got)/2 { // most of the missing frames came, but broken
			w.lowRate += fmt.Sprintf(": %.3g more are broken", broken)
		} else if reason := src.lowRateReason(); reason != "" {
			w.lowRate += ": " + reason
		}
	}
	switch {
	case low && !warned: // the log does not follow the rate, which changes all the time
		s.log.Warn("camera frame rate low", "err", w.lowRate)
	case !low:
		s.log.Info("camera frame rate recovered", "device", logDevice(info.device))
	}
	s.publishWarnings()
}

// brokenRate returns the broken frames per second since the last check.
func (s *supervisor) brokenRate(now time.Time) float64 {
	w, broken := &s.warnings, s.counters.totalBroken()
	rate := float64(broken-w.brokenSoFar) / max(now.Sub(w.lastCheck), time.Second).Seconds()
	w.lastCheck, w.brokenSoFar = now, broken
	return rate
}
