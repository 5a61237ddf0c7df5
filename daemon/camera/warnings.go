package camera

import (
	"fmt"
	"slices"
	"time"
)

// warnings are what the open camera does not do as it is configured.
type warnings struct {
	open []string  // that it said when it was opened
	told []string  // that were logged last
	slow time.Time // when to look again whether it keeps its rate
	why  string    // it does not
}

// warn takes what a camera says at its opening, and logs it unless it is what it said before.
func (k *keeper) warn(a about) {
	w := &k.warnings
	w.open, w.why, w.slow = nil, "", time.Time{}
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

func (k *keeper) showWarnings() {
	all := slices.Clone(k.warnings.open)
	if k.warnings.why != "" {
		all = append(all, k.warnings.why)
	}
	k.status.set(func(s *Status) { s.Warnings = all })
}

const (
	slowEvery = 5 * time.Second // between two looks at the rate
	slowPart  = 0.8             // of the promised rate: what is below it is worth a word
)

// warnIfSlow says why pictures come at a lower rate than the camera promised, and that they do not do so any more.
func (k *keeper) warnIfSlow(s stream) {
	w, now := &k.warnings, time.Now()
	if now.Before(w.slow) {
		return
	}
	w.slow = now.Add(slowEvery)
	a, got := s.about(), k.tally.meter.Rate(k.cfg.now()).FPS
	lags := got < slowPart*a.fps
	if lags == (w.why != "") { // the rate itself changes all the time, and is no news
		return
	}
	w.why = ""
	if lags {
		w.why = fmt.Sprintf("%s gives %.3g pictures a second of the %.3g that it promised", a.device, got, a.fps)
		if reason := s.whySlow(); reason != "" {
			w.why += ": " + reason
		}
		k.log.Warn("camera is slow", "err", w.why)
	} else {
		k.log.Info("camera keeps its rate again", "device", a.device)
	}
	k.showWarnings()
}
