package camera

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// warnings are what the open camera does not do as it is configured.
type warnings struct {
	open []string  // that it said when it was opened
	told []string  // that were logged last
	slow time.Time // when to look again whether it keeps its rate
	rate float64   // that why tells
	why  string    // it does not

	looked time.Time // at the rate, the last time
	broken uint64    // frames until then
}

// warn takes what a camera says at its opening, and logs it unless it is what it said before.
func (k *supervisor) warn(a about) {
	w := &k.warnings
	w.open, w.why, w.slow = nil, "", time.Time{}
	w.looked, w.broken = time.Now(), k.counters.allBroken()
	for _, err := range a.warnings {
		w.open = append(w.open, err.Error())
	}
	if !slices.Equal(w.open, w.told) {
		w.told = w.open
		for _, text := range w.open {
			k.log.Warn("camera does not do all that is configured", "err", text)
		}
	}
	k.showWarnings()
}

func (k *supervisor) showWarnings() {
	all := slices.Clone(k.warnings.open)
	if k.warnings.why != "" {
		all = append(all, k.warnings.why)
	}
	k.status.set(func(s *Status) { s.Warnings = all })
}

const (
	slowEvery = 5 * time.Second // between two looks at the rate
	slowPart  = 0.8             // of the promised rate: what is below it is worth a word
	newRate   = 0.2             // of the rate that was told: what differs by more is told anew
)

// warnIfSlow says why frames come at a lower rate than the camera promised, and that they do not do so any more.
func (k *supervisor) warnIfSlow(s stream) {
	w, now := &k.warnings, time.Now()
	if now.Before(w.slow) {
		return
	}
	w.slow = now.Add(slowEvery)
	a, got := s.about(), k.counters.meter.Rate(k.cfg.now()).FPS
	lags, told := got < slowPart*a.fps, w.why != ""
	spoiled := k.spoiled(now)
	if lags == told && (!lags || math.Abs(got-w.rate) <= newRate*w.rate) {
		return
	}
	w.rate, w.why = got, ""
	if lags {
		w.why = fmt.Sprintf("%s gives %.3g frames a second of the %.3g that it promised", a.device, got, a.fps)
		if spoiled > (a.fps-got)/2 { // the light is not to blame
			w.why += fmt.Sprintf(": %.3g more are broken", spoiled)
		} else if reason := s.whySlow(); reason != "" {
			w.why += ": " + reason
		}
	}
	switch {
	case lags && !told: // another rate is no news for the log: it changes all the time
		k.log.Warn("camera is slow", "err", w.why)
	case !lags:
		k.log.Info("camera keeps its rate again", "device", a.device)
	}
	k.showWarnings()
}

// spoiled is how many frames a second came broken since the last look.
func (k *supervisor) spoiled(now time.Time) float64 {
	w, broken := &k.warnings, k.counters.allBroken()
	rate := float64(broken-w.broken) / max(now.Sub(w.looked), time.Second).Seconds()
	w.looked, w.broken = now, broken
	return rate
}
