package discovery

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"vchat/daemon/identity"
)

const (
	maxUnknown   = 64 // devices that are no peers
	maxSources   = 8  // announcements of one device: its names, our interfaces
	maxAddresses = 8  // of one device
	maxLifetime  = 10 * time.Minute
	minLifetime  = 10 * time.Second
	goodbyeDelay = 2 * time.Second // until a device that says goodbye is gone
)

// table holds the devices that announce themselves. An announcement never
// removes another one: who is first stays until it is over. It is safe for
// concurrent use.
type table struct {
	changed func() // called without mu when the devices have changed

	mu      sync.Mutex
	own     identity.ID
	known   map[identity.ID]bool // peers; they always have a place
	devices map[identity.ID]*entry
}

// entry is a device.
type entry struct {
	announced
	since   time.Time
	sources []*source
}

// source is one announcement of a device.
type source struct {
	key       string // where the announcement came from
	host      string // the host that it names; of use to the responder
	port      uint16
	addresses []netip.Addr
	ttl       time.Duration // 0: it lasts until remove
	expires   time.Time
	asked     int     // queries to refresh it
	early     float64 // part of ttl by which this device asks earlier than others
}

func newTable(own identity.ID, changed func()) *table {
	return &table{changed: changed, own: own, known: map[identity.ID]bool{}, devices: map[identity.ID]*entry{}}
}

// setKnown sets the ids of the peers.
func (t *table) setKnown(ids []identity.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.known)
	for _, id := range ids {
		t.known[id] = true
	}
}

// isKnown reports whether a name of a service may be that of a peer.
func (t *table) isKnown(match func(identity.ID) bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range t.known {
		if match(id) {
			return true
		}
	}
	return false
}

// put adds or refreshes an announcement. It reports whether it was kept.
func (t *table) put(now time.Time, a announced, s source) bool {
	if a.id == t.own || len(s.addresses) == 0 || s.port == 0 {
		return false
	}
	s.addresses = s.addresses[:min(len(s.addresses), maxAddresses)]
	if s.ttl > 0 {
		s.ttl = min(max(s.ttl, minLifetime), maxLifetime)
		s.expires, s.early = now.Add(s.ttl), rand.Float64()*0.02
	}
	t.mu.Lock()
	kept, changed := t.putLocked(now, a, s)
	t.mu.Unlock()
	if changed {
		t.changed()
	}
	return kept
}

func (t *table) putLocked(now time.Time, a announced, s source) (kept, changed bool) {
	for id, e := range t.devices { // the key had another id
		if i := e.find(s.key); i >= 0 && id != a.id {
			t.drop(e, i)
			changed = true
		}
	}
	e := t.devices[a.id]
	if e == nil {
		if !t.known[a.id] && t.unknown() >= maxUnknown {
			return false, changed
		}
		e = &entry{announced: a, since: now}
		t.devices[a.id] = e
	}
	before := e.view()
	i := e.find(s.key)
	switch {
	case i >= 0:
		*e.sources[i] = s
	case len(e.sources) == maxSources:
		return false, changed
	default:
		e.sources = append(e.sources, &s)
	}
	if len(e.sources) == 1 || i == 0 {
		e.announced = a // a second announcement does not change the name
	}
	return true, changed || !before.equal(e.view())
}

// unknown returns how many devices are no peers. The caller holds mu.
func (t *table) unknown() (n int) {
	for id := range t.devices {
		if !t.known[id] {
			n++
		}
	}
	return n
}

func (e *entry) find(key string) int {
	return slices.IndexFunc(e.sources, func(s *source) bool { return s.key == key })
}

// drop removes a source, and the device with its last one. The caller holds mu.
func (t *table) drop(e *entry, i int) {
	e.sources = slices.Delete(e.sources, i, i+1)
	if len(e.sources) == 0 {
		delete(t.devices, e.id)
	}
}

// remove removes an announcement.
func (t *table) remove(key string) {
	t.removeFunc(func(s *source) bool { return s.key == key })
}

