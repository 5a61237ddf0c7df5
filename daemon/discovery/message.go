package discovery

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	domain         = "local"
	serviceName    = ServiceType + "." + domain + "."
	enumerateName  = "_services._dns-sd._udp." + domain + "." // RFC 6763, section 9
	maxPacket      = 9000                                     // RFC 6762, section 17
	maxRecords     = 256                                      // of a packet; the rest is ignored
	maxServices    = 16                                       // of ours in a packet
	maxHosts       = 16                                       // in a packet
	cacheFlush     = 1 << 15                                  // RFC 6762, section 10.2
	hostTTL        = 120                                      // seconds; RFC 6762, section 10
	serviceTTL     = 4500                                     // seconds; the same
	maxHostRecords = 16                                       // addresses of a host in a packet
)

// message is what matters of an mDNS packet. Names are in lower case.
type message struct {
	response  bool
	questions []question
	pointers  map[string]time.Duration // instances of our type, with their TTL
	services  map[string]*service      // by instance
	hosts     map[string]*hostRecords
}

type question struct {
	name string
	kind dnsmessage.Type
}

// service is the SRV and the TXT record of an instance.
type service struct {
	host string // "": no SRV record
	port uint16
	ttl  time.Duration
	txt  []string // nil: no TXT record
}

// hostRecords are the addresses of a host.
type hostRecords struct {
	addresses []netip.Addr
	gone      []netip.Addr // with a TTL of 0
}

var errOpcode = errors.New("not an mDNS query or response")

// parseMessage parses a packet. It skips records that it cannot read, such as
// those with a dot within a label, which other services may have.
func parseMessage(packet []byte) (m message, err error) {
	if len(packet) > maxPacket {
		return m, fmt.Errorf("%d bytes are too long", len(packet))
	}
	var p dnsmessage.Parser
	h, err := p.Start(packet)
	if err != nil {
		return m, err
	}
	if h.OpCode != 0 || h.RCode != 0 { // RFC 6762, section 18
		return m, errOpcode
	}
	m = message{response: h.Response, pointers: map[string]time.Duration{}, services: map[string]*service{},
		hosts: map[string]*hostRecords{}}
	if err := m.readQuestions(&p); err != nil {
		return m, err
	}
	sections := []struct {
		header func() (dnsmessage.ResourceHeader, error)
		skip   func() error
	}{
		{p.AnswerHeader, p.SkipAnswer},
		{p.AuthorityHeader, p.SkipAuthority},
		{p.AdditionalHeader, p.SkipAdditional},
	}
	if !m.response {
		sections = sections[:1] // the answers that are known there
	}
	records := 0
	for _, s := range sections {
		for {
			h, err := s.header()
			if errors.Is(err, dnsmessage.ErrSectionDone) {
				break
			}
			if records++; records > maxRecords {
				return m, nil
			}
			if err == nil && m.readRecord(&p, h) {
				continue
			}
			if err := s.skip(); err != nil {
				return m, err
			}
		}
	}
	return m, nil
}

func (m *message) readQuestions(p *dnsmessage.Parser) error {
	for {
		q, err := p.Question()
		switch {
		case errors.Is(err, dnsmessage.ErrSectionDone):
			return nil
		case err != nil:
			if err := p.SkipQuestion(); err != nil {
				return err
			}
		case len(m.questions) < maxRecords:
			m.questions = append(m.questions, question{lower(q.Name), q.Type})
		}
	}
}

func lower(n dnsmessage.Name) string { return strings.ToLower(n.String()) }

// readRecord reads a record. It returns false for one that is to be skipped.
func (m *message) readRecord(p *dnsmessage.Parser, h dnsmessage.ResourceHeader) bool {
	if h.Class&^cacheFlush != dnsmessage.ClassINET {
		return false
	}
	name, ttl := lower(h.Name), time.Duration(h.TTL)*time.Second
	switch h.Type {
	case dnsmessage.TypePTR:
		r, err := p.PTRResource()
		if err != nil {
			return false
		}
		if instance := lower(r.PTR); name == serviceName && isInstance(instance) && len(m.pointers) < maxServices {
			m.pointers[instance] = ttl
		}
	case dnsmessage.TypeSRV:
		r, err := p.SRVResource()
		if err != nil {
			return false
		}
		if s := m.service(name); s != nil {
			s.host, s.port, s.ttl = lower(r.Target), r.Port, ttl
		}
	case dnsmessage.TypeTXT:
		r, err := p.TXTResource()
		if err != nil {
			return false
		}
		if s := m.service(name); s != nil && ttl > 0 {
			s.txt = r.TXT[:min(len(r.TXT), maxTXTStrings)]
		}
	case dnsmessage.TypeA:
		r, err := p.AResource()
		if err != nil {
			return false
		}
		m.address(name, netip.AddrFrom4(r.A), ttl)
	case dnsmessage.TypeAAAA:
		r, err := p.AAAAResource()
		if err != nil {
			return false
		}
		m.address(name, netip.AddrFrom16(r.AAAA), ttl)
	default:
		return false
	}
	return true
}

func isInstance(name string) bool { return strings.HasSuffix(name, "."+serviceName) }

