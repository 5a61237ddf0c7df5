package daemon

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"vchat/daemon/api"
)

// The limits of requests to a device that does not wait for one. Any host on
// the network can make them, so few are shown, seldom, and not for long.
const (
	requestGone  = 10 * time.Second // after the last one; a device that dials repeats it every few seconds
	requestShown = 3 * time.Minute  // longer than a device dials by default
	requestQuiet = 10 * time.Minute // after a request was refused, or was shown for requestShown

	originBurst = 3 // requests of one origin that are shown at once; then one per originEvery
	originEvery = 2 * time.Minute
	allBurst    = 4 // of all origins
	allEvery    = time.Minute
)

// pairRequests decides which request for a pairing is shown while this device
// does not wait for one. It is pure. One is shown at a time:
//
//	none ─ add, within the limits ─▶ shown ─ take ─────────────▶ none
//	                                   ├─ not repeated, or too old ─▶ none
//	                                   └─ refuse ─▶ none; its origin is quiet
//
// A second refusal within requestQuiet makes all origins quiet: requests must
// not pester the user.
type pairRequests struct {
	shown           *api.Pairing // nil: none
	origin          string       // of shown
	since, repeated time.Time    // of shown

	quiet     map[string]time.Time // origins whose requests are not shown, and until when
	refused   map[string]time.Time // ids whose requests are refused, and until when
	refusedAt time.Time
	quietAll  time.Time // until then no request is shown

	all     *rate.Limiter
	origins map[string]*rate.Limiter // of origins with a request that was shown
}

// add adds a request and reports whether it is shown from now on.
func (r *pairRequests) add(v api.Pairing, now time.Time) bool {
	if r.shown != nil {
		if r.shown.ID == v.ID {
			r.repeated = now
		}
		return false
	}
	origin := requestOrigin(v.Address)
	if now.Before(r.quietAll) || now.Before(r.quiet[origin]) || !r.allow(origin, now) {
		return false
	}
	r.shown, r.origin, r.since, r.repeated = &v, origin, now, now
	return true
}

// allow takes a token of the origin and one of all. An origin is remembered
// only once it gets one, so that all bounds the memory.
func (r *pairRequests) allow(origin string, now time.Time) bool {
	if r.all == nil {
		r.all, r.origins = rate.NewLimiter(rate.Every(allEvery), allBurst), map[string]*rate.Limiter{}
	}
	own := r.origins[origin]
	if own != nil && own.TokensAt(now) < 1 || !r.all.AllowN(now, 1) {
		return false
	}
	for o, l := range r.origins {
		if o != origin && l.TokensAt(now) >= originBurst {
			delete(r.origins, o)
		}
	}
	if own == nil {
		own = rate.NewLimiter(rate.Every(originEvery), originBurst)
		r.origins[origin] = own
	}
	return own.AllowN(now, 1)
}

// expire ends the shown request if its time is over, and returns it; else nil.
func (r *pairRequests) expire(now time.Time) (ended *api.Pairing) {
	if r.shown == nil || now.Before(r.deadline()) {
		return nil
	}
	if !now.Before(r.since.Add(requestShown)) {
		r.silence(now)
	}
	return r.take(r.shown.ID)
}

// deadline returns when the shown request ends if it is not repeated.
func (r *pairRequests) deadline() time.Time {
	gone, end := r.repeated.Add(requestGone), r.since.Add(requestShown)
	if end.Before(gone) {
		return end
	}
	return gone
}

// take ends the shown request and returns it; nil if it is not that of the
// device with the id. An empty id is that of any device.
func (r *pairRequests) take(id string) (v *api.Pairing) {
	if r.shown == nil || id != "" && id != r.shown.ID {
		return nil
	}
	v, r.shown = r.shown, nil
	return v
}

// refuse is take for a request that the user refuses.
func (r *pairRequests) refuse(id string, now time.Time) (v *api.Pairing) {
	if r.shown == nil || id != "" && id != r.shown.ID {
		return nil
	}
	r.silence(now)
	if !r.refusedAt.IsZero() && now.Sub(r.refusedAt) < requestQuiet {
		r.quietAll = now.Add(requestQuiet)
	}
	r.refusedAt = now
	forgetBefore(&r.refused, now)
	r.refused[r.shown.ID] = now.Add(requestQuiet)
	return r.take(id)
}

// wasRefused reports whether the user has refused the device lately.
func (r *pairRequests) wasRefused(id string, now time.Time) bool { return now.Before(r.refused[id]) }

// silence makes the origin of the shown request quiet.
func (r *pairRequests) silence(now time.Time) {
	forgetBefore(&r.quiet, now)
	r.quiet[r.origin] = now.Add(requestQuiet)
}

// forgetBefore removes what is over. What remains is bounded: users and
// requestShown are slow.
func forgetBefore(m *map[string]time.Time, now time.Time) {
	if *m == nil {
		*m = map[string]time.Time{}
	}
	for k, until := range *m {
		if !now.Before(until) {
			delete(*m, k)
		}
	}
}

// requestOrigin returns who may be behind an address: one host, or for IPv6 one
// network, in which a host has any number of addresses.
func requestOrigin(host string) string {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	if a = a.Unmap().WithZone(""); a.Is6() {
		p, _ := a.Prefix(64) // fails for more bits only
		return p.String()
	}
	return a.String()
}
