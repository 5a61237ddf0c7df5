package config

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// document reads the bytes as one YAML document and returns its root; nil if there is none or it cannot be read.
func (r *reader) document(b []byte) *yaml.Node {
	if len(b) > maxFile {
		r.faultAt(1, 1, "the file is larger than 1 MiB")
		return nil
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if !r.text(b) {
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	first := r.decode(dec, b)
	if first == nil {
		return nil
	}
	if second := r.decode(dec, b); second != nil {
		r.fault(second, `a second document begins here ("---"): the file must be one`)
	}
	root := first.Content[0]
	r.refuseExtras(root)
	return root
}

// text checks that the bytes are UTF-8 and that its lines are those an editor shows: YAML also ends lines at lone
// carriage returns and at some characters that nobody sees, and then its line numbers are of no use.
func (r *reader) text(b []byte) bool {
	line, col := 1, 1
	for i := 0; i < len(b); col++ {
		c, size := utf8.DecodeRune(b[i:])
		i += size
		switch {
		case c == '\n':
			line, col = line+1, 0
		case c == utf8.RuneError && size == 1:
			r.faultAt(line, col, "the file is not UTF-8 text")
			return false
		case c == '\r' && (i == len(b) || b[i] != '\n'):
			r.faultAt(line, col, "a carriage return without a line feed after it")
			return false
		case c != '\t' && c != '\r' && c < ' ', c >= 0x7f && c < 0xa0, c == '\u2028', c == '\u2029', c == '\ufeff', c == '\ufffe', c == '\uffff':
			r.faultAt(line, col, "a character that cannot be in the file: %U", c)
			return false
		}
	}
	return true
}

// decode reads the next document; nil at the end of the file or if it cannot be read.
func (r *reader) decode(dec *yaml.Decoder, b []byte) (doc *yaml.Node) {
	defer func() {
		// yaml.v3 has panics of its own ("internal error: … please report") and is archived; a reload must not end the daemon.
		if recover() != nil {
			r.faultAt(1, 1, "not readable as YAML")
			doc = nil
		}
	}()
	doc = new(yaml.Node)
	err := dec.Decode(doc)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		t := whereabouts(dec)
		if t.problem == "" {
			t.problem = err.Error()
		}
		at, message := explain(t, b)
		at = within(b, at)
		r.faultAt(at.line, at.col, "%s", message)
		return nil
	}
	return doc
}

// place is a position in the file, line and column from 1.
type place struct{ line, col int }

// trouble is what the YAML parser knows of a syntax error.
type trouble struct {
	problem  string // in the parser's words
	during   string // what was being read, in the parser's words
	at, from place  // where the problem is, and where the thing that was being read begins
	token    place  // where the parser's last event begins
}

// whereabouts looks into the decoder: the error that yaml.v3 gives has no column, and its line is now that of the
// problem, now that of the thing around it, now one less. The library is archived, so its fields stay; a test holds them.
func whereabouts(dec *yaml.Decoder) trouble {
	outer := reflect.ValueOf(dec).Elem().FieldByName("parser").Elem()
	inner := outer.FieldByName("parser")
	mark := func(v reflect.Value, name string) place {
		m := v.FieldByName(name)
		return place{int(m.FieldByName("line").Int()) + 1, int(m.FieldByName("column").Int()) + 1}
	}
	return trouble{
		problem: inner.FieldByName("problem").String(),
		during:  inner.FieldByName("context").String(),
		at:      mark(inner, "problem_mark"),
		from:    mark(inner, "context_mark"),
		token:   mark(outer.FieldByName("event"), "start_mark"),
	}
}

// explain says in words what the parser stumbled over, and where a person should look for it.
func explain(t trouble, b []byte) (place, string) {
	here := characterAt(b, t.at)
	switch {
	case strings.Contains(t.problem, "unknown anchor"):
		return t.token, noAliases
	case strings.HasSuffix(t.during, "a tag"), t.problem == "found undefined tag handle":
		return t.from, noTags
	case strings.HasSuffix(t.during, "an anchor"), strings.HasSuffix(t.during, "an alias"):
		return t.from, noAliases
	case strings.HasSuffix(t.during, "directive"), strings.Contains(t.problem, "directive"), t.problem == "found incompatible YAML document":
		return place{t.at.line, 1}, `directives ("%") are not supported: leave the line out`
	case t.problem == "found character that cannot start any token" && here == "\t", strings.HasPrefix(t.problem, "found a tab"):
		return t.at, "a tab cannot indent: use spaces"
	case t.problem == "found character that cannot start any token":
		return t.at, "a value cannot begin with " + quote(here) + ": put it in quotes"
	case t.problem == "mapping values are not allowed in this context":
		return t.at, `unexpected ":": check the line before and the indentation; a text that contains ": " needs quotes`
	case t.problem == "could not find expected ':'":
		return t.from, `expected "KEY: VALUE"`
	case t.problem == "block sequence entries are not allowed in this context":
		return t.at, `a list entry ("- ") cannot begin here`
	case t.problem == "mapping keys are not allowed in this context":
		return t.at, "a key cannot begin here"
	case t.during == "while scanning a block scalar":
		return t.at, `after "|" or ">" the text begins on the next line`
	case t.problem == "found unexpected end of stream", t.problem == "found unexpected document indicator":
		return t.from, "a quote is opened here and never closed"
	case t.during == "while parsing a quoted scalar":
		return t.at, `unknown escape in double quotes: write \\ for a backslash, or use single quotes`
	case t.problem == "did not find expected ',' or ']'" && (here == "" || t.at.line != t.from.line):
		return t.from, `a list is opened here and never closed, or a "," is missing in it`
	case t.problem == "did not find expected ',' or '}'" && (here == "" || t.at.line != t.from.line):
		return t.from, `a map is opened here and never closed, or a "," is missing in it`
	case t.problem == "did not find expected ',' or ']'":
		return t.at, `expected "," or "]" here`
	case t.problem == "did not find expected ',' or '}'":
		return t.at, `expected "," or "}" here`
	case t.problem == "did not find expected node content" && here == "":
		return t.at, "the file ends within a list or a map"
	case t.problem == "did not find expected node content":
		return t.at, "expected a value, not " + quote(here)
	case t.problem == "did not find expected <document start>":
		return t.at, `there must be nothing after the end of the document ("...")`
	case t.problem == "did not find expected key", t.problem == "did not find expected '-' indicator":
		return t.at, "this does not fit what stands before it: check indentation and quotes"
	case strings.HasPrefix(t.problem, "exceeded max depth"):
		return t.at, "nested too deeply"
	}
	return t.at, "not readable as YAML"
}

// within moves p to the end of the file if it is behind it: the parser ends the last line if nobody else has.
func within(b []byte, p place) place {
	last := bytes.Count(b, []byte("\n")) + 1
	if p.line <= last {
		return p
	}
	return place{last, utf8.RuneCount(b[bytes.LastIndexByte(b, '\n')+1:]) + 1}
}

// characterAt is the character at p; "" at the end of a line and of the file.
func characterAt(b []byte, p place) string {
	for ; p.line > 1; p.line-- {
		_, rest, ok := bytes.Cut(b, []byte("\n"))
		if !ok {
			return ""
		}
		b = rest
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	runes := []rune(strings.TrimSuffix(string(line), "\r"))
	if p.col > len(runes) {
		return ""
	}
	return string(runes[p.col-1])
}

const (
	noAliases   = `anchors ("&") and aliases ("*") are not supported: write the value out, or in quotes`
	noTags      = `tags ("!") are not supported: leave it out, or put the text in quotes`
	noMergeKeys = `merge keys ("<<") are not supported: write the keys out`
)

// refuseExtras reports what YAML knows and a configuration does not need. Aliases are not followed anywhere, so that
// a small file cannot unfold into a huge one.
func (r *reader) refuseExtras(n *yaml.Node) {
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		r.fault(n, noAliases)
	}
	if n.Style&yaml.TaggedStyle != 0 {
		r.fault(n, noTags)
	}
	if n.Tag == "!!merge" {
		r.fault(n, noMergeKeys)
	}
	for _, child := range n.Content {
		r.refuseExtras(child)
	}
}

// refused tells whether refuseExtras has reported this node already, so that its value says nothing.
func refused(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || n.Style&yaml.TaggedStyle != 0 || n.Tag == "!!merge"
}
