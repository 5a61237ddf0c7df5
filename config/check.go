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

func peerName(s string) error {
	if strings.EqualFold(s, "self") {
		return fmt.Errorf("a peer cannot be named %s: that is this device's own camera", quote(s))
	}
	foreign := strings.Trim(s, lowerLetters+upperLetters+digits+"._-")
	if len(s) < 1 || len(s) > 32 || foreign != "" || strings.ContainsAny(s[:1], "._-") {
		return fmt.Errorf("a peer name must be 1 to 32 characters of a-z A-Z 0-9 . _ - "+
			"and start with a letter or digit, not %s", quote(s))
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
			"as in `vchatctl camera controls`, not %s", quote(s))
	}
	return nil
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

func listenAddress(s string) error {
	host, port, err := splitAddress(s)
	if err != nil || !portNumber(port) || host != "" && !hostName(host) {
		return mustBe(s, "HOST:PORT or :PORT with a port from 1 to 65535 and an IPv6 address in brackets, "+
			`such as ":7450" or "[::1]:7450"`)
	}
	return nil
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
	return nil
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
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, "-") != label {
			return false
		}
		if strings.ContainsFunc(label, notInHostName) {
			return false
		}
	}
	return len(s) <= 253 && strings.Trim(labels[len(labels)-1], digits) != ""
}

// notInHostName reports whether c cannot be in a host name. It accepts letters
// of all scripts: mDNS names (RFC 6762) are UTF-8.
func notInHostName(c rune) bool {
	return c != '-' && c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c) && !unicode.IsMark(c)
}
