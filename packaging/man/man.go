// Package man writes the manual pages in its directory, in man(7) markup. They
// are made from the help of the programs, the annotated vchat.yaml and the
// documents in packaging/doc.
//
// Guarantees:
//   - A page is the same at each run: it has the date of the newest release.
//   - No text is taken as markup.
//
// The tests of cmd/vchatd/command, cmd/vchatctl and of this package compare the
// pages with their sources; with -update they write them.
package man

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Release is what a page belongs to.
type Release struct{ Version, Date string }

// Page is a page under construction. Its methods add to it.
type Page struct {
	b         strings.Builder
	atHeading bool // the next paragraph follows a heading
}

// New returns the page name(section) with its one-line purpose.
func New(name string, section int, r Release, purpose string) *Page {
	p := new(Page)
	fmt.Fprintf(&p.b, ".\\\" Made by package man: change the source, not this page.\n")
	fmt.Fprintf(&p.b, ".TH %s %d %s \"vchat %s\"\n.nh\n.ad l\n", strings.ToUpper(name), section, r.Date, r.Version)
	p.Section("Name")
	fmt.Fprintf(&p.b, "%s \\- %s\n", escape(name), escape(purpose))
	return p
}

// String returns the page.
func (p *Page) String() string { return p.b.String() }

// Section begins a section.
func (p *Page) Section(title string) { p.heading(".SH", escape(strings.ToUpper(title))) }

// Subsection begins a part of a section. Its title may have markup.
func (p *Page) Subsection(title string) { p.heading(".SS", title) }

func (p *Page) heading(request, title string) {
	fmt.Fprintf(&p.b, "%s %s\n", request, title)
	p.atHeading = true
}

// Synopsis adds usage lines of a program: placeholders are in capitals.
func (p *Page) Synopsis(lines ...string) {
	p.b.WriteString(".nf\n")
	for _, l := range lines {
		fmt.Fprintf(&p.b, "%s\n", Usage(l))
	}
	p.b.WriteString(".fi\n")
}

// Bullet adds an item of a list.
func (p *Page) Bullet(text string) {
	p.b.WriteString(".IP \\(bu 2\n" + fill(inline(text)))
	p.atHeading = false
}

// Item adds a term, in markup of Usage or Bold, and its explanation.
func (p *Page) Item(term, text string) {
	fmt.Fprintf(&p.b, ".TP\n%s\n", term)
	p.paragraphs(text, ".IP")
}

// Text adds paragraphs, which empty lines separate. Lines with two blanks in a
// row stay as they are.
func (p *Page) Text(text string) { p.paragraphs(text, ".PP") }

// literal is a line of a table or an example.
var literal = regexp.MustCompile(`^\s|\S {2,}\S`)

// paragraphs writes text. Separator is the request between two paragraphs.
func (p *Page) paragraphs(text, separator string) {
	for i, para := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if i > 0 || separator == ".PP" && !p.atHeading {
			p.b.WriteString(separator + "\n")
		}
		lines := strings.Split(para, "\n")
		for len(lines) > 0 {
			n := 1
			isLiteral := literal.MatchString(lines[0])
			for n < len(lines) && literal.MatchString(lines[n]) == isLiteral {
				n++
			}
			if isLiteral {
				p.table(lines[:n], map[string]int{".PP": 2, ".IP": 9}[separator])
			} else {
				p.b.WriteString(fill(inline(strings.Join(lines[:n], " "))))
			}
			lines = lines[n:]
		}
	}
	p.atHeading = false
}

// definition is a line with a term and its explanation.
var definition = regexp.MustCompile(`^( *\S+(?: \S+)* {2,})(\S+(?: \S+)*)$`)

