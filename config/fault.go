package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Fault is one error in the file.
type Fault struct {
	File      string // as passed to Load or Parse
	Line, Col int    // from 1; Col counts characters
	Message   string // one line
}

// String returns the fault in the form of compilers: FILE:LINE:COL: message.
func (f Fault) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Col, f.Message)
}

// Errors are all faults of a file in the order of their positions, 1 to 1000.
// Invalid YAML gives a single fault, which may hide others.
type Errors []Fault

// maxFaults limits the report for files that are no configuration at all.
const maxFaults = 1000

// Error returns one line per fault.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, f := range e {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
}

func (r *reader) faultAt(line, col int, format string, args ...any) {
	if len(r.faults) == maxFaults {
		return
	}
	r.faults = append(r.faults, Fault{r.file, line, col, fmt.Sprintf(format, args...)})
}

func (r *reader) fault(n *yaml.Node, format string, args ...any) {
	r.faultAt(n.Line, n.Column, format, args...)
}

// quote returns a quoted text of the file, shortened to 40 characters.
func quote(s string) string {
	const maxLength = 40
	if runes := []rune(s); len(runes) > maxLength {
		s = string(runes[:maxLength]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

// describe names a value of the wrong type or form.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a map"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case !isUnquoted(n):
		return "the text " + quote(n.Value)
	case n.Tag == "!!null":
		return "nothing"
	}
	return quote(n.Value)
}

// isUnquoted reports whether a scalar has no quotes. It may be a number or
// true; with quotes it is text.
func isUnquoted(n *yaml.Node) bool {
	const quotes = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Kind == yaml.ScalarNode && n.Style&quotes == 0
}

// list joins choices: a, b or c.
func list(choices []string) string {
	last := len(choices) - 1
	if last == 0 {
		return choices[0]
	}
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}
