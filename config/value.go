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

// The functions here make the set of a key: they take a value of one type out of the file.
// Text is what stands there, so that a name, an address or an id that looks like a number needs no quotes.

// string takes a text that check has nothing against. check's error follows the key: `must be …`.
func (r *reader) string(dst *string, check func(string) error) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		if s, ok := r.line(path, n); !ok {
			return
		} else if err := check(s); err != nil {
			r.fault(n, "%s %v", path, err)
		} else {
			*dst = s
		}
	}
}

// line takes a text without line ends and other control characters.
func (r *reader) line(path string, n *yaml.Node) (s string, ok bool) {
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

func (r *reader) choice(set func(string), choices ...string) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || !slices.Contains(choices, n.Value) {
			r.fault(n, "%s must be %s, not %s", path, list(choices), describe(n))
			return
		}
		set(n.Value)
	}
}

func (r *reader) boolean(dst *bool) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		if !plain(n) || n.Value != "true" && n.Value != "false" {
			r.fault(n, "%s must be true or false, not %s", path, describe(n))
			return
		}
		*dst = n.Value == "true"
	}
}

// whole takes a number of decimal digits alone: in YAML 0x1e and 036 are 30 too, which helps nobody here.
func (r *reader) whole(dst *int, least, most int) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		v, err := strconv.Atoi(n.Value)
		if !plain(n) || err != nil || strconv.Itoa(v) != n.Value || v < least || v > most {
			r.fault(n, "%s must be a whole number from %d to %d, not %s", path, least, most, describe(n))
			return
		}
		*dst = v
	}
}

func (r *reader) decimal(dst *float64, most float64, unit string) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		v, err := strconv.ParseFloat(n.Value, 64)
		digits := strings.Trim(n.Value, "0123456789.") == "" // ParseFloat takes inf, nan and 0x1p3 as well
		if !plain(n) || err != nil || !digits || v > most {
			r.fault(n, "%s must be a number from 0 to %v (%s), not %s", path, most, unit, describe(n))
			return
		}
		*dst = v
	}
}

func (r *reader) duration(dst *time.Duration, least, most time.Duration) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		v, err := time.ParseDuration(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || v < least || v > most {
			r.fault(n, "%s must be a time from %s to %s with its unit, such as 30s or 10m, not %s",
				path, short(least), short(most), describe(n))
			return
		}
		*dst = v
	}
}

// short writes a whole number of hours or seconds, or 0, as people do: 24h, not 24h0m0s.
func short(d time.Duration) string {
	if d >= time.Hour {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

func (r *reader) size(dst *Size) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		w, h, _ := strings.Cut(n.Value, "x")
		width, height := side(w), side(h)
		if n.Kind != yaml.ScalarNode || width == 0 || height == 0 {
			r.fault(n, "%s must be WIDTHxHEIGHT such as 1280x720, both even and from 16 to 8192, not %s", path, describe(n))
			return
		}
		*dst = Size{width, height}
	}
}

// side reads one side of a size, in pixels; 0 if it is none. Chroma is shared by two pixels in all formats here,
// hence even numbers only.
func side(s string) int {
	v, err := strconv.Atoi(s)
	if err != nil || strconv.Itoa(v) != s || v < 16 || v > 8192 || v%2 != 0 {
		return 0
	}
	return v
}

// controls takes any names and values: only the camera knows what it has.
func (r *reader) controls(dst map[string]string) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		r.entries(path, n, func(name string, at, value *yaml.Node) {
			if err := controlName(name); err != nil {
				r.fault(at, "%v", err)
			}
			if isNull(value) || refused(value) {
				return
			}
			if s, ok := r.line(join(path, name), value); ok {
				dst[name] = s
			}
		})
	}
}

// argv takes a command as the list of its program and arguments.
func (r *reader) argv(dst *[]string) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
			what := describe(n)
			if n.Kind == yaml.SequenceNode {
				what = "an empty list"
			}
			r.fault(n, "%s must be a list of a program and its arguments, such as [/usr/bin/logger, hello], not %s", path, what)
			return
		}
		var args []string
		for i, word := range n.Content {
			switch {
			case refused(word):
				continue
			case word.Kind != yaml.ScalarNode || isNull(word):
				r.fault(word, "%s must be a list of texts, not of %s", path, describe(word))
			case i == 0 && word.Value == "":
				r.fault(word, "%s must begin with a program, not with an empty text", path)
			case strings.Contains(word.Value, "\x00"):
				r.fault(word, "%s cannot hold NUL characters", path) // no program can be given one
			default:
				args = append(args, word.Value)
			}
		}
		*dst = args
	}
}
