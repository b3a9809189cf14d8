package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Error is one mistake in a site's files.
type Error struct {
	File    string `json:"file"`             // as Load was given it
	Line    int    `json:"line,omitempty"`   // from 1; 0: the file as a whole
	Column  int    `json:"column,omitempty"` // from 1
	Object  string `json:"object,omitempty"` // protection_group "payments", vm "pay-db-01"
	Summary string `json:"summary"`          // what is wrong
	Hint    string `json:"hint,omitempty"`   // what to do about it
}

// Error gives "file:line:column: object: summary" and, on a second line, the hint.
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	if e.Object != "" {
		b.WriteString(e.Object + ": ")
	}
	b.WriteString(e.Summary)
	if e.Hint != "" {
		b.WriteString("\n\t" + e.Hint)
	}
	return b.String()
}

// Errors are all the mistakes of a site's files, in the order of file, line and column.
type Errors []Error

// Error gives every mistake, each on its own lines.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// orNil sorts the mistakes; nil where there is none.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Object, b.Object), cmp.Compare(a.Summary, b.Summary))
	})
	return slices.Compact(e)
}

func (e *Errors) add(at hcl.Range, object string, f flaw) {
	*e = append(*e, Error{
		File: at.Filename, Line: at.Start.Line, Column: at.Start.Column,
		Object: object, Summary: f.summary, Hint: f.hint,
	})
}

// addDiagnostics takes over what the HCL parser found.
func (e *Errors) addDiagnostics(file, object string, diagnostics hcl.Diagnostics) {
	for _, d := range diagnostics {
		if d.Severity != hcl.DiagError {
			continue
		}
		at := hcl.Range{Filename: file}
		if d.Subject != nil {
			at = *d.Subject
		}
		summary := strings.ToLower(d.Summary[:1]) + d.Summary[1:]
		e.add(at, object, flaw{summary, strings.Join(strings.Fields(d.Detail), " ")})
	}
}

// flaw is what is wrong, and a hint what to do; the place is known elsewhere.
type flaw struct{ summary, hint string }

// place writes a range as a person types it into an editor.
func place(at hcl.Range) string {
	return fmt.Sprintf("%s:%d:%d", at.Filename, at.Start.Line, at.Start.Column)
}
