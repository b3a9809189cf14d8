package render

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// foot is lines that stay below all others on a terminal, and are drawn anew as they
// change. A nil foot draws nothing.
type foot struct {
	width func() int // of the terminal, in columns
	lines []string
	drawn int // lines that stand on the terminal now
}

// Live makes the page one that a person watches on a terminal: lines can stay at its foot.
// width gives the terminal's columns; 0 where that is not known.
func (p *Page) Live(width func() int) { p.foot = &foot{width: width} }

// Watched reports whether lines can stay at the foot of the page.
func (p *Page) Watched() bool { return p.foot != nil }

// columns is how wide the terminal is; 0 where there is none, or that is not known.
func (p *Page) columns() int {
	if p.foot == nil {
		return 0
	}
	return max(p.foot.width(), 0)
}

// Foot draws these lines below all others, in place of those before; none takes them away.
// The first is a heading.
func (p *Page) Foot(lines ...string) {
	if p.foot == nil {
		return
	}
	away := p.foot.away()
	p.foot.lines = nil
	for i, line := range lines {
		line = p.foot.cut(strings.TrimRight(clean(line), " "))
		if i == 0 {
			line = p.styled(Strong, line)
		}
		p.foot.lines = append(p.foot.lines, line)
	}
	if text := away + p.foot.again(); text != "" {
		p.put(text)
	}
}

// away is what takes the foot off the terminal.
func (f *foot) away() string {
	if f == nil || f.drawn == 0 {
		return ""
	}
	up := f.drawn
	f.drawn = 0
	return fmt.Sprintf("\x1b[%dA\x1b[J", up)
}

// again is what draws it.
func (f *foot) again() string {
	if f == nil || len(f.lines) == 0 {
		return ""
	}
	f.drawn = len(f.lines)
	return strings.Join(f.lines, "\n") + "\n"
}

// cut keeps a line from being wrapped: then it would be two on the terminal.
func (f *foot) cut(line string) string {
	const unknown = 80
	width := f.width()
	if width <= 0 {
		width = unknown
	}
	if utf8.RuneCountInString(line) < width {
		return line
	}
	return string([]rune(line)[:max(width-2, 0)]) + "…"
}
