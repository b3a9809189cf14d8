package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// Runs writes a list of runs.
func Runs(p *Page, all []api.RunLine, now time.Time) {
	if len(all) == 0 {
		p.Line(Plain, "No runs. Those that have ended: hotspare run list --all")
		return
	}
	runTable(p, "", all, now)
}

func runTable(p *Page, indent string, all []api.RunLine, now time.Time) {
	t := newTable("RUN", "VERB", "TARGET", "STATE", "STEPS", "AGE", "TOOK", "TIME TO READY", "BY", "REASON")
	for i := range all {
		r := &all[i]
		style := Plain
		if NeedsPerson(r) {
			style = Alarm
		}
		took := ""
		if !r.Ended.IsZero() {
			took = Took(r.Ended.Sub(r.Accepted))
		}
		t.add(style, r.ID, string(r.Verb), r.Target, r.State, stepCounts(r), Age(now.Sub(r.Accepted)), took, timeToReady(r), r.By, r.Reason)
	}
	p.table(indent, t)
}

// NeedsPerson reports whether a run has steps that a person must decide on.
func NeedsPerson(r *api.RunLine) bool { return r.Ended.IsZero() && r.Held > 0 }

// stepCounts is a run's progress in a few words: "6/9 done, 2 in flight, 1 HELD".
func stepCounts(r *api.RunLine) string {
	text := fmt.Sprintf("%d/%d done", r.Done, r.Steps)
	if r.InFlight > 0 {
		text += fmt.Sprintf(", %d in flight", r.InFlight)
	}
	if r.Held > 0 {
		text += fmt.Sprintf(", %d HELD", r.Held)
	}
	return text
}

func timeToReady(r *api.RunLine) string {
	switch {
	case r.Ready == 0:
		return ""
	case r.RTO == 0:
		return Took(r.Ready)
	case r.Ready > r.RTO:
		return fmt.Sprintf("%s, OVER RTO %s", Took(r.Ready), Age(r.RTO))
	default:
		return fmt.Sprintf("%s of RTO %s", Took(r.Ready), Age(r.RTO))
	}
}

// Run writes a run: its plan, what became of each step, and what to do about those held.
// The view's plan is not looked at.
func Run(p *Page, run *api.Run, v PlanView, now time.Time) {
	v.Plan = run.Run.Plan
	style := Strong
	if NeedsPerson(&run.RunLine) {
		style = Alarm
	}
	p.Line(style, "Run %s   %s   %s   steps %s", run.ID, planTitle(v.Plan), run.State, stepCounts(&run.RunLine))
	p.Line(Plain, "%-16s %s, %s ago%s", "Accepted", Stamp(run.Accepted), Age(now.Sub(run.Accepted)), by(run))
	if !run.Ended.IsZero() {
		p.Line(Plain, "%-16s %s, after %s", "Ended", Stamp(run.Ended), Took(run.Ended.Sub(run.Accepted)))
	}
	if run.Reason != "" {
		p.Line(Plain, "%-16s %s", "Because", run.Reason)
	}
	if ready := timeToReady(&run.RunLine); ready != "" {
		p.Line(Plain, "%-16s %s", "Time to ready", ready)
	}
	planHead(p, v)
	p.Blank()
	steps(p, v.Plan, run)
	planFoot(p, v)
	for i, sr := range run.Run.Steps {
		if sr.State == scheduler.StepHeld && run.Ended.IsZero() {
			held(p, run, &v.Plan.Steps[i], "")
		}
	}
	if successor := TakenOverBy(run); successor != "" {
		p.Line(Plain, "What was left of it is planned by %s: hotspare run show %s", successor, successor)
	}
}

func by(run *api.Run) string {
	if run.By == "" {
		return ""
	}
	return ", asked by " + run.By
}

// TakenOverBy names the run that took this one over, empty where none did.
func TakenOverBy(run *api.Run) string {
	if run.Run.By != "" {
		return run.Run.By
	}
	successor, _ := strings.CutPrefix(run.State, string(scheduler.TakenOver)+" by ")
	if successor == run.State {
		return ""
	}
	return successor
}
