package camera

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"vchat/v4l2"
)

// warnings records where the open camera differs from its configuration.
type warnings struct {
	atOpen []string // from the source
	logged []string // of atOpen, so that a reopen does not log them again
	rate   string   // of atOpen: the driver reports less than the requested rate; "": none

	present  [warningCount]string // about the frames of the open source
	loggedAt [warningCount]time.Time

	lowRate     string    // the warning about the frame rate; "": none
	lowLogged   bool      // lowRate
	lowRateFPS  float64   // the rate in lowRate
	nextCheck   time.Time // of the rate
	lastCheck   time.Time
	brokenSoFar uint64 // broken frames until lastCheck

	openQuota, lowQuota *lineQuota // of logged and lowRate
}

func newWarnings() warnings { return warnings{openQuota: newLineQuota(), lowQuota: newLineQuota()} }

// warningID is a kind of warning that a source sets while it is open.
type warningID int

const (
	warnSize   warningID = iota // the frames' size
	warnStamps                  // the driver's time stamps
	warningCount
)

const (
	rateCheckInterval = 5 * time.Second
	lowRateShare      = 0.8       // of the promised rate; a lower one is a warning
	rateChangeShare   = 0.2       // of lowRateFPS; a larger change updates the warning
	wrongRateFactor   = 1.2       // of the promised rate; a higher one shows that the promise is wrong
	warningLogPause   = time.Hour // between two log lines of the same kind
)

// setWarnings takes the warnings of a source and logs new ones.
func (s *supervisor) setWarnings(info sourceInfo) {
	w := &s.warnings
	w.atOpen, w.rate, w.lowRate, w.nextCheck = nil, "", "", time.Time{}
	w.present = [warningCount]string{}
	w.lastCheck, w.brokenSoFar = time.Now(), s.counters.totalBroken()
	for _, err := range info.warnings {
		w.atOpen = append(w.atOpen, err.Error())
		if errors.Is(err, v4l2.ErrLowRate) {
			w.rate = err.Error()
		}
	}
	if !slices.Equal(w.atOpen, w.logged) && w.openQuota.allow(time.Now()) { // auto may alternate between two cameras
		w.logged = w.atOpen
		for _, text := range w.atOpen {
			s.log.Warn("camera differs from its configuration", "device", s.logDevice(), "err", text)
		}
	}
	s.publishWarnings()
}

// setWarning sets a warning of the open source, or withdraws it with "".
func (s *supervisor) setWarning(id warningID, text string) {
	w := &s.warnings
	if w.present[id] == text {
		return
	}
	w.present[id] = text
	if now := time.Now(); text != "" && now.Sub(w.loggedAt[id]) >= warningLogPause {
		w.loggedAt[id] = now
		s.log.Warn("camera differs from what its driver reports", "device", s.logDevice(), "err", text)
	}
	s.publishWarnings()
}

func (s *supervisor) publishWarnings() {
	all := slices.Clone(s.warnings.atOpen)
	for _, text := range s.warnings.present {
		if text != "" {
			all = append(all, text)
		}
	}
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
	want := s.expectedRate(info.fps, got)
	low, warned := got < lowRateShare*want, w.lowRate != ""
	broken := s.brokenRate(now)
	if low == warned && (!low || math.Abs(got-w.lowRateFPS) <= rateChangeShare*w.lowRateFPS) {
		return
	}
	w.lowRateFPS, w.lowRate = got, ""
	if low {
		w.lowRate = fmt.Sprintf("%s sends %.3g frames a second instead of %.3g", logDevice(info.device), got, want)
		if broken > (want-got)/2 { // most of the missing frames came, but broken
			w.lowRate += fmt.Sprintf(": %.3g more are broken", broken)
		} else if reason := src.lowRateReason(); reason != "" {
			w.lowRate += ": " + reason
		}
	}
	switch {
	case low && !warned: // the log does not follow the rate, which changes all the time
		if w.lowLogged = w.lowQuota.allow(now); w.lowLogged {
			attrs := []any{"device", s.logDevice(), "err", w.lowRate}
			s.log.Warn("camera frame rate low", w.lowQuota.addOmitted(attrs)...)
		}
	case !low && w.lowLogged:
		s.log.Info("camera frame rate recovered", "device", logDevice(info.device))
	}
	s.publishWarnings()
}

// expectedRate returns the rate below which a camera is slow: the promised one,
// but not more than requested. If the camera sends more than promised, the
// promise was wrong: the requested rate counts, and the warning about the
// promise is withdrawn.
func (s *supervisor) expectedRate(promised, measured float64) float64 {
	requested := float64(s.cfg.FPS)
	if promised == 0 || measured <= wrongRateFactor*promised {
		return min(promised, requested)
	}
	if w := &s.warnings; w.rate != "" {
		w.atOpen = slices.DeleteFunc(slices.Clone(w.atOpen), func(text string) bool { return text == w.rate })
		w.rate = ""
		s.log.Info("camera is faster than its driver reports", "device", s.logDevice(),
			"fps", math.Round(measured), "reported", promised)
		s.publishWarnings()
	}
	return requested
}

// brokenRate returns the broken frames per second since the last check.
func (s *supervisor) brokenRate(now time.Time) float64 {
	w, broken := &s.warnings, s.counters.totalBroken()
	rate := float64(broken-w.brokenSoFar) / max(now.Sub(w.lastCheck), time.Second).Seconds()
	w.lastCheck, w.brokenSoFar = now, broken
	return rate
}
