package link

import (
	"time"

	"golang.org/x/time/rate"
)

// outageLog decides which outages of a link to a peer are logged. Of one
// outage, each kind of error is, once. Of a peer that comes and goes, the first
// outages are, then one per outagePause, and each that lasts.
type outageLog struct {
	keys    map[string]bool // logged in this outage, by logKey
	silent  bool            // this outage is not logged, so far
	quota   *rate.Limiter   // of lines
	omitted int             // outages since the last line
}

const (
	maxLogged     = 8 // lines of one outage
	outageBurst   = 20
	outagePause   = time.Hour
	lastingOutage = 5 * time.Minute // an outage of this length is logged in any case
)

func newOutageLog() outageLog {
	return outageLog{quota: rate.NewLimiter(rate.Every(outagePause), outageBurst)}
}

// add records an error in an outage that began at a time. It reports whether
// to log it, and how many outages before were not logged.
func (o *outageLog) add(key string, now, began time.Time) (isNew bool, omitted int) {
	if o.keys[key] || len(o.keys) >= maxLogged {
		return false, 0
	}
	if now.Sub(began) < lastingOutage && !o.quota.AllowN(now, 1) {
		o.silent = len(o.keys) == 0
		return false, 0
	}
	if o.keys == nil {
		o.keys = map[string]bool{}
	}
	o.keys[key], o.silent = true, false
	omitted, o.omitted = o.omitted, 0
	return true, omitted
}

// isSilent reports whether there is an outage that is not logged.
func (o *outageLog) isSilent() bool { return o.silent }

// end ends an outage, if there is one. It reports whether to log the new link.
func (o *outageLog) end(now time.Time) bool {
	isNew := !o.silent
	if len(o.keys) == 0 && !o.silent { // the first link, or one that replaces another one
		isNew = o.quota.AllowN(now, 1)
	}
	if !isNew {
		o.omitted++
	}
	o.keys, o.silent = nil, false
	return isNew
}
