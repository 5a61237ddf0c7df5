package link

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"vchat/daemon/identity"
)

// Refusal is a device that was refused because its key is unknown here.
type Refusal struct {
	ID      identity.ID
	Name    string // as the device calls itself; unauthenticated
	Address string // of the last connection
	Peer    string // the peer that the device seems to be, with another key; may be empty
	Count   int    // connections since First
	First   time.Time
	Last    time.Time

	origin origin
}

func (r *Refusal) from() origin { return r.origin }

const (
	maxRefusals   = 64 // remembered
	shownRefusals = 8

	// Lines of the log in an hour.
	linesPerOrigin = 4
	linesPerGroup  = 16
	linesInAll     = 64 // for each of the internet and the local networks
	lineInterval   = time.Hour
)

// lineGroup is the level of originMasks whose groups have lines of their own:
// an IPv6 /48, and an IPv4 /16.
const lineGroup = 2

// refusals remembers the devices that were refused. A new key costs nothing, so
// memory and log are shared fairly among the origins: a flood of keys from one
// house or provider prefix hides no other device. It is safe for concurrent
// use.
type refusals struct {
	mu      sync.Mutex
	devices []*Refusal // sorted by origin

	since   time.Time // of the counters below
	origins map[origin]int
	groups  map[origin]int
	lines   map[bool]int // by origin.global: the internet does not silence a home
}

// add records a refusal. It reports whether it is worth a line in the log: the
// first one of a device is, within the limits.
func (r *refusals) add(device Refusal, now time.Time) (isNew bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.devices {
		if x.ID == device.ID {
			x.Name, x.Address, x.Peer = cmp.Or(device.Name, x.Name), device.Address, cmp.Or(device.Peer, x.Peer)
			x.Count++
			x.Last = now
			return false
		}
	}
	device.Count, device.First, device.Last = 1, now, now
	r.devices = insertByOrigin(r.devices, &device)
	if len(r.devices) > maxRefusals {
		oldest := slices.MinFunc(mostCrowded(r.devices), func(a, b *Refusal) int { return a.Last.Compare(b.Last) })
		i := slices.Index(r.devices, oldest)
		r.devices = slices.Delete(r.devices, i, i+1)
	}
	return r.hasLine(device.origin, now)
}

// hasLine counts a line of the log. It reports false when there were too many.
// The caller holds mu.
func (r *refusals) hasLine(o origin, now time.Time) bool {
	if r.origins == nil || now.Sub(r.since) >= lineInterval {
		r.since, r.origins, r.groups, r.lines = now, map[origin]int{}, map[origin]int{}, map[bool]int{}
	}
	group := o.group(lineGroup)
	if r.origins[o] >= linesPerOrigin || r.groups[group] >= linesPerGroup || r.lines[o.global] >= linesInAll {
		return false
	}
	r.origins[o]++
	r.groups[group]++
	r.lines[o.global]++
	return true
}

// newest returns the devices that were refused last, newest first: at most
// shownRefusals, of as many groups of origins as possible.
func (r *refusals) newest() (shown []Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := slices.Clone(r.devices)
	slices.SortFunc(left, func(a, b *Refusal) int { return b.Last.Compare(a.Last) })
	for len(left) > 0 && len(shown) < shownRefusals {
		next := slices.MinFunc(left, func(a, b *Refusal) int {
			return cmp.Compare(related(a, shown), related(b, shown))
		})
		shown = append(shown, *next)
		i := slices.Index(left, next)
		left = slices.Delete(left, i, i+1)
	}
	slices.SortFunc(shown, func(a, b Refusal) int { return b.Last.Compare(a.Last) })
	return shown
}

// related counts the groups of origins that x shares with the devices that are
// shown already.
func related(x *Refusal, shown []Refusal) (n int) {
	for level := range originMasks {
		for _, s := range shown {
			if s.origin.group(level) == x.origin.group(level) {
				n++
			}
		}
	}
	return n
}

// Refusals returns devices that were refused lately, newest first: at most 8,
// of as many networks as possible.
func (ls *Links) Refusals() []Refusal { return ls.refusals.newest() }
