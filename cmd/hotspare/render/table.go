package render

import (
	"slices"
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
// to the right. On a terminal a last column that is too long for it is wrapped.
func (p *Page) table(indent string, t *table) {
	widths := t.widths()
	heads := make([]string, len(t.head))
	for i, h := range t.head {
		heads[i] = strings.TrimPrefix(h, ">")
	}
	wrap := t.wrapping(indent, widths, p.columns())
	if wrap.under {
		widths[wrap.column] = 0
	}
	p.write(Strong, t.line(indent, widths, heads))
	for _, r := range t.rows {
		for _, line := range wrap.lines(t.line, indent, widths, r.cells, heads) {
			p.write(r.style, line)
		}
	}
}

// narrowest is how many columns a wrapped cell has at least.
const narrowest = 20

// wrapping says how the last column of a table is wrapped; the zero value: not at all.
type wrapping struct {
	column int
	indent int  // of the lines that follow the first
	width  int  // of the cell; 0: it is not wrapped
	under  bool // the whole cell stands below its row, for there is no room beside it
}

// wrapping finds how to wrap the last column for a terminal of so many columns; 0: there is
// no terminal.
func (t *table) wrapping(indent string, widths []int, columns int) wrapping {
	last, start := 0, len(indent)
	for i, width := range widths {
		if width > 0 {
			last = i
		}
	}
	for _, width := range widths[:last] {
		if width > 0 {
			start += width + 2
		}
	}
	switch {
	case columns == 0, start+widths[last] < columns, widths[last] <= narrowest:
		return wrapping{}
	case columns-1-start >= narrowest:
		return wrapping{column: last, indent: start, width: columns - 1 - start}
	default:
		below := len(indent) + 4
		return wrapping{column: last, indent: below, width: max(columns-1-below, narrowest), under: true}
	}
}

// lines gives the lines of a row.
func (w wrapping) lines(line func(string, []int, []string) string, indent string, widths []int, cells, heads []string) []string {
	if w.width == 0 || w.column >= len(cells) {
		return []string{line(indent, widths, cells)}
	}
	cell := cells[w.column]
	if w.under && cell != "" && heads[w.column] != "" {
		cell = heads[w.column] + ": " + cell
	}
	parts, first := wrapped(cell, w.width), slices.Clone(cells)
	if !w.under {
		first[w.column], parts = parts[0], parts[1:]
	} else if cell == "" {
		parts = nil
	}
	all := []string{line(indent, widths, first)}
	for _, part := range parts {
		all = append(all, strings.Repeat(" ", w.indent)+part)
	}
	return all
}

// wrapped cuts a text into lines of at most so many letters, between words where it can. It
// gives at least one.
func wrapped(text string, width int) []string {
	lines := []string{""}
	for _, word := range strings.Fields(text) {
		last := &lines[len(lines)-1]
		if *last != "" && utf8.RuneCountInString(*last+" "+word) <= width {
			*last += " " + word
			continue
		}
		for letters := []rune(word); len(letters) > 0; letters = letters[min(width, len(letters)):] {
			lines = append(lines, string(letters[:min(width, len(letters))]))
		}
	}
	if len(lines) > 1 {
		return lines[1:]
	}
	return lines
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
