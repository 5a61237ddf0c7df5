package config

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

const tooLarge = "the file is larger than 1 MiB"

// document parses b as one YAML document and returns its root; nil if b is
// empty or invalid.
func (r *reader) document(b []byte) *yaml.Node {
	if len(b) > maxFile {
		r.faultAt(1, 1, tooLarge)
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
		r.fault(second, `a second document starts here ("---"): only one is allowed`)
	}
	root := first.Content[0]
	r.refuseExtras(root)
	return root
}

// text checks that b is UTF-8 and that YAML counts its lines like an editor:
// YAML also ends lines at single carriage returns and at some invisible
// characters.
func (r *reader) text(b []byte) bool {
	line, col := 1, 1
	separates := true // only blanks since the start of the line, or since a ":"
	for i := 0; i < len(b); col++ {
		c, size := utf8.DecodeRune(b[i:])
		i += size
		if separates && c != ' ' && unicode.Is(unicode.Zs, c) {
			r.faultAt(line, col, "typographic blank (%U): replace it by a normal one", c)
			return false
		}
		separates = c == '\n' || c == ':' || separates && c == ' '
		switch {
		case c == '\n':
			line, col = line+1, 0
		case c == utf8.RuneError && size == 1:
			r.faultAt(line, col, "the file is not UTF-8 text")
			return false
		case c == '\r' && (i == len(b) || b[i] != '\n'):
			r.faultAt(line, col, "carriage return without a line feed")
			return false
		case c != '\t' && c != '\r' && c < ' ', c >= 0x7f && c < 0xa0,
			c == '\u2028', c == '\u2029', c == '\ufeff', c == '\ufffe', c == '\uffff':
			r.faultAt(line, col, "invalid character %U", c)
			return false
		}
	}
	return true
}

// decode returns the next document; nil at the end of the file or for invalid
// YAML.
func (r *reader) decode(dec *yaml.Decoder, b []byte) (doc *yaml.Node) {
	defer func() {
		// yaml.v3 has panics ("internal error: … please report") and is
		// archived. A reload must not crash the daemon.
		if recover() != nil {
			r.faultAt(1, 1, "invalid YAML")
			doc = nil
		}
	}()
	doc = new(yaml.Node)
	err := dec.Decode(doc)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		t := parserState(dec)
		if t.problem == "" {
			t.problem = err.Error()
		}
		at, message := explain(t, b)
		at = clampToFile(b, at)
		r.faultAt(at.line, at.col, "%s", message)
		return nil
	}
	return doc
}

// position is a line and column of the file, from 1.
type position struct{ line, col int }

// syntaxError is the parser's state after a syntax error.
type syntaxError struct {
	problem  string   // the parser's message
	context  string   // the parser's name of what it was reading
	at, from position // of the problem, and of the start of what it was reading
	token    position // start of the parser's last event
}

// parserState reads private fields of the decoder. The error of yaml.v3 has no
// column, and its line is that of the problem, that of the surrounding value,
// or one less. The library is archived, so its fields will not change. The
// tests would notice.
func parserState(dec *yaml.Decoder) syntaxError {
	outer := reflect.ValueOf(dec).Elem().FieldByName("parser").Elem()
	inner := outer.FieldByName("parser")
	mark := func(v reflect.Value, name string) position {
		m := v.FieldByName(name)
		return position{int(m.FieldByName("line").Int()) + 1, int(m.FieldByName("column").Int()) + 1}
	}
	return syntaxError{
		problem: inner.FieldByName("problem").String(),
		context: inner.FieldByName("context").String(),
		at:      mark(inner, "problem_mark"),
		from:    mark(inner, "context_mark"),
		token:   mark(outer.FieldByName("event"), "start_mark"),
	}
}

