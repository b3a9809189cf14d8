package render

import (
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
	"github.com/hotspare/hotspare/scheduler/execute"
)

// A summary is written when something changed, else after [Quiet].
func TestProgressTick(t *testing.T) {
	accepted := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return accepted.Add(time.Duration(seconds) * time.Second) }
	plan := &scheduler.Plan{Steps: []scheduler.Step{{ID: 1, Target: "a", Change: "power"}, {ID: 2, Target: "b", Change: "power"}}}
	r := &api.Run{RunLine: api.RunLine{ID: "r-1", State: "running", Accepted: accepted, Steps: 2},
		Run:   scheduler.Run{Plan: plan, Steps: []*scheduler.StepRun{{State: scheduler.Intent}, {State: scheduler.Pending}}},
		Notes: map[int]execute.Note{1: {Message: "the guest shuts down", Percent: 40}}}
	var b strings.Builder
	g := NewProgress(NewPage(&b, false))
	g.Tick(at(0)) // nothing is known yet
	g.Show(r)
	for s := 1; s <= 7; s++ {
		g.Tick(at(s))
	}
	r.Run.Steps[0].State, r.Done = scheduler.StepDone, 1
	r.Run.Steps[1].State, r.Held = scheduler.StepHeld, 1
	r.Run.Steps[1].Note = "a question is open"
	g.Show(r)
	g.Show(r)
	g.Tick(at(8))
	r.Run.Steps[1].State, r.Held = scheduler.Intent, 0 // a person said: retry
	g.Show(r)
	r.Run.Steps[1].State, r.Held = scheduler.StepHeld, 1
	g.Show(r)
	want := `    1.0s  steps 0/2 done; in flight: a power (the guest shuts down, 40 %)
    6.0s  steps 0/2 done; in flight: a power (the guest shuts down, 40 %)
    0.0s  1  a  power
HELD
    8.0s  steps 1/2 done; 1 HELD for a person
HELD
`
	if got := withoutHelp(b.String()); got != want {
		t.Errorf("it writes\n%swant\n%s", got, want)
	}
}

// withoutHelp leaves of each held step only the word.
func withoutHelp(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		switch {
		case strings.Contains(line, "HELD  step 2, power of b: a question is open"):
			b.WriteString("HELD\n")
		case strings.Contains(line, "hotspare run "):
		default:
			b.WriteString(line)
		}
	}
	return b.String()
}
