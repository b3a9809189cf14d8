package drivertest

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

type outcome string

const (
	passed  outcome = "ok"
	failed  outcome = "FAILED"
	skipped outcome = "skipped"
)

// table is what was tried, row by row in the order in which it was.
type table struct {
	lines []line
}

type line struct {
	row, check string
	outcome    outcome
	reason     string
}

func (t *table) note(row, check string, o outcome, reason string) {
	t.lines = append(t.lines, line{row, check, o, reason})
}

// String gives one line for each row with what passed and failed, and one for each reason
// of a skip with the checks that it hit.
func (t *table) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PROPERTY\tOUTCOME\tCHECKS")
	type key struct {
		row     string
		outcome outcome
		reason  string
	}
	checks := map[key][]string{}
	var order []key
	for _, l := range t.lines {
		k := key{l.row, l.outcome, l.reason}
		if checks[k] == nil {
			order = append(order, k)
		}
		checks[k] = append(checks[k], l.check)
	}
	slices.SortStableFunc(order, func(a, b key) int { return t.first(a.row) - t.first(b.row) })
	for _, k := range order {
		text := strings.Join(checks[k], "; ")
		if k.reason != "" {
			text += ": " + k.reason
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", k.row, k.outcome, text)
	}
	if err := w.Flush(); err != nil {
		return err.Error() // a strings.Builder takes everything
	}
	return b.String()
}

func (t *table) first(row string) int {
	return slices.IndexFunc(t.lines, func(l line) bool { return l.row == row })
}
