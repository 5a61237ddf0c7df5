// Package metricstest parses the Prometheus text format, version 0.0.4, for
// tests. It is stricter than Prometheus.
package metricstest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Sample is a value with its labels, unescaped.
type Sample struct {
	Name   string
	Labels map[string]string
	Value  float64
}

// Page is a parsed page: the samples by the text before their value, such as
// name{a="b",c="d"}, and the types of the metrics by name.
type Page struct {
	Samples map[string]Sample
	Types   map[string]string
}

var (
	helpLine   = regexp.MustCompile(`^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\]|\\\\|\\n)+)$`)
	typeLine   = regexp.MustCompile(`^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)$`)
	sampleLine = regexp.MustCompile(`^(([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?) (\S+)$`)
	labelPair  = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^\\"]|\\\\|\\"|\\n)*)"(,|$)`)
)

// Parse parses a page. It requires that each metric has one HELP, one TYPE,
// then all its samples; that counters, and only they, end in _total; that
// counters are not negative; and that no sample and no label of a sample
// repeats.
func Parse(text string) (Page, error) {
	p := Page{Samples: map[string]Sample{}, Types: map[string]string{}}
	if !strings.HasSuffix(text, "\n") {
		return p, fmt.Errorf("no newline at the end")
	}
	helpOf, current := "", ""
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		fault := func(format string, args ...any) (Page, error) {
			return p, fmt.Errorf("line %d: %q: %s", i+1, line, fmt.Sprintf(format, args...))
		}
		if m := helpLine.FindStringSubmatch(line); m != nil {
			if _, twice := p.Types[m[1]]; twice || helpOf != "" {
				return fault("second HELP, or HELP without TYPE before it")
			}
			helpOf = m[1]
			continue
		}
		if m := typeLine.FindStringSubmatch(line); m != nil {
			if m[1] != helpOf {
				return fault("TYPE without HELP before it")
			}
			if (m[2] == "counter") != strings.HasSuffix(m[1], "_total") {
				return fault("counters, and only they, must end in _total")
			}
			p.Types[m[1]], current, helpOf = m[2], m[1], ""
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			return fault("invalid line")
		}
		if m[2] != current || helpOf != "" {
			return fault("sample outside of its metric")
		}
		labels, err := parseLabels(m[3])
		if err != nil {
			return fault("%v", err)
		}
		v, err := strconv.ParseFloat(m[4], 64)
		if err != nil || p.Types[current] == "counter" && v < 0 {
			return fault("invalid value")
		}
		if _, twice := p.Samples[m[1]]; twice {
			return fault("duplicate sample")
		}
		p.Samples[m[1]] = Sample{Name: m[2], Labels: labels, Value: v}
	}
	if helpOf != "" {
		return p, fmt.Errorf("HELP of %s without TYPE", helpOf)
	}
	return p, nil
}

var labelUnescaper = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\"`, `"`)

func parseLabels(text string) (map[string]string, error) {
	labels := map[string]string{}
	for text != "" {
		m := labelPair.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("invalid labels at %q", text)
		}
		if _, twice := labels[m[1]]; twice {
			return nil, fmt.Errorf("duplicate label %s", m[1])
		}
		labels[m[1]] = labelUnescaper.Replace(m[2])
		text = text[len(m[0]):]
		if m[3] == "," && text == "" {
			return nil, fmt.Errorf("trailing comma")
		}
	}
	return labels, nil
}
