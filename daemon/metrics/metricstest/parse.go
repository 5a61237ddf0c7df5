// Package metricstest reads Prometheus' text format, version 0.0.4, more strictly than Prometheus does, for tests of those who
// write it.
package metricstest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Sample is a value with its labels sorted as they stand: name{a="b",c="d"}, in which values are as they were escaped.
type Sample struct {
	Name   string
	Labels map[string]string
	Value  float64
}

// Page is what was read: samples by the text before their value, and the types of the metrics.
type Page struct {
	Samples map[string]Sample
	Types   map[string]string
}

var (
	help   = regexp.MustCompile(`^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\]|\\\\|\\n)+)$`)
	kind   = regexp.MustCompile(`^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)$`)
	sample = regexp.MustCompile(`^(([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?) (\S+)$`)
	label  = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^\\"]|\\\\|\\"|\\n)*)"(,|$)`)
)

// Parse reads a page. Each metric has one HELP, then one TYPE, then its samples, all in one place; counters end in _total and
// are not negative, others do not end so; no sample and no label of one comes twice.
func Parse(text string) (Page, error) {
	p := Page{Samples: map[string]Sample{}, Types: map[string]string{}}
	if !strings.HasSuffix(text, "\n") {
		return p, fmt.Errorf("the last line does not end")
	}
	helped, current := "", ""
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		fault := func(format string, args ...any) (Page, error) {
			return p, fmt.Errorf("line %d: %q: %s", i+1, line, fmt.Sprintf(format, args...))
		}
		if m := help.FindStringSubmatch(line); m != nil {
			if _, twice := p.Types[m[1]]; twice || helped != "" {
				return fault("a second HELP, or none of a TYPE")
			}
			helped = m[1]
			continue
		}
		if m := kind.FindStringSubmatch(line); m != nil {
			if m[1] != helped {
				return fault("a TYPE without its HELP before it")
			}
			if (m[2] == "counter") != strings.HasSuffix(m[1], "_total") {
				return fault("counters, and nothing else, end in _total")
			}
			p.Types[m[1]], current, helped = m[2], m[1], ""
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil {
			return fault("not a line of this format")
		}
		if m[2] != current || helped != "" {
			return fault("a sample outside of its metric")
		}
		labels, err := parseLabels(m[3])
		if err != nil {
			return fault("%v", err)
		}
		v, err := strconv.ParseFloat(m[4], 64)
		if err != nil || p.Types[current] == "counter" && v < 0 {
			return fault("a value that cannot be")
		}
		if _, twice := p.Samples[m[1]]; twice {
			return fault("for the second time")
		}
		p.Samples[m[1]] = Sample{Name: m[2], Labels: labels, Value: v}
	}
	if helped != "" {
		return p, fmt.Errorf("the HELP of %s has no TYPE", helped)
	}
	return p, nil
}

var unescape = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\"`, `"`)

func parseLabels(text string) (map[string]string, error) {
	labels := map[string]string{}
	for text != "" {
		m := label.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("labels at %q", text)
		}
		if _, twice := labels[m[1]]; twice {
			return nil, fmt.Errorf("label %s for the second time", m[1])
		}
		labels[m[1]] = unescape.Replace(m[2])
		text = text[len(m[0]):]
		if m[3] == "," && text == "" {
			return nil, fmt.Errorf("a comma at the end")
		}
	}
	return labels, nil
}
