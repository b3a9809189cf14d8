package render

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Style says how a line or a row stands out on a terminal. It carries nothing that the
// words do not say as well.
type Style int

// The styles.
const (
	Plain  Style = iota
	Strong       // a heading
	Alarm        // a person should look here
)

var escapes = map[Style]string{Strong: "\x1b[1m", Alarm: "\x1b[1;31m"}

// Page is where lines are written. The first error of the writer is kept, and nothing is
// written after it. It is for one goroutine.
type Page struct {
	w      io.Writer
	colour bool
	err    error
	foot   *foot // lines that stay below all others; nil where nobody looks
}

// NewPage makes a page; colour is for terminals only.
func NewPage(w io.Writer, colour bool) *Page { return &Page{w: w, colour: colour} }

// Err is the first error of the writer.
func (p *Page) Err() error { return p.err }

// Line writes one line in a style. Control characters are taken out: names come from
// developers, and the reader is an operator's terminal.
func (p *Page) Line(style Style, format string, args ...any) {
	p.write(style, strings.TrimRight(clean(fmt.Sprintf(format, args...)), " "))
}

// Blank writes an empty line.
func (p *Page) Blank() { p.write(Plain, "") }

func (p *Page) write(style Style, text string) {
	if p.err != nil {
		return
	}
	p.put(p.foot.away() + p.styled(style, text) + "\n" + p.foot.again())
}

func (p *Page) styled(style Style, text string) string {
	if start := escapes[style]; p.colour && start != "" && text != "" {
		return start + text + "\x1b[0m"
	}
	return text
}

func (p *Page) put(text string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, text)
	}
}

func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, text)
}
