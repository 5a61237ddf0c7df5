package metrics

import (
	"math"
	"strconv"
	"strings"
)

// ContentType is the Content-Type of the Prometheus text format, version 0.0.4.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Kind is the type of a metric.
type Kind string

// The types of metrics.
const (
	Counter Kind = "counter" // increases, and restarts at 0 with its source
	Gauge   Kind = "gauge"
)

// Text builds a page of metrics. The zero value is an empty page. It is not
// safe for concurrent use.
type Text struct{ b strings.Builder }

// Metric starts a metric. Add all its values before the next call of Metric:
// the format requires them in one group. Each name may be used only once.
func (t *Text) Metric(name string, kind Kind, help string) Metric {
	t.b.WriteString("# HELP " + name + " " + helpEscaper.Replace(help) + "\n")
	t.b.WriteString("# TYPE " + name + " " + string(kind) + "\n")
	return Metric{text: t, name: name}
}

// String returns the page.
func (t *Text) String() string { return t.b.String() }

// Metric is one metric of a Text.
type Metric struct {
	text *Text
	name string
}

// Add writes a value. labels alternates names and values. Each value of a
// metric must have different labels.
func (m Metric) Add(value float64, labels ...string) {
	b := &m.text.b
	b.WriteString(m.name)
	for i := 0; i+1 < len(labels); i += 2 {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(labels[i] + `="` + labelEscaper.Replace(strings.ToValidUTF8(labels[i+1], "\uFFFD")) + `"`)
	}
	if len(labels) > 1 {
		b.WriteByte('}')
	}
	b.WriteByte(' ')
	b.WriteString(formatValue(value))
	b.WriteByte('\n')
}

var (
	helpEscaper  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func formatValue(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		return strconv.FormatInt(int64(v), 10) // byte counts are easier to read without an exponent
	}
	return strconv.FormatFloat(v, 'g', 15, 64) // 15 digits hide the rounding of a division by 1000
}
