package man

import "strings"

// Markdown adds a document without its title. Headings become subsections, the
// rows of tables become items.
func (p *Page) Markdown(doc string) {
	var header []string
	for _, block := range blocks(doc) {
		switch {
		case strings.HasPrefix(block, "# "):
		case strings.HasPrefix(block, "## "):
			p.Subsection(inline(strings.TrimPrefix(block, "## ")))
		case strings.HasPrefix(block, "| "):
			row := cells(block)
			switch {
			case header == nil:
				header = row
				continue
			case strings.HasPrefix(row[0], "---"):
				continue
			}
			p.row(header, row)
			continue
		case strings.HasPrefix(block, "* "):
			p.Bullet(strings.TrimPrefix(block, "* "))
		default:
			p.Text(block)
		}
		header = nil
	}
}

// row adds a row of a table: its first cell is the term.
func (p *Page) row(header, row []string) {
	text := row[1]
	if len(row) > 2 {
		text = ""
		for i, c := range row[1:] {
			text += "\n\n" + header[i+1] + ": " + c
		}
	}
	p.Item(inline(row[0]), text)
}

func cells(row string) []string {
	parts := strings.Split(strings.Trim(row, "|"), "|")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// blocks returns the headings, paragraphs, rows of tables and items of lists of
// a document. A continued item is one block.
func blocks(doc string) []string {
	var all []string
	isNew := true
	for line := range strings.SplitSeq(doc, "\n") {
		switch {
		case line == "":
			isNew = true
			continue
		case isNew, strings.HasPrefix(line, "* "), strings.HasPrefix(line, "| "), strings.HasPrefix(line, "#"):
			all = append(all, line)
		case strings.HasPrefix(all[len(all)-1], "* "):
			all[len(all)-1] += "\n" + strings.TrimLeft(line, " ")
		default:
			all[len(all)-1] += "\n" + line
		}
		isNew = false
	}
	return all
}