// clear removes all announcements.
func (t *table) clear() { t.removeFunc(func(*source) bool { return true }) }

// expire removes the announcements that are over.
func (t *table) expire(now time.Time) {
	t.removeFunc(func(s *source) bool { return s.ttl > 0 && !s.expires.After(now) })
}

func (t *table) removeFunc(over func(*source) bool) {
	t.mu.Lock()
	changed := false
	for _, e := range t.devices {
		for i := len(e.sources) - 1; i >= 0; i-- {
			if over(e.sources[i]) {
				t.drop(e, i)
				changed = true
			}
		}
	}
	t.mu.Unlock()
	if changed {
		t.changed()
	}
}

// goodbye ends an announcement soon, unless it is refreshed: any host can send
// the goodbye of a device. It reports whether there is such an announcement.
func (t *table) goodbye(now time.Time, key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.devices {
		if i := e.find(key); i >= 0 {
			s := e.sources[i]
			if end := now.Add(goodbyeDelay); s.expires.After(end) {
				s.expires, s.asked = end, len(refreshAt)
			}
			return true
		}
	}
	return false
}

// readdress changes the addresses of announcements of a host on one interface,
// whose keys have a prefix. f returns the new ones.
func (t *table) readdress(prefix, host string, f func([]netip.Addr) []netip.Addr) {
	t.mu.Lock()
	changed := false
	for _, e := range t.devices {
		before := e.view()
		for _, s := range e.sources {
			if s.host == host && len(s.key) > len(prefix) && s.key[:len(prefix)] == prefix {
				if now := f(s.addresses); len(now) > 0 {
					s.addresses = now[:min(len(now), maxAddresses)]
				}
			}
		}
		changed = changed || !before.equal(e.view())
	}
	t.mu.Unlock()
	if changed {
		t.changed()
	}
}

// refreshAt are the parts of a lifetime after which an announcement is asked
// for again (RFC 6762, section 5.2).
var refreshAt = [4]float64{0.80, 0.85, 0.90, 0.95}

// next returns when an announcement is to be refreshed or is over; the zero
// time if never.
func (t *table) next() (at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.devices {
		for _, s := range e.sources {
			if x := s.next(); !x.IsZero() && (at.IsZero() || x.Before(at)) {
				at = x
			}
		}
	}
	return at
}

func (s *source) next() time.Time {
	switch {
	case s.ttl == 0:
		return time.Time{}
	case s.asked < len(refreshAt):
		left := (1 - refreshAt[s.asked] + s.early) * float64(s.ttl)
		return s.expires.Add(-time.Duration(left))
	}
	return s.expires
}

// takeRefresh reports whether an announcement is to be asked for now.
func (t *table) takeRefresh(now time.Time) (ask bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.devices {
		for _, s := range e.sources {
			if s.ttl > 0 && s.asked < len(refreshAt) && !s.next().After(now) {
				s.asked++
				ask = true
			}
		}
	}
	return ask
}

// list returns the devices, sorted by name and id.
func (t *table) list() []Device {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]Device, 0, len(t.devices))
	for _, e := range t.devices {
		all = append(all, e.view())
	}
	slices.SortFunc(all, func(a, b Device) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.ID.Compare(b.ID))
	})
	return all
}

func (e *entry) view() Device {
	v := Device{ID: e.id, Name: e.name, Version: e.version, Since: e.since}
	found := map[netip.AddrPort]bool{}
	for _, s := range e.sources {
		for _, a := range s.addresses {
			found[netip.AddrPortFrom(a, s.port)] = true
		}
	}
	v.Addresses = slices.SortedFunc(maps.Keys(found), compareAddresses)
	v.Addresses = v.Addresses[:min(len(v.Addresses), maxAddresses)]
	return v
}

// compareAddresses puts IPv4 and global addresses before link-local ones, which
// depend on the names of interfaces.
func compareAddresses(a, b netip.AddrPort) int {
	local := func(x netip.AddrPort) int {
		if x.Addr().IsLinkLocalUnicast() {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(local(a), local(b)), a.Compare(b))
}
