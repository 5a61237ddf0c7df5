package discovery

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	answerDelay    = 120 * time.Millisecond // at most, so that devices do not answer at once (RFC 6762, section 6)
	answerInterval = time.Second            // between two answers on an interface (the same)
	defendInterval = 250 * time.Millisecond // for a device that probes
	queryInterval  = time.Second            // between two queries on an interface
	firstSilence   = 4 * time.Second        // after the steps until the next query; it doubles
	maxSilence     = 5 * time.Minute        // between two queries at most
	renameInterval = 5 * time.Second        // between two conflicts that count
	maxRenames     = 8                      // a device that takes every name cannot be escaped
	maxMissing     = 4                      // services and hosts in one query for what is missing
	maxPerSource   = 20                     // packets a second of one address
	maxPerSecond   = 200                    // packets a second of all
)

// act is what is done at a step.
type act uint8

const (
	probe act = 1 << iota
	announce
	ask
)

// steps is what happens on an interface that has come up (RFC 6762, sections
// 5.2, 8.1 and 8.3). After the last step the responder answers, refreshes what
// it has found, and asks once in a while: a wireless network loses packets.
var steps = []struct {
	after time.Duration // the step before
	do    act
}{
	{0, probe | ask},
	{250 * time.Millisecond, probe},
	{250 * time.Millisecond, probe},
	{250 * time.Millisecond, announce | ask},
	{time.Second, announce},
	{2 * time.Second, ask},
}

const announceStep = 3 // of steps, the first one with announce

// responder is mDNS without sockets and clocks: packets and times go in,
// packets come out. It is not safe for concurrent use.
//
//	setInterfaces ──┐                        ┌─▶ packets to send
//	onPacket ───────┼─▶ responder ── run ────┤
//	due ◀───────────┘       │                └─▶ table of devices
type responder struct {
	own       Own
	table     *table
	nets      map[int]*network // by the index of the interface
	attempt   int              // of the instance name
	renamedAt time.Time
	budget    packetBudget
}

// network is the state on one interface.
type network struct {
	netInterface
	step       int       // the next one
	stepAt     time.Time //
	answerAt   time.Time // zero: there was no question
	answeredAt time.Time
	queryAt    time.Time     // zero: nothing to ask
	queriedAt  time.Time     // by this device or another one
	silence    time.Duration // from queriedAt to the next query
	instances  []string      // to ask for
	hosts      []string      // to ask for
}

// packet is one to send on an interface.
type packet struct {
	index int
	bytes []byte
}

func newResponder(own Own, t *table) *responder {
	return &responder{own: own, table: t, nets: map[int]*network{}, attempt: 1}
}

// setInterfaces starts on new interfaces, and announces new addresses on those
// that have changed.
func (r *responder) setInterfaces(now time.Time, all []netInterface) {
	gone := r.nets
	r.nets = map[int]*network{}
	for _, i := range all {
		n := gone[i.index]
		delete(gone, i.index)
		switch {
		case n == nil || n.name != i.name:
			n = &network{stepAt: now.Add(jitter(answerDelay)), silence: firstSilence}
		case !slices.Equal(n.prefixes, i.prefixes):
			n.step, n.stepAt = min(n.step, announceStep), now.Add(jitter(answerDelay))
		}
		n.netInterface = i
		r.nets[i.index] = n
	}
	for index := range gone {
		prefix := keyPrefix(index)
		r.table.removeFunc(func(s *source) bool { return strings.HasPrefix(s.key, prefix) })
	}
}

func jitter(most time.Duration) time.Duration { return most/6 + rand.N(most*5/6) }

// keyPrefix begins the keys of the sources on an interface.
func keyPrefix(index int) string { return fmt.Sprintf("%d/", index) }

// onPacket handles a packet that has arrived on an interface.
func (r *responder) onPacket(now time.Time, index int, from netip.AddrPort, b []byte) {
	n := r.nets[index]
	if n == nil || from.Port() != port || !r.budget.take(now, from.Addr()) {
		return
	}
	m, err := parseMessage(b)
	switch {
	case err != nil:
	case m.response:
		r.onResponse(now, n, from.Addr(), m)
	default:
		if len(m.pointers) == 0 && slices.Contains(m.questions, question{serviceName, dnsmessage.TypePTR}) {
			n.queriedAt = now // the answers go to all (RFC 6762, section 7.3)
		}
		if r.own.Port != 0 {
			r.onQuery(now, n, m)
		}
	}
}

