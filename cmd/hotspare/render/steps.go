package render

import (
	"fmt"
	"strconv"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
	"github.com/hotspare/hotspare/scheduler/execute"
)

// steps writes the steps of a plan; with a run, also what became of them.
func steps(p *Page, plan *scheduler.Plan, run *api.Run) {
	if len(plan.Steps) == 0 {
		p.Line(Plain, "No steps: all at the site stands as it should already.")
		return
	}
	t := newTable(">#", "WAITS FOR", "TARGET", "CHANGE", "FROM → TO", "USUAL", "STATE", "TOOK", "")
	for i := range plan.Steps {
		s := &plan.Steps[i]
		mark, style := "", Plain
		if s.NotExact != "" {
			mark, style = "NOT EXACT", Alarm
		}
		state, took := "", ""
		if run != nil {
			sr := run.Run.Steps[i]
			state, took = stepState(run, s), tookOf(sr)
			mark = join(mark, stepNote(s, sr, run.Notes[s.ID]))
			if sr.State == scheduler.StepHeld {
				style = Alarm
			}
		}
		t.add(style, strconv.Itoa(s.ID), ranges(s.After), shorten(s.Target, 32), s.Change,
			change(plan, s), usual(s.Usual), state, took, mark)
	}
	p.table("", t)
}

// change is what a step does, from what to what, and how hard.
func change(plan *scheduler.Plan, s *scheduler.Step) string {
	text := fromTo(s.From, goal(plan, s))
	switch {
	case s.TurnsOff() && s.MayForce:
		return fmt.Sprintf("%s (shut down within %s, then cut off)", text, Age(plan.Shutdown))
	case s.TurnsOff() && s.Production:
		return text + " (shut down, never cut off)"
	default:
		return text
	}
}

// goal is what a step sets, in words. What an earlier step makes is told by its number.
func goal(plan *scheduler.Plan, s *scheduler.Step) string {
	if s.Goal.Made == nil {
		return s.To
	}
	for i := range plan.Steps {
		if maker := &plan.Steps[i]; maker.IsChange() && maker.Property == s.Goal.Made.By && maker.ID < s.ID {
			what := s.Goal.Made.Key
			if what == drivers.MadeEndpoint {
				what = maker.Property.Target
			}
			return fmt.Sprintf("%s, made by step %d", what, maker.ID)
		}
	}
	return s.To
}

// stepState is how far a step is, in a word.
func stepState(run *api.Run, s *scheduler.Step) string {
	sr := run.Run.Steps[s.ID-1]
	switch sr.State {
	case scheduler.Intent:
		return "in flight"
	case scheduler.StepHeld:
		return "HELD"
	case scheduler.Pending:
		if run.Run.State == scheduler.Running && run.Run.Ready(s) {
			return "next"
		}
	}
	return string(sr.State)
}

// tookOf is how long a step took, empty where it is not over.
func tookOf(sr *scheduler.StepRun) string {
	if sr.Began.IsZero() || sr.Ended.IsZero() {
		return ""
	}
	return Took(sr.Ended.Sub(sr.Began))
}

// stepNote is the last thing that is known of a step that is not plainly done.
func stepNote(s *scheduler.Step, sr *scheduler.StepRun, note execute.Note) string {
	switch {
	case sr.State == scheduler.StepDone && s.Check != nil && s.Check.Word != "":
		return "" // the step says by whose word
	case sr.State == scheduler.StepHeld:
		return "" // written below the table, with what to do
	case sr.State == scheduler.StepSkipped:
		return "skipped: " + sr.Note
	case sr.Note != "":
		return sr.Note
	case note.Message != "" && note.Percent > 0:
		return fmt.Sprintf("%s, %d %%", note.Message, note.Percent)
	default:
		return note.Message
	}
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// held writes why a step is held, and the two commands that help.
func held(p *Page, run *api.Run, s *scheduler.Step, before string) {
	sr := run.Run.Steps[s.ID-1]
	p.Line(Alarm, "%sHELD  step %d, %s of %s: %s", before, s.ID, s.Change, s.Target, sr.Note)
	if sr.Found != nil {
		p.Line(Plain, "%s      stands at the site:   %s", before, shorten(sr.Found.Text, 72))
	}
	p.Line(Plain, "%s      when put right:       hotspare run retry %s %d", before, run.ID, s.ID)
	p.Line(Plain, "%s      to go on without it:  hotspare run skip %s %d --reason TEXT", before, run.ID, s.ID)
}