// service returns the service to fill for an instance; nil: none.
func (m *message) service(name string) *service {
	s := m.services[name]
	if s == nil && isInstance(name) && len(m.services) < maxServices {
		s = &service{}
		m.services[name] = s
	}
	return s
}

func (m *message) address(host string, a netip.Addr, ttl time.Duration) {
	h := m.hosts[host]
	if h == nil {
		if len(m.hosts) == maxHosts {
			return
		}
		h = &hostRecords{}
		m.hosts[host] = h
	}
	switch {
	case len(h.addresses)+len(h.gone) == maxHostRecords:
	case ttl == 0:
		h.gone = append(h.gone, a)
	default:
		h.addresses = append(h.addresses, a)
	}
}

// records are those of this device on one interface.
type records struct {
	instance  string // a label
	host      string
	port      uint16
	txt       []string
	addresses []netip.Addr
}

// response returns the packet with all records; goodbye: with a TTL of 0.
func (r records) response(goodbye bool) ([]byte, error) {
	b := newBuilder(dnsmessage.Header{Response: true, Authoritative: true})
	if err := b.StartAnswers(); err != nil {
		return nil, err
	}
	ttl := func(seconds uint32) uint32 {
		if goodbye {
			return 0
		}
		return seconds
	}
	instance := r.instance + "." + serviceName
	errs := []error{
		b.pointer(serviceName, instance, ttl(serviceTTL)),
		b.service(instance, r.host, r.port, ttl(hostTTL)),
		b.text(instance, r.txt, ttl(serviceTTL)),
	}
	for _, a := range r.addresses {
		errs = append(errs, b.address(r.host, a, ttl(hostTTL)))
	}
	if !goodbye { // others may have such services, too
		errs = append(errs, b.pointer(enumerateName, serviceName, serviceTTL))
	}
	return b.finish(errs)
}

// probe returns the packet that asks whether another device has the names of
// this one (RFC 6762, section 8.1).
func (r records) probe() ([]byte, error) {
	b := newBuilder(dnsmessage.Header{})
	instance := r.instance + "." + serviceName
	errs := []error{b.StartQuestions()}
	for _, name := range []string{instance, r.host} {
		errs = append(errs, b.question(name, dnsmessage.TypeALL))
	}
	errs = append(errs, b.StartAuthorities(), b.service(instance, r.host, r.port, hostTTL))
	for _, a := range r.addresses {
		errs = append(errs, b.address(r.host, a, hostTTL))
	}
	return b.finish(errs)
}

// query returns the packet that asks for all services, and for what is missing
// of some.
func query(instances, hosts []string) ([]byte, error) {
	b := newBuilder(dnsmessage.Header{})
	errs := []error{b.StartQuestions(), b.question(serviceName, dnsmessage.TypePTR)}
	for _, i := range instances {
		errs = append(errs, b.question(i, dnsmessage.TypeSRV), b.question(i, dnsmessage.TypeTXT))
	}
	for _, h := range hosts {
		errs = append(errs, b.question(h, dnsmessage.TypeA), b.question(h, dnsmessage.TypeAAAA))
	}
	return b.finish(errs)
}

// builder builds a packet.
type builder struct {
	dnsmessage.Builder
	unique dnsmessage.Class // of a record that no other device has
}

func newBuilder(h dnsmessage.Header) *builder {
	b := &builder{dnsmessage.NewBuilder(nil, h), dnsmessage.ClassINET}
	if h.Response { // RFC 6762, section 10.2
		b.unique |= cacheFlush
	}
	b.EnableCompression()
	return b
}

func (b *builder) finish(errs []error) ([]byte, error) {
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return b.Finish()
}

func (b *builder) question(name string, kind dnsmessage.Type) error {
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return err
	}
	return b.Question(dnsmessage.Question{Name: n, Type: kind, Class: dnsmessage.ClassINET})
}

func header(name string, class dnsmessage.Class, ttl uint32) (dnsmessage.ResourceHeader, error) {
	n, err := dnsmessage.NewName(name)
	return dnsmessage.ResourceHeader{Name: n, Class: class, TTL: ttl}, err
}

func (b *builder) pointer(name, to string, ttl uint32) error {
	h, err := header(name, dnsmessage.ClassINET, ttl)
	n, err2 := dnsmessage.NewName(to)
	return errors.Join(err, err2, b.PTRResource(h, dnsmessage.PTRResource{PTR: n}))
}

func (b *builder) service(name, host string, port uint16, ttl uint32) error {
	h, err := header(name, b.unique, ttl)
	n, err2 := dnsmessage.NewName(host)
	return errors.Join(err, err2, b.SRVResource(h, dnsmessage.SRVResource{Target: n, Port: port}))
}

func (b *builder) text(name string, txt []string, ttl uint32) error {
	h, err := header(name, b.unique, ttl)
	return errors.Join(err, b.TXTResource(h, dnsmessage.TXTResource{TXT: txt}))
}

func (b *builder) address(name string, a netip.Addr, ttl uint32) error {
	h, err := header(name, b.unique, ttl)
	if err != nil {
		return err
	}
	if a.Is4() {
		return b.AResource(h, dnsmessage.AResource{A: a.As4()})
	}
	return b.AAAAResource(h, dnsmessage.AAAAResource{AAAA: a.As16()})
}
