package metrics

import (
	"math"
	"strconv"
	"strings"
)

// ContentType is that of the text format, version 0.0.4.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Kind is what may be concluded from a metric's values.
type Kind string

const (
	Counter Kind = "counter" // grows, and begins again at 0 where what it counts begins again
	Gauge   Kind = "gauge"
)

// Text is a page of metrics in the making. The zero Text is empty. It is not safe for concurrent use.
type Text struct{ b strings.Builder }

// Metric begins a metric, of which all values follow: the format wants them together. A name begins once on a page.
func (t *Text) Metric(name string, kind Kind, help string) Metric {
	t.b.WriteString("# HELP " + name + " " + escapeHelp.Replace(help) + "\n")
	t.b.WriteString("# TYPE " + name + " " + string(kind) + "\n")
	return Metric{text: t, name: name}
}

// String is the page.
func (t *Text) String() string { return t.b.String() }

// Metric is a metric of a Text.
type Metric struct {
	text *Text
	name string
}

// Add writes a value. Labels are names and values by turns; of one metric no two values have the same ones.
func (m Metric) Add(value float64, labels ...string) {
	b := &m.text.b
	b.WriteString(m.name)
	for i := 0; i+1 < len(labels); i += 2 {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(labels[i] + `="` + escapeLabel.Replace(strings.ToValidUTF8(labels[i+1], "\uFFFD")) + `"`)
	}
	if len(labels) > 1 {
		b.WriteByte('}')
	}
	b.WriteByte(' ')
	b.WriteString(number(value))
	b.WriteByte('\n')
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func number(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		return strconv.FormatInt(int64(v), 10) // a count of bytes is easier to read without an exponent
	}
	return strconv.FormatFloat(v, 'g', 15, 64) // the last digits are those of a division by 1000
}
