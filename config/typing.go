package config

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// The functions of this file recognise mistakes of people who type or paste.

// typographicQuotes are those that word processors and web pages use.
const typographicQuotes = "“”„‟‘’‚‛«»‹›″′´"

func typographicText(c rune) string {
	return fmt.Sprintf("%c is a typographic quote: use the plain \" or '", c)
}

// startsTypographic returns the typographic quote at the start of a scalar; 0
// if there is none. A text may start with one inside plain quotes.
func startsTypographic(n *yaml.Node) rune {
	if c, _ := utf8.DecodeRuneInString(n.Value); isUnquoted(n) && strings.ContainsRune(typographicQuotes, c) {
		return c
	}
	return 0
}

// typographicQuote returns the first typographic quote in a line of invalid
// YAML that stands where a plain one would: at the start or at the end of a
// text.
func typographicQuote(b []byte, line int) (position, rune) {
	text := lineAt(b, line)
	if comment := strings.Index(text, " #"); comment >= 0 {
		text = text[:comment]
	}
	runes := []rune(strings.TrimRight(text, " "))
	for i, c := range runes {
		first := i == 0 || strings.ContainsRune(" [{,:", runes[i-1])
		last := i == len(runes)-1 || strings.ContainsRune(" ]},:", runes[i+1])
		if (first || last) && strings.ContainsRune(typographicQuotes, c) {
			return position{line, i + 1}, c
		}
	}
	return position{}, 0
}

// keyLine matches a line that starts with a key: its indentation, the key and
// its value. Only a file with a fault needs it.
var keyLine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^( *)([^ #:"'\[\]{},&*!|>%@-][^:#]*):(?: +(.*))?$`)
})

// explainIndentation returns the fault of a line whose indentation fits no line
// before it, or "". at is the position of the parser's error.
func explainIndentation(at position, b []byte) (position, string) {
	here := keyLine().FindStringSubmatch(lineAt(b, at.line))
	if here == nil || at.col > utf8.RuneCountInString(here[1]+here[2])+1 {
		return at, ""
	}
	indent := len(here[1])
	start := position{at.line, indent + 1}
	before, number := contentBefore(b, at.line)
	if before == "" {
		return at, ""
	}
	parent := keyLine().FindStringSubmatch(before)
	switch {
	case parent == nil && !strings.Contains(before, ":"):
		return position{number, 1 + len(before) - len(strings.TrimLeft(before, " "))}, `expected "KEY: VALUE"`
	case parent == nil:
		return at, ""
	case isTopLevel(here[2]) && indent > 0:
		return start, fmt.Sprintf("%q is a key of the top level: unindent line %d and its block to column 1",
			here[2], at.line)
	case indent > len(parent[1]) && !blank(parent[3]):
		return start, fmt.Sprintf("%q is indented more than %q in line %d, which has a value: "+
			"unindent line %d to column %d", here[2], parent[2], number, at.line, len(parent[1])+1)
	case indent < len(parent[1]) && indent > 0:
		return start, fmt.Sprintf("the indentation of %q fits no line before it: move it to the column of its "+
			"section's other keys, such as column %d of line %d", here[2], len(parent[1])+1, number)
	}
	return at, ""
}

// blank reports whether a value is missing, apart from a comment.
func blank(value string) bool { return value == "" || value[0] == '#' }

// contentBefore returns the last line before a line that is neither empty nor a
// comment, and its number; "" if there is none.
func contentBefore(b []byte, line int) (string, int) {
	for line--; line >= 1; line-- {
		text := lineAt(b, line)
		if t := strings.TrimSpace(text); t != "" && t[0] != '#' {
			return text, line
		}
	}
	return "", 0
}

// lineAt returns a line of the file without its end; "" after the last one.
func lineAt(b []byte, line int) string {
	for ; line > 1; line-- {
		_, rest, ok := bytes.Cut(b, []byte("\n"))
		if !ok {
			return ""
		}
		b = rest
	}
	text, _, _ := bytes.Cut(b, []byte("\n"))
	return strings.TrimSuffix(string(text), "\r")
}