// onQuery plans an answer, always with all records, to everybody: it is as
// small as a part of them.
func (r *responder) onQuery(now time.Time, n *network, m message) {
	instance, host := strings.ToLower(r.own.instance(r.attempt)+"."+serviceName), r.own.host()
	for _, q := range m.questions {
		wait, least := jitter(answerDelay), answerInterval
		switch q.name {
		case serviceName:
			if m.pointers[instance] > serviceTTL*time.Second/2 {
				continue // known there
			}
		case enumerateName:
		case instance, host:
			if wait = 0; q.kind == dnsmessage.TypeALL {
				least = defendInterval
			}
		default:
			continue
		}
		at := latest(now.Add(wait), n.answeredAt.Add(least))
		if n.answerAt.IsZero() || at.Before(n.answerAt) {
			n.answerAt = at
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// onResponse reads announcements.
func (r *responder) onResponse(now time.Time, n *network, from netip.Addr, m message) {
	r.checkConflict(now, m)
	prefix := keyPrefix(n.index)
	for host, h := range m.hosts {
		r.readdress(n, prefix, host, h)
	}
	for instance, ttl := range m.pointers {
		if ttl == 0 && r.table.goodbye(now, prefix+instance) {
			n.wantQuery(now, "", "")
		}
		if ttl > 0 && m.services[instance] == nil && !r.isOwn(instance) {
			n.wantQuery(now, instance, "")
		}
	}
	for instance, s := range m.services {
		switch key := prefix + instance; {
		case r.isOwn(instance):
		case s.host == "": // a TXT record alone
		case s.ttl == 0:
			if r.table.goodbye(now, key) {
				n.wantQuery(now, "", "")
			}
		case s.txt == nil:
			n.wantQuery(now, instance, s.host)
		default:
			a, err := parseTXT(s.txt)
			if err != nil {
				continue
			}
			r.table.put(now, a, source{key: key, host: s.host, port: s.port, ttl: s.ttl,
				addresses: n.addressesOf(m.hosts[s.host], from)})
			if m.hosts[s.host] == nil {
				n.wantQuery(now, "", s.host)
			}
		}
	}
}

func (r *responder) isOwn(instance string) bool {
	return r.own.Port != 0 && instance == strings.ToLower(r.own.instance(r.attempt)+"."+serviceName)
}

// addressesOf returns the acceptable addresses of a host; that of the packet if
// the packet has none.
func (i netInterface) addressesOf(h *hostRecords, from netip.Addr) (all []netip.Addr) {
	if h == nil {
		h = &hostRecords{addresses: []netip.Addr{from}}
	}
	for _, a := range h.addresses {
		if a, ok := i.accept(a); ok && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// readdress applies a packet with the addresses of a host alone: they have
// changed.
func (r *responder) readdress(n *network, prefix, host string, h *hostRecords) {
	fresh := n.addressesOf(h, netip.Addr{})
	gone := n.addressesOf(&hostRecords{addresses: h.gone}, netip.Addr{})
	r.table.readdress(prefix, host, func(old []netip.Addr) []netip.Addr {
		all := slices.Clone(fresh)
		for _, a := range old {
			replaced := slices.ContainsFunc(fresh, func(f netip.Addr) bool { return f.Is4() == a.Is4() })
			if !replaced && !slices.Contains(gone, a) {
				all = append(all, a)
			}
		}
		return all
	})
}

// checkConflict renames the service if another device has its name (RFC 6762,
// section 9). The host name contains a part of the id, and is kept.
func (r *responder) checkConflict(now time.Time, m message) {
	for instance, s := range m.services {
		if !r.isOwn(instance) || s.host == "" || s.ttl == 0 || s.host == r.own.host() && s.port == r.own.Port {
			continue
		}
		if now.Sub(r.renamedAt) < renameInterval || r.attempt > maxRenames {
			return
		}
		r.attempt++
		r.renamedAt = now
		for _, n := range r.nets {
			n.step, n.stepAt, n.answerAt = 0, now.Add(jitter(answerDelay)), time.Time{}
		}
		return
	}
}

// wantQuery plans a query, and notes what is missing.
func (n *network) wantQuery(now time.Time, instance, host string) {
	if instance != "" && len(n.instances) < maxMissing && !slices.Contains(n.instances, instance) {
		n.instances = append(n.instances, instance)
	}
	if host != "" && len(n.hosts) < maxMissing && !slices.Contains(n.hosts, host) {
		n.hosts = append(n.hosts, host)
	}
	if n.queryAt.IsZero() {
		n.queryAt = latest(now.Add(jitter(answerDelay)), n.queriedAt.Add(queryInterval))
	}
}

// due returns when run has something to do; the zero time if never.
func (r *responder) due() time.Time {
	at := r.table.next()
	earlier := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for _, n := range r.nets {
		if n.step < len(steps) {
			earlier(n.stepAt)
		} else {
			earlier(n.queriedAt.Add(n.silence))
		}
		earlier(n.answerAt)
		earlier(n.queryAt)
	}
	return at
}

// run returns the packets to send now.
func (r *responder) run(now time.Time) (out []packet) {
	r.table.expire(now)
	if r.table.takeRefresh(now) {
		for _, n := range r.nets {
			n.wantQuery(now, "", "")
		}
	}
	for _, n := range r.nets {
		var do act
		if n.step < len(steps) && !n.stepAt.After(now) {
			do = steps[n.step].do
			if n.step++; n.step < len(steps) {
				n.stepAt = now.Add(steps[n.step].after)
			}
		}
		if isDue(n.answerAt, now) {
			n.answerAt = time.Time{}
			if n.step > announceStep { // not while it probes
				do |= announce
			}
		}
		if n.step == len(steps) && isDue(n.queriedAt.Add(n.silence), now) {
			do |= ask
			n.silence = min(2*n.silence, maxSilence)
		}
		if isDue(n.queryAt, now) {
			do |= ask
		}
		out = append(out, r.packets(now, n, do)...)
	}
	return out
}

func isDue(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }

func (r *responder) packets(now time.Time, n *network, do act) (out []packet) {
	add := func(b []byte, err error) {
		if err == nil { // it cannot fail: the names are ours, or were in a packet
			out = append(out, packet{n.index, b})
		}
	}
	if mine, ok := r.records(n); ok {
		if do&probe != 0 {
			add(mine.probe())
		}
		if do&announce != 0 {
			add(mine.response(false))
			n.answeredAt = now
		}
	}
	if do&ask != 0 {
		add(query(n.instances, n.hosts))
		n.queriedAt, n.queryAt, n.instances, n.hosts = now, time.Time{}, nil, nil
	}
	return out
}

// records returns what this device announces on an interface, if anything.
func (r *responder) records(n *network) (x records, ok bool) {
	x = records{instance: r.own.instance(r.attempt), host: r.own.host(), port: r.own.Port, txt: r.own.txt()}
	for _, p := range n.prefixes {
		a := p.Addr().WithZone("")
		if len(x.addresses) < maxAddresses && (!r.own.Only.IsValid() || r.own.Only == a) {
			x.addresses = append(x.addresses, a)
		}
	}
	return x, r.own.Port != 0 && len(x.addresses) > 0
}

// goodbye returns the packets to send at the end.
func (r *responder) goodbye() (out []packet) {
	for _, n := range r.nets {
		mine, ok := r.records(n)
		if !ok || n.step <= announceStep {
			continue
		}
		if b, err := mine.response(true); err == nil {
			out = append(out, packet{n.index, b})
		}
	}
	return out
}

// packetBudget limits the packets that are parsed: those of one address, so
// that it does not drown the others, and all of them.
type packetBudget struct {
	second time.Time
	all    int
	of     map[netip.Addr]int
}

func (b *packetBudget) take(now time.Time, from netip.Addr) bool {
	if b.of == nil || now.Sub(b.second) >= time.Second || now.Before(b.second) {
		b.second, b.all, b.of = now, 0, map[netip.Addr]int{}
	}
	if b.all >= maxPerSecond || b.of[from] >= maxPerSource {
		return false
	}
	b.all++
	b.of[from]++
	return true
}
