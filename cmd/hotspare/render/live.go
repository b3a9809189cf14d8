package render

import (
	"fmt"
	"time"

	"github.com/hotspare/hotspare/scheduler"
)

// How many lines the live view shows of what is in flight, and of what waits.
const (
	liveFlight = 8
	liveWaits  = 4
)

// live draws the foot of a run that is watched: how far it is, what is in flight, what
// waits for what, and how much is left of the RTO.
func (g *Progress) live(now time.Time) {
	lines := []string{g.heading(now)}
	plan := g.run.Run.Plan
	var flight, waits []string
	for i, sr := range g.run.Run.Steps {
		s := &plan.Steps[i]
		switch sr.State {
		case scheduler.Intent:
			flight = append(flight, g.inFlight(s, sr, now))
		case scheduler.Pending:
			if open := g.open(s); len(open) > 0 {
				waits = append(waits, fmt.Sprintf("    %*d  %s %s  waits for %s", g.widths().number, s.ID, shorten(s.Target, 32), s.Change, ranges(open)))
			} else {
				waits = append(waits, fmt.Sprintf("    %*d  %s %s  waits for a slot", g.widths().number, s.ID, shorten(s.Target, 32), s.Change))
			}
		}
	}
	lines = append(lines, some(flight, liveFlight, "in flight")...)
	lines = append(lines, some(waits, liveWaits, "waiting")...)
	g.page.Foot(lines...)
}

func (g *Progress) heading(now time.Time) string {
	run := g.run
	since := now.Sub(run.Accepted)
	text := fmt.Sprintf("%s %s %s   steps %s   %s", run.ID, run.Verb, run.Target, stepCounts(&run.RunLine), elapsed(since))
	if run.RTO > 0 && run.Verb == scheduler.Failover {
		if left := run.RTO - since; left >= 0 {
			text += fmt.Sprintf("   %s left of the RTO of %s", elapsed(left), Age(run.RTO))
		} else {
			text += fmt.Sprintf("   %s BEYOND the RTO of %s", elapsed(-left), Age(run.RTO))
		}
	}
	return text
}

func (g *Progress) inFlight(s *scheduler.Step, sr *scheduler.StepRun, now time.Time) string {
	text := fmt.Sprintf("  > %*d  %s %s %s", g.widths().number, s.ID, shorten(s.Target, 32), s.Change, fromTo(s.From, goal(g.run.Run.Plan, s)))
	if note := stepNote(s, sr, g.run.Notes[s.ID]); note != "" {
		text += "  " + note
	}
	text += "  " + elapsed(now.Sub(sr.Began))
	if s.Usual > 0 {
		text += ", usually " + elapsed(s.Usual)
	}
	return text
}

// open lists the steps that a step still waits for.
func (g *Progress) open(s *scheduler.Step) []int {
	var open []int
	for _, before := range s.After {
		if !g.run.Run.Steps[before-1].State.Over() {
			open = append(open, before)
		}
	}
	return open
}

// some keeps the first lines, and says how many more there are.
func some(lines []string, most int, what string) []string {
	if n := len(lines); n > most {
		return append(lines[:most], fmt.Sprintf("    and %d more %s", n-most, what))
	}
	return lines
}
