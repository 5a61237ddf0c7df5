package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Fault is one thing wrong in the file.
type Fault struct {
	File      string // as it was given to Load or Parse
	Line, Col int    // from 1; Col counts characters
	Message   string // one line
}

// String gives the fault as compilers do: FILE:LINE:COL: message.
func (f Fault) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Col, f.Message)
}

// Errors are all faults of a file, at least one (and at most 1000), in the order of their places. Only a file that is
// not readable as YAML has a single fault that hides the others.
type Errors []Fault

// maxFaults bounds what is reported of a file that is something else altogether. Nobody reads so many.
const maxFaults = 1000

// Error gives one line per fault.
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

// quote shows what stands in the file, on one line and not at any length.
func quote(s string) string {
	const longest = 40
	if runes := []rune(s); len(runes) > longest {
		s = string(runes[:longest]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

// describe names what stands where something else was expected.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a map"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case !plain(n):
		return "the text " + quote(n.Value)
	case n.Tag == "!!null":
		return "nothing"
	}
	return quote(n.Value)
}

// plain tells a scalar without quotes, which may be a number or true, from one that is text for certain.
func plain(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

// list joins choices as a sentence does: a, b or c.
func list(choices []string) string {
	last := len(choices) - 1
	if last == 0 {
		return choices[0]
	}
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}
