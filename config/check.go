package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"vchat/daemon/socks"
)

// mustBe returns the error for a text without the required form.
func mustBe(s, form string) error {
	return fmt.Errorf("must be %s, not %s", form, quote(s))
}

// optional accepts the empty text, which means "none", and calls check for
// others.
func optional(check func(string) error) func(string) error {
	return func(s string) error {
		if s == "" {
			return nil
		}
		return check(s)
	}
}

func deviceName(s string) error {
	n := utf8.RuneCountInString(s)
	unprintable := func(c rune) bool { return !unicode.IsPrint(c) }
	if n < 1 || n > 64 || strings.ContainsFunc(s, unprintable) || strings.TrimSpace(s) != s {
		return mustBe(s, "1 to 64 printable characters without leading or trailing blanks")
	}
	return nil
}

// CheckPeerName returns an error, with what is allowed, if s cannot be the name
// of a peer.
func CheckPeerName(s string) error { return peerName(s) }

// CheckPeerAddress returns an error, with what is allowed, if s cannot be the
// address of a peer.
func CheckPeerAddress(s string) error { return peerAddress(s) }

// CheckMaxBitrate returns an error, with what is allowed, if v cannot be the
// limit of the video sent to a peer, in Mbit/s.
func CheckMaxBitrate(v float64) error {
	if !(v >= 0 && v <= maxBitrate) { // also NaN
		return fmt.Errorf("must be a number from 0 to %d (Mbit/s), not %v", maxBitrate, v)
	}
	return nil
}

// CheckPeerProxy returns an error, with what is allowed, if url cannot be the
// proxy of a peer. It does not repeat the URL, which may have a password.
func CheckPeerProxy(url string) error { return proxyURL(url) }

const maxBitrate = 100_000 // Mbit/s

// CheckControl returns an error, with what is allowed, if s cannot be the name
// of a control of a camera.
func CheckControl(s string) error { return controlName(s) }

// ParseSize parses a frame size such as 1280x720. Its error has what is
// allowed.
func ParseSize(s string) (Size, error) {
	w, h, _ := strings.Cut(s, "x")
	if size := (Size{side(w), side(h)}); size.Width > 0 && size.Height > 0 {
		return size, nil
	}
	return Size{}, fmt.Errorf("must be %s, not %s", frameSize, quote(s))
}

const frameSize = "WIDTHxHEIGHT such as 1280x720, both even and from 16 to 8192"

// MaxFPS is the highest frame rate of a camera that can be configured.
const MaxFPS = 240

// PeerNameOf returns the valid peer name that is most similar to s, such as the
// name that a device has given itself; "" if there is none.
func PeerNameOf(s string) string { return peerNameOf(s) }

func peerName(s string) error {
	if strings.EqualFold(s, "self") {
		return fmt.Errorf("a peer cannot be named %s: that is this device's own camera", quote(s))
	}
	foreign := strings.Trim(s, lowerLetters+upperLetters+digits+"._-")
	if len(s) < 1 || len(s) > 32 || foreign != "" || strings.ContainsAny(s[:1], "._-") {
		return fmt.Errorf("a peer name must be 1 to 32 characters of a-z A-Z 0-9 . _ - "+
			"and start with a letter or digit, not %s%s", quote(s), didYouMean(peerNameOf(s)))
	}
	return nil
}

const (
	lowerLetters = "abcdefghijklmnopqrstuvwxyz"
	upperLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits       = "0123456789"
)

func controlName(s string) error {
	if s == "" || len(s) > 64 || strings.Trim(s, lowerLetters+digits+"_") != "" {
		return fmt.Errorf("a control name must be 1 to 64 characters of a-z 0-9 _ "+
			"as in `vchatctl camera controls`, not %s%s", quote(s), didYouMean(controlNameOf(s)))
	}
	return nil
}

// peerNameOf returns the valid name that is most similar to s; "" if there is
// none.
func peerNameOf(s string) string {
	s = strings.TrimLeft(replaceRuns(s, lowerLetters+upperLetters+digits+"._-", "-"), "._-")
	if len(s) > 32 || strings.EqualFold(s, "self") {
		return ""
	}
	return s
}

// controlNameOf is peerNameOf for the name of a control. The driver's own
// names, such as "Power Line Frequency", become those of v4l2-ctl.
func controlNameOf(s string) string {
	s = strings.Trim(replaceRuns(strings.ToLower(s), lowerLetters+digits, "_"), "_")
	if len(s) > 64 {
		return ""
	}
	return s
}

// replaceRuns replaces each run of other characters than those of allowed. It
// returns "" for letters of other scripts: they have no replacement.
func replaceRuns(s, allowed, with string) string {
	var b strings.Builder
	inRun := false
	for _, c := range s {
		switch {
		case strings.ContainsRune(allowed, c):
			b.WriteRune(c)
			inRun = false
		case unicode.IsLetter(c) || !unicode.IsPrint(c):
			return ""
		case !inRun:
			b.WriteString(with)
			inRun = true
		}
	}
	return strings.TrimRight(b.String(), with)
}

