package render

import (
	"strings"
	"unicode/utf8"
)

// table is rows under headings. A column that is empty in every row is left out, so that
// a table shows what is known.
type table struct {
	head []string
	rows []row
}

type row struct {
	style Style
	cells []string
}

func newTable(head ...string) *table { return &table{head: head} }

func (t *table) add(style Style, cells ...string) {
	for i := range cells {
		cells[i] = clean(cells[i])
	}
	t.rows = append(t.rows, row{style, cells})
}

// table writes the rows with aligned columns. A heading that begins with ">" is aligned
// to the right.
func (p *Page) table(indent string, t *table) {
	widths := t.widths()
	heads := make([]string, len(t.head))
	for i, h := range t.head {
		heads[i] = strings.TrimPrefix(h, ">")
	}
	p.write(Strong, t.line(indent, widths, heads))
	for _, r := range t.rows {
		p.write(r.style, t.line(indent, widths, r.cells))
	}
}

// widths gives each column its width, zero where it is left out.
func (t *table) widths() []int {
	widths := make([]int, len(t.head))
	for _, r := range t.rows {
		for i, cell := range r.cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for i, h := range t.head {
		if widths[i] > 0 {
			widths[i] = max(widths[i], utf8.RuneCountInString(strings.TrimPrefix(h, ">")))
		}
	}
	return widths
}

func (t *table) line(indent string, widths []int, cells []string) string {
	var b strings.Builder
	b.WriteString(indent)
	for i, cell := range cells {
		if widths[i] == 0 {
			continue
		}
		b.WriteString(pad(cell, widths[i], strings.HasPrefix(t.head[i], ">")))
		b.WriteString("  ")
	}
	return strings.TrimRight(b.String(), " ")
}

func pad(text string, width int, right bool) string {
	fill := strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 0))
	if right {
		return fill + text
	}
	return text + fill
}
