package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// Quiet is how long a run that is watched may go without a line.
const Quiet = 5 * time.Second

// Progress writes the progress of one run: a line for each step that ended or came to be
// held, and now and then a summary. What was written once is not written again, also
// when the run is watched anew. It is for one goroutine.
type Progress struct {
	page    *Page
	written map[int]string // by step, what was last written of it
	run     *api.Run
	summary string    // without its time
	last    time.Time // of the last summary
	now     time.Time // of the last tick
}

// NewProgress starts to write the progress of a run.
func NewProgress(page *Page) *Progress { return &Progress{page: page, written: map[int]string{}} }

// Show writes what happened since the run was last shown.
func (g *Progress) Show(run *api.Run) {
	g.run = run
	var changed []int
	for i, sr := range run.Run.Steps {
		over := sr.State.Over() || sr.State == scheduler.StepHeld
		mark := fmt.Sprint(sr.State, sr.Attempts, sr.Note)
		if !over {
			delete(g.written, i)
			continue
		}
		if g.written[i] != mark {
			g.written[i] = mark
			changed = append(changed, i)
		}
	}
	slices.SortStableFunc(changed, func(a, b int) int {
		return cmp.Compare(endOf(run.Run.Steps[a]), endOf(run.Run.Steps[b]))
	})
	width := g.widths()
	for _, i := range changed {
		g.step(&run.Run.Plan.Steps[i], run.Run.Steps[i], width)
	}
	if run.Over() {
		g.page.Foot()
	} else if g.page.Watched() {
		g.live(latest(lastEnd(run), g.now))
	}
}

// endOf orders steps by when they ended; those that did not come last.
func endOf(sr *scheduler.StepRun) int64 {
	if sr.Ended.IsZero() {
		return 1<<63 - 1
	}
	return sr.Ended.UnixNano()
}

type widths struct{ number, target, change, fromTo int }

func (g *Progress) widths() widths {
	var w widths
	plan := g.run.Run.Plan
	w.number = len(fmt.Sprint(len(plan.Steps)))
	for i := range plan.Steps {
		s := &plan.Steps[i]
		w.target = max(w.target, utf8.RuneCountInString(shorten(s.Target, 32)))
		w.change = max(w.change, utf8.RuneCountInString(s.Change))
		w.fromTo = max(w.fromTo, utf8.RuneCountInString(fromTo(s.From, goal(plan, s))))
	}
	return w
}

func (g *Progress) step(s *scheduler.Step, sr *scheduler.StepRun, w widths) {
	at := g.run.Accepted
	if !sr.Ended.IsZero() {
		at = sr.Ended
	}
	if sr.State == scheduler.StepHeld {
		held(g.page, g.run, s, strings.Repeat(" ", 10))
		return
	}
	took := ""
	if t := tookOf(sr); t != "" {
		took = "took " + t
	}
	if sr.State == scheduler.StepSkipped || sr.Note != "" {
		took = join(took, stepNote(s, sr, g.run.Notes[s.ID]))
	}
	g.page.Line(Plain, "%8s  %*d  %s  %s  %s  %s", elapsed(at.Sub(g.run.Accepted)), w.number, s.ID,
		pad(shorten(s.Target, 32), w.target, false), pad(s.Change, w.change, false), pad(fromTo(s.From, goal(g.run.Run.Plan, s)), w.fromTo, false), took)
}

// elapsed is a time since the acceptance, in tenths of a second.
func elapsed(d time.Duration) string {
	d = max(d, 0)
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return fmt.Sprintf("%dm%02ds", int(d/time.Minute), int(d%time.Minute/time.Second))
}

// Tick writes a summary where something changed since the last one, or where none was
// written for [Quiet]. Call it once a second.
func (g *Progress) Tick(now time.Time) {
	if g.run == nil || g.run.Over() {
		return
	}
	if g.page.Watched() {
		g.now = now
		g.live(now)
		return
	}
	text := g.summarise()
	if text == g.summary && now.Sub(g.last) < Quiet {
		return
	}
	g.summary, g.last = text, now
	g.page.Line(Plain, "%8s  %s", elapsed(now.Sub(g.run.Accepted)), text)
}

func (g *Progress) summarise() string {
	const shown = 3
	parts := []string{fmt.Sprintf("steps %d/%d done", g.run.Done, g.run.Steps)}
	var flight []string
	for i, sr := range g.run.Run.Steps {
		s := &g.run.Run.Plan.Steps[i]
		if sr.State != scheduler.Intent {
			continue
		}
		text := s.Target + " " + s.Change
		if note := stepNote(s, sr, g.run.Notes[s.ID]); note != "" {
			text += " (" + note + ")"
		}
		flight = append(flight, text)
	}
	if n := len(flight); n > shown {
		flight = append(flight[:shown], fmt.Sprintf("and %d more", n-shown))
	}
	if len(flight) > 0 {
		parts = append(parts, "in flight: "+strings.Join(flight, ", "))
	}
	if g.run.Held > 0 {
		parts = append(parts, fmt.Sprintf("%d HELD for a person", g.run.Held))
	}
	return strings.Join(parts, "; ")
}

// End writes the last line of a run that is over. kept are the volumes that it left.
func (g *Progress) End(run *api.Run, kept []api.Kept) {
	switch {
	case run.State == string(scheduler.RunDone):
		g.page.Line(Strong, "%s", doneLine(run, kept))
	case TakenOverBy(run) != "":
		g.page.Line(Strong, "%s was taken over by %s, which plans what was left of it: hotspare run watch %s", run.ID, TakenOverBy(run), TakenOverBy(run))
	default:
		g.page.Line(Alarm, "held after %s: steps %s; nothing more happens before a person decides: hotspare run show %s",
			Took(lastEnd(run).Sub(run.Accepted)), stepCounts(&run.RunLine), run.ID)
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func lastEnd(run *api.Run) time.Time {
	last := run.Accepted
	for _, sr := range run.Run.Steps {
		for _, t := range []time.Time{sr.Began, sr.Ended} {
			if t.After(last) {
				last = t
			}
		}
	}
	return last
}

func doneLine(run *api.Run, kept []api.Kept) string {
	text := "done in " + Took(run.Ended.Sub(run.Accepted))
	if ready := timeToReady(&run.RunLine); ready != "" {
		text += fmt.Sprintf(" (time to ready %s)", ready)
	}
	if len(run.Victims) > 0 {
		text += "; victims: " + victimIDs(run.Victims)
	}
	if back := coming(run.Returning, false); len(back) > 0 {
		text += "; back: " + victimIDs(back)
	}
	if stay := coming(run.Returning, true); len(stay) > 0 {
		text += "; still parked: " + parked(stay)
	}
	if skipped := run.Run.Counts()[scheduler.StepSkipped]; skipped > 0 {
		text += fmt.Sprintf("; %s skipped", count(skipped, "step"))
	}
	if len(kept) > 0 {
		var names []string
		for _, k := range kept {
			names = append(names, fmt.Sprintf("%s (%s)", k.Name, count(len(k.Volumes), "volume")))
		}
		text += "; kept: " + strings.Join(names, ", ")
	}
	return text
}