// didYouMean returns the end of a message with a suggestion; "" without one.
func didYouMean(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", s)
}

func groupName(s string) error {
	// 32 is the limit of groupadd.
	if len(s) > 32 || strings.Trim(s, lowerLetters+upperLetters+digits+"._-") != "" || s[0] == '-' {
		return mustBe(s, "the name of a group")
	}
	return nil
}

func absolutePath(s string) error {
	if !strings.HasPrefix(s, "/") {
		return mustBe(s, `an absolute path, starting with "/"`)
	}
	return nil
}

func socketPath(s string) error {
	if err := absolutePath(s); err != nil {
		return err
	}
	// unix(7): sun_path has 108 bytes with the final NUL.
	if len(s) > 107 {
		return fmt.Errorf("must be at most 107 bytes long, not %d", len(s))
	}
	return nil
}

func cameraDevice(s string) error {
	kind, rest, _ := strings.Cut(s, ":")
	switch {
	case s == "auto", s == "test", len(s) > 1 && s[0] == '/':
		return nil
	case (kind == "file" || kind == "exec") && strings.TrimSpace(rest) != "":
		return nil
	}
	return mustBe(s, "auto, an absolute path such as /dev/video0, test, file:PATH or exec:COMMAND")
}

// listenAddress returns the check of an address to listen on. The error has the
// example.
func listenAddress(example string) func(string) error {
	return func(s string) error {
		host, port, err := splitAddress(s)
		if err != nil || !portNumber(port) || host != "" && !hostName(host) {
			return mustBe(s, "HOST:PORT or :PORT with a port from 1 to 65535 and an IPv6 address in brackets, "+
				"such as "+example)
		}
		return needsZone(host, port)
	}
}

func peerAddress(s string) error {
	host, port, err := splitAddress(s)
	if err != nil && !strings.ContainsAny(s, ":[]") && hostName(s) {
		return fmt.Errorf("must include a port, such as %s:7450, not only %s", s, quote(s))
	}
	if err != nil || !portNumber(port) || !hostName(host) {
		return mustBe(s, "HOST:PORT with a port from 1 to 65535 and an IPv6 address in brackets, "+
			`such as workshop.local:7450 or "[fe80::1%eth0]:7450"`)
	}
	return needsZone(host, port)
}

func relayAddress(s string) error {
	host, port, err := splitAddress(s)
	if err != nil && !strings.ContainsAny(s, ":[]") && hostName(s) {
		return fmt.Errorf("must include a port, such as %s:4001, not only %s", s, quote(s))
	}
	if err != nil || !portNumber(port) || !hostName(host) {
		return mustBe(s, "HOST:PORT with a port from 1 to 65535 and an IPv6 address in brackets, "+
			`such as vps.example.org:4001 or "[2001:db8::7]:4001"`)
	}
	return needsZone(host, port)
}

// proxyURL checks the URL of a SOCKS5 proxy. Its error does not repeat the URL:
// that has a password.
func proxyURL(s string) error {
	const form = "must be socks5://HOST:PORT or socks5://USER:PASSWORD@HOST:PORT, " +
		`such as "socks5://127.0.0.1:9050"`
	p, err := socks.Parse(s)
	if err != nil {
		return errors.New(form)
	}
	host, port, err := splitAddress(p.Address())
	if err != nil || !portNumber(port) || !hostName(host) {
		return errors.New(form)
	}
	return needsZone(host, port)
}

// needsZone returns an error for a link-local IPv6 address without a zone. Such
// an address is the same on every interface, so connect(2) and bind(2) fail
// with EINVAL.
func needsZone(host, port string) error {
	a, err := netip.ParseAddr(host)
	if err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" ||
		!a.IsLinkLocalUnicast() && !a.IsLinkLocalMulticast() && !a.IsInterfaceLocalMulticast() {
		return nil
	}
	return fmt.Errorf("must name the network interface: %s needs a zone, such as \"[%s%%eth0]:%s\"", host, host, port)
}

func splitAddress(s string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(s)
	if err == nil && strings.HasPrefix(s, "[") != strings.Contains(host, ":") {
		err = errors.New("brackets are for IPv6 addresses")
	}
	return host, port, err
}

func portNumber(s string) bool {
	v, err := strconv.Atoi(s)
	return err == nil && strconv.Itoa(v) == s && v >= 1 && v <= 65535
}

// hostName reports whether s is an IP address or a valid name. It rejects names
// that end in a number: they are mistyped IPv4 addresses.
func hostName(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	ascii, err := international.ToASCII(s)
	if err != nil {
		return false
	}
	labels := strings.Split(strings.TrimSuffix(ascii, "."), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, "-") != label ||
			strings.Trim(label, lowerLetters+upperLetters+digits+"-_") != "" {
			return false
		}
	}
	return len(ascii) <= 253 && strings.Trim(labels[len(labels)-1], digits) != ""
}

// international converts names with letters of other scripts to those of DNS
// (RFC 5891), as package resolve does. It accepts "_", which host names of
// devices have.
var international = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false),
	idna.StrictDomainName(false))
