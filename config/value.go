package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gopkg.in/yaml.v3"
)

// The functions of this file return the set function of a key for one type. A
// text is not interpreted by YAML's rules, so a name, address or id that looks
// like a number needs no quotes.

// string reads a text that passes check. The error of check follows the key in
// the message: `must be …`.
func (r *reader) string(dst *string, check func(string) error) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		if s, ok := r.singleLine(path, n); !ok {
			return
		} else if err := check(s); err != nil {
			r.fault(n, "%s %v", path, err)
		} else {
			*dst = s
		}
	}
}

// singleLine reads a text without control characters such as line ends.
func (r *reader) singleLine(path string, n *yaml.Node) (s string, ok bool) {
	if n.Kind != yaml.ScalarNode {
		r.fault(n, "%s must be text, not %s", path, describe(n))
		return "", false
	}
	if strings.ContainsFunc(n.Value, unicode.IsControl) {
		r.fault(n, "%s must be one line without control characters, not %s", path, quote(n.Value))
		return "", false
	}
	return n.Value, true
}

// choice reads one of several words.
func (r *reader) choice(set func(string), choices ...string) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || !slices.Contains(choices, n.Value) {
			r.fault(n, "%s must be %s, not %s", path, list(choices), describe(n))
			return
		}
		set(n.Value)
	}
}

// booleans are the words of vchatctl, and of YAML 1.1.
var booleans = map[string]bool{
	"true": true, "yes": true, "on": true,
	"false": false, "no": false, "off": false,
}

// boolean reads true or false, or another word for it in lower or upper case.
func (r *reader) boolean(dst *bool) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		v, ok := booleans[strings.ToLower(n.Value)]
		if !isUnquoted(n) || !ok {
			r.fault(n, "%s must be true or false, not %s", path, describe(n))
			return
		}
		*dst = v
	}
}

// integer reads a number of decimal digits. It rejects YAML's other forms: 0x1e
// and 036 are 30, too.
func (r *reader) integer(dst *int, minimum, maximum int) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		v, err := strconv.Atoi(n.Value)
		if !isUnquoted(n) || err != nil || strconv.Itoa(v) != n.Value || v < minimum || v > maximum {
			r.fault(n, "%s must be a whole number from %d to %d, not %s", path, minimum, maximum, describe(n))
			return
		}
		*dst = v
	}
}

// decimal reads a number with an optional fraction, from 0 to maximum.
func (r *reader) decimal(dst *float64, maximum float64, unit string) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		v, err := strconv.ParseFloat(n.Value, 64)
		digits := strings.Trim(n.Value, "0123456789.") == "" // ParseFloat accepts inf, nan and 0x1p3, too
		if !isUnquoted(n) || err != nil || !digits || v > maximum {
			r.fault(n, "%s must be a number from 0 to %v (%s), not %s", path, maximum, unit, describe(n))
			return
		}
		*dst = v
	}
}

// duration reads a time with its unit.
func (r *reader) duration(dst *time.Duration, minimum, maximum time.Duration) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		v, err := time.ParseDuration(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || v < minimum || v > maximum {
			r.fault(n, "%s must be a time from %s to %s with a unit, such as 30s or 10m, not %s",
				path, formatDuration(minimum), formatDuration(maximum), describe(n))
			return
		}
		*dst = v
	}
}

// formatDuration formats full hours as 24h instead of 24h0m0s, and other times
// in seconds.
func formatDuration(d time.Duration) string {
	if d >= time.Hour {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// maxRelays bounds the connections that wait at relays, which are one for each
// relay and peer.
const maxRelays = 8

// relays reads a list of addresses, or one.
func (r *reader) relays(dst *[]string) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		items := []*yaml.Node{n}
		switch {
		case n.Kind == yaml.SequenceNode:
			items = n.Content
		case n.Kind != yaml.ScalarNode:
			r.fault(n, "%s must be a list of HOST:PORT, such as [\"vps.example.org:4001\"], not %s", path, describe(n))
			return
		case n.Value == "":
			return // none
		}
		if len(items) > maxRelays {
			r.fault(items[maxRelays], "%s must have at most %d relays, not %d", path, maxRelays, len(items))
			return
		}
		first := map[string]int{}
		for _, item := range items {
			before := len(r.faults)
			var address string
			r.string(&address, relayAddress)(path, item)
			if len(r.faults) > before {
				continue
			}
			if line, twice := first[strings.ToLower(address)]; twice {
				r.fault(item, "%s has %s twice: first in line %d", path, quote(address), line)
				continue
			}
			first[strings.ToLower(address)] = item.Line
			*dst = append(*dst, address)
		}
	}
}

// proxy reads the URL of a proxy. Its faults do not repeat the text, which may
// have a password.
func (r *reader) proxy(dst *string) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		if n.Kind != yaml.ScalarNode {
			r.fault(n, "%s must be text, not %s", path, describe(n))
			return
		}
		if err := optional(proxyURL)(n.Value); err != nil {
			r.fault(n, "%s %v", path, err)
			return
		}
		*dst = n.Value
	}
}

// size reads WIDTHxHEIGHT.
func (r *reader) size(dst *Size) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		size, err := ParseSize(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil {
			r.fault(n, "%s must be %s, not %s", path, frameSize, describe(n))
			return
		}
		*dst = size
	}
}

// side parses one side of a size in pixels; 0 if it is invalid. It must be
// even, because two pixels share their chroma.
func side(s string) int {
	v, err := strconv.Atoi(s)
	if err != nil || strconv.Itoa(v) != s || v < 16 || v > 8192 || v%2 != 0 {
		return 0
	}
	return v
}

// controls reads names and values of controls. Only the camera can check them.
func (r *reader) controls(dst map[string]string) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		r.entries(path, n, func(name string, at, value *yaml.Node) {
			if value.Kind == yaml.MappingNode && isTopLevel(name) {
				r.topLevelFault(path, at)
				return
			}
			if err := controlName(name); err != nil {
				r.fault(at, "%v", err)
			}
			if isNull(value) || isRefused(value) {
				return
			}
			if s, ok := r.singleLine(join(path, name), value); ok {
				dst[name] = s
			}
		})
	}
}

// argv reads a command as a list of a program and its arguments. The program
// has an absolute path: PATH is another one under systemd.
func (r *reader) argv(dst *[]string) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
			what := describe(n)
			if n.Kind == yaml.SequenceNode {
				what = "an empty list"
			}
			r.fault(n, "%s must be a list of a program and its arguments, such as [/usr/bin/logger, hello], not %s",
				path, what)
			return
		}
		var args []string
		for i, word := range n.Content {
			switch {
			case isRefused(word):
				continue
			case word.Kind != yaml.ScalarNode || isNull(word):
				r.fault(word, "%s must contain only texts, not %s", path, describe(word))
			case strings.Contains(word.Value, "\x00"):
				r.fault(word, "%s cannot contain NUL characters", path) // argv strings end at a NUL
			case i == 0 && !strings.HasPrefix(word.Value, "/"):
				r.fault(word, "%s must start with the absolute path of a program, such as /usr/bin/logger, not %s",
					path, quote(word.Value))
			default:
				args = append(args, word.Value)
			}
		}
		*dst = args
	}
}
