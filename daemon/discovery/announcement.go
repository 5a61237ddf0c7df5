package discovery

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"vchat/daemon/identity"
	"vchat/daemon/wire"
)

// ServiceType is the DNS-SD type of the service (RFC 6763, section 7).
const ServiceType = "_vchat._tcp"

const (
	maxTXTStrings = 16 // one more is ignored, whatever it says
	maxTXTString  = 255
	maxName       = 64 // bytes of a device's name
	maxInstance   = 63 // bytes of a DNS label
)

// Own is what this device announces about itself.
type Own struct {
	ID      identity.ID
	Name    string
	Version int        // of the protocol
	Port    uint16     // 0: it does not listen, and announces nothing
	Only    netip.Addr // the only address where it listens; invalid: all
}

// txt returns the strings of the TXT record (RFC 6763, section 6).
func (o Own) txt() []string {
	return []string{
		"id=" + o.ID.String(),
		"v=" + strconv.Itoa(o.Version),
		"name=" + wire.Sanitize(o.Name, maxName),
	}
}

// instance returns the name of the service: the name of the device for people,
// and the first group of its id, so that two devices of the same name do not
// collide. attempt counts from 1.
func (o Own) instance(attempt int) string {
	suffix := "-" + group(o.ID)
	if attempt > 1 {
		suffix += "-" + strconv.Itoa(attempt)
	}
	// A dot would need an escape in the text form of a DNS name.
	name := strings.Map(func(r rune) rune {
		if r == '.' || r == '\\' || r == utf8.RuneError {
			return '-'
		}
		return r
	}, wire.Sanitize(o.Name, maxInstance-len(suffix)))
	// Replacement characters are shorter than what they replace.
	return name + suffix
}

// host returns a host name for this device alone. That of the system may belong
// to another responder here.
func (o Own) host() string { return "vchat-" + strings.ToLower(group(o.ID)) + "." + domain + "." }

// group returns the first group of an id, which ends the name of a service.
func group(id identity.ID) string { return id.String()[:5] }

// announced is what the TXT record of a device says.
type announced struct {
	id      identity.ID
	name    string // as the device calls itself; clean, may be empty
	version int    // 0: it does not say
}

var errNoID = errors.New("TXT record without an id")

// parseTXT reads the strings of a TXT record. Keys are ASCII in any case; the
// first of two counts (RFC 6763, section 6.4).
func parseTXT[S string | []byte](all []S) (a announced, err error) {
	seen := map[string]bool{}
	for _, s := range all[:min(len(all), maxTXTStrings)] {
		if len(s) > maxTXTString {
			continue
		}
		key, value, _ := strings.Cut(string(s), "=")
		key = strings.ToLower(key)
		if seen[key] {
			continue
		}
		seen[key] = true
		switch key {
		case "id":
			if a.id, err = identity.ParseID(value); err != nil {
				return announced{}, fmt.Errorf("TXT record: %w", err)
			}
		case "v":
			if v, err := strconv.ParseUint(value, 10, 16); err == nil {
				a.version = int(v)
			}
		case "name":
			a.name = strings.TrimSpace(wire.Sanitize(value, maxName))
		}
	}
	if !seen["id"] {
		return announced{}, errNoID
	}
	return a, nil
}