// table writes lines as they are, or as terms and explanations if all are so.
func (p *Page) table(lines []string, indent int) {
	type item struct{ term, text string }
	var items []item
	width := 0
	for _, l := range lines {
		m := definition.FindStringSubmatch(l)
		switch {
		case m != nil && (width == 0 || utf8.RuneCountInString(m[1]) == width):
			width = utf8.RuneCountInString(m[1])
			items = append(items, item{strings.TrimSpace(m[1]), m[2]})
		case len(items) > 0 && width > 0 && strings.HasPrefix(l, strings.Repeat(" ", width)):
			items[len(items)-1].text += " " + strings.TrimSpace(l)
		default:
			width = -1
		}
	}
	if width <= 0 {
		p.b.WriteString(".nf\n")
		for _, l := range lines {
			p.b.WriteString("\\&" + escape(l) + "\n") // a blank at the start would break the line
		}
		p.b.WriteString(".fi\n")
		return
	}
	width -= len(lines[0]) - len(strings.TrimLeft(lines[0], " "))
	fmt.Fprintf(&p.b, ".RS %d\n.PD 0\n", indent)
	for _, i := range items {
		fmt.Fprintf(&p.b, ".TP %d\n%s\n%s", width, Bold(i.term), fill(escape(i.text)))
	}
	p.b.WriteString(".RE\n.PD\n")
}

// maxLine is the length of a line of a page that mandoc accepts.
const maxLine = 80

// fill breaks text into lines. Each sentence begins a line, so that all are the
// same distance apart.
func fill(text string) string {
	var b strings.Builder
	length := 0
	for w := range strings.FieldsSeq(text) {
		switch {
		case length == 0:
		case length+1+len(w) > maxLine:
			b.WriteByte('\n')
			length = 0
		default:
			b.WriteByte(' ')
			length++
		}
		if length == 0 && strings.HasPrefix(w, ".") {
			w = `\&` + w // not a request
		}
		b.WriteString(w)
		length += len(w)
		if len(w) > 2 && strings.ContainsAny(w[len(w)-1:], ".?!") {
			b.WriteByte('\n')
			length = 0
		}
	}
	if length > 0 {
		b.WriteByte('\n')
	}
	return b.String()
}

// Bold returns text in bold.
func Bold(text string) string { return `\fB` + escape(text) + `\fR` }

// Italic returns text in italics, which terminals underline.
func Italic(text string) string { return `\fI` + escape(text) + `\fR` }

// usageWord matches the parts of a usage line: a placeholder, signs between
// words, and other words.
var usageWord = regexp.MustCompile(`[A-Z][A-Z0-9]+|[][|{}… ]+|[^][|{}… A-Z]+|[A-Z]`)

// Usage returns a usage line. Words in capitals are placeholders.
func Usage(line string) string {
	var b strings.Builder
	for _, w := range usageWord.FindAllString(line, -1) {
		switch {
		case len(w) > 1 && w[0] >= 'A' && w[0] <= 'Z':
			b.WriteString(Italic(w))
		case strings.ContainsAny(w, "[]|{}… "):
			b.WriteString(escape(w))
		default:
			b.WriteString(Bold(w))
		}
	}
	return b.String()
}

var escaper = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`,
	"…", `\[u2026]`, "µ", `\[u00B5]`, "–", `\(en`)

// escape returns text in which nothing is markup. A line must not start with a
// dot.
func escape(text string) string { return escaper.Replace(text) }

// spans are the inline markup of Markdown: code, emphasis, a link.
var spans = regexp.MustCompile("`([^`]+)`|\\*{1,2}(\\w[^*]*)\\*{1,2}|\\[([^]]+)\\]\\(([^)]*)\\)")

// inline returns text with code and emphasis in bold. A link becomes its text,
// and the name of the document it leads to.
func inline(text string) string {
	var b strings.Builder
	for {
		at := spans.FindStringSubmatchIndex(text)
		if at == nil {
			b.WriteString(escape(text))
			break
		}
		group := func(n int) string { return text[max(at[2*n], 0):max(at[2*n+1], 0)] }
		b.WriteString(escape(text[:at[0]]))
		switch link := group(4); {
		case link == "":
			b.WriteString(Bold(group(1) + strings.ReplaceAll(group(2), "`", "")))
		case strings.HasSuffix(link, group(3)) || strings.HasPrefix(link, "#"):
			b.WriteString(escape(group(3)))
		default:
			file, _, _ := strings.Cut(link, "#")
			b.WriteString(escape(group(3) + " (" + file[strings.LastIndex(file, "../")+1:] + ")"))
		}
		text = text[at[1]:]
	}
	return b.String()
}
