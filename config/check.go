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

// not makes the error of a text that is not what it must be.
func not(s, must string) error {
	return fmt.Errorf("must be %s, not %s", must, quote(s))
}

// optional lets the empty text pass, which then means "none".
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
		return not(s, "1 to 64 printable characters without blanks at the ends")
	}
	return nil
}

func peerName(s string) error {
	if strings.EqualFold(s, "self") {
		return fmt.Errorf("a peer cannot be called %s: that means this device's own camera", quote(s))
	}
	if len(s) < 1 || len(s) > 32 || strings.Trim(s, lower+upper+digits+"._-") != "" || strings.ContainsAny(s[:1], "._-") {
		return fmt.Errorf("a peer's name must be 1 to 32 characters of a-z A-Z 0-9 . _ - and begin with a letter or digit, not %s", quote(s))
	}
	return nil
}

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

func controlName(s string) error {
	if s == "" || len(s) > 64 || strings.Trim(s, lower+digits+"_") != "" {
		return fmt.Errorf("a control's name must be of a-z 0-9 _ as `vchatctl camera controls` shows it, not %s", quote(s))
	}
	return nil
}

func groupName(s string) error {
	// 32: what groupadd takes at most.
	if len(s) > 32 || strings.Trim(s, lower+upper+digits+"._-") != "" || s[0] == '-' {
		return not(s, "the name of a group")
	}
	return nil
}

func absolutePath(s string) error {
	if !strings.HasPrefix(s, "/") {
		return not(s, `an absolute path (it begins with "/")`)
	}
	return nil
}

func socketPath(s string) error {
	if err := absolutePath(s); err != nil {
		return err
	}
	// unix(7): sun_path has 108 bytes with the NUL at its end.
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
	return not(s, "auto, an absolute path such as /dev/video0, test, file:PATH or exec:COMMAND")
}

func listenAddress(s string) error {
	host, port, err := splitAddress(s)
	if err != nil || !portNumber(port) || host != "" && !hostName(host) {
		return not(s, `HOST:PORT or :PORT with a port from 1 to 65535 and an IPv6 address in brackets, such as ":7450" or "[::1]:7450"`)
	}
	return nil
}

func peerAddress(s string) error {
	host, port, err := splitAddress(s)
	if err != nil && !strings.ContainsAny(s, ":[]") && hostName(s) {
		return fmt.Errorf("must have a port, such as %s:7450, not %s alone", s, quote(s))
	}
	if err != nil || !portNumber(port) || !hostName(host) {
		return not(s, `HOST:PORT with a port from 1 to 65535 and an IPv6 address in brackets, such as workshop.local:7450 or "[fe80::1%eth0]:7450"`)
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

// hostName takes IP addresses and names. A name whose last part is a number is an IPv4 address with an error in it.
func hostName(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, "-") != label || strings.ContainsFunc(label, notInHostName) {
			return false
		}
	}
	return len(s) <= 253 && strings.Trim(labels[len(labels)-1], digits) != ""
}

// notInHostName lets letters of every script pass: names on the local network (RFC 6762) are UTF-8.
func notInHostName(c rune) bool {
	return c != '-' && c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c) && !unicode.IsMark(c)
}