// explain returns a message for users and the position that they should look
// at.
func explain(t syntaxError, b []byte) (position, string) {
	here := characterAt(b, t.at)
	for _, p := range []position{t.at, t.from} {
		if at, quote := typographicQuote(b, p.line); quote != 0 {
			return at, typographicText(quote)
		}
	}
	switch {
	case strings.Contains(t.problem, "unknown anchor"):
		return t.token, noAliases
	case strings.HasSuffix(t.context, "a tag"), t.problem == "found undefined tag handle":
		return t.from, noTags
	case strings.HasSuffix(t.context, "an anchor"), strings.HasSuffix(t.context, "an alias"):
		return t.from, noAliases
	case strings.HasSuffix(t.context, "directive"), strings.Contains(t.problem, "directive"),
		t.problem == "found incompatible YAML document":
		return position{t.at.line, 1}, `directives ("%") are not supported: remove the line`
	case t.problem == "found character that cannot start any token" && here == "\t",
		strings.HasPrefix(t.problem, "found a tab"):
		return t.at, "indent with spaces, not with tabs"
	case t.problem == "found character that cannot start any token":
		return t.at, "a value cannot start with " + quote(here) + ": put it in quotes"
	case t.problem == "mapping values are not allowed in this context":
		if at, message := explainIndentation(t.at, b); message != "" {
			return at, message
		}
		return t.at, `unexpected ":": check the line before and the indentation; a text that contains ": " needs quotes`
	case t.problem == "could not find expected ':'":
		return t.from, `expected "KEY: VALUE"`
	case t.problem == "block sequence entries are not allowed in this context":
		return t.at, `a list entry ("- ") cannot start here`
	case t.problem == "mapping keys are not allowed in this context":
		return t.at, "a key cannot start here"
	case t.context == "while scanning a block scalar":
		return t.at, `after "|" or ">" the text starts on the next line`
	case t.problem == "found unexpected end of stream", t.problem == "found unexpected document indicator":
		return t.from, "the quote that starts here is not closed"
	case t.context == "while parsing a quoted scalar":
		return t.at, `unknown escape in double quotes: write \\ for a backslash, or use single quotes`
	case t.problem == "did not find expected ',' or ']'" && (here == "" || t.at.line != t.from.line):
		return t.from, `the list that starts here is not closed, or a "," is missing`
	case t.problem == "did not find expected ',' or '}'" && (here == "" || t.at.line != t.from.line):
		return t.from, `the map that starts here is not closed, or a "," is missing`
	case t.problem == "did not find expected ',' or ']'":
		return t.at, `expected "," or "]" here`
	case t.problem == "did not find expected ',' or '}'":
		return t.at, `expected "," or "}" here`
	case t.problem == "did not find expected node content" && here == "":
		return t.at, "the file ends inside a list or a map"
	case t.problem == "did not find expected node content":
		return t.at, "expected a value, not " + quote(here)
	case t.problem == "did not find expected <document start>":
		return t.at, `unexpected text after the end of the document ("...")`
	case t.problem == "did not find expected key", t.problem == "did not find expected '-' indicator":
		if at, message := explainIndentation(t.at, b); message != "" {
			return at, message
		}
		return t.at, "this does not fit the text before it: check indentation and quotes"
	case strings.HasPrefix(t.problem, "exceeded max depth"):
		return t.at, "nested too deeply"
	}
	return t.at, "invalid YAML"
}

// clampToFile moves a position after the end of the file to its end: the parser
// adds a missing final line end.
func clampToFile(b []byte, p position) position {
	last := bytes.Count(b, []byte("\n")) + 1
	if p.line <= last {
		return p
	}
	return position{last, utf8.RuneCount(b[bytes.LastIndexByte(b, '\n')+1:]) + 1}
}

// characterAt returns the character at p; "" at the end of a line or of the
// file.
func characterAt(b []byte, p position) string {
	runes := []rune(lineAt(b, p.line))
	if p.col > len(runes) {
		return ""
	}
	return string(runes[p.col-1])
}

const (
	noAliases   = `anchors ("&") and aliases ("*") are not supported: write the value itself, or put it in quotes`
	noTags      = `tags ("!") are not supported: remove it, or put the text in quotes`
	noMergeKeys = `merge keys ("<<") are not supported: write the keys themselves`
)

// refuseExtras reports features of YAML that the configuration does not
// support. Aliases are never expanded, so a small file cannot grow to a huge
// one.
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
	if c := startsTypographic(n); c != 0 {
		r.fault(n, "%s", typographicText(c))
	}
	for _, child := range n.Content {
		r.refuseExtras(child)
	}
}

// isRefused reports whether refuseExtras reports this node. Its value is then
// ignored.
func isRefused(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || n.Style&yaml.TaggedStyle != 0 || n.Tag == "!!merge" ||
		startsTypographic(n) != 0
}
