package render

import (
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
	"github.com/hotspare/hotspare/scheduler/execute"
)

// terminal plays what escape sequences the foot uses: up, and clear to the end.
type terminal struct{ lines []string }

func (t *terminal) Write(p []byte) (int, error) {
	text := string(p)
	for text != "" {
		switch {
		case strings.HasPrefix(text, "\x1b[J"):
			text = text[3:]
		case strings.HasPrefix(text, "\x1b["):
			end := strings.IndexByte(text, 'A')
			up := 0
			for _, digit := range text[2:end] {
				up = 10*up + int(digit-'0')
			}
			t.lines, text = t.lines[:len(t.lines)-up], text[end+1:]
		default:
			line, rest, _ := strings.Cut(text, "\n")
			t.lines, text = append(t.lines, line), rest
		}
	}
	return len(p), nil
}

func watched(accepted time.Time) *api.Run {
	plan := &scheduler.Plan{Run: "r-4", Verb: scheduler.Failover, Group: "erp", Steps: []scheduler.Step{
		{ID: 1, Target: "db", Change: "power", From: "on (ws-1)", To: "off"},
		{ID: 2, Target: "db", Change: "disk scsi0:0", From: "clone", To: "promoted", After: []int{1}, Usual: 2 * time.Second},
		{ID: 3, Target: "db", Change: "power", From: "off", To: "on", After: []int{1, 2}},
	}}
	run := &api.Run{RunLine: api.RunLine{ID: "r-4", Verb: plan.Verb, Target: "erp", State: "running", Accepted: accepted, Steps: 3, Done: 1, InFlight: 1, RTO: 15 * time.Minute}}
	run.Run = scheduler.Run{ID: "r-4", Plan: plan, Accepted: accepted, Steps: []*scheduler.StepRun{
		{State: scheduler.StepDone, Began: accepted, Ended: accepted.Add(2 * time.Second)},
		{State: scheduler.Intent, Began: accepted.Add(2 * time.Second)}, {State: scheduler.Pending}}}
	run.Notes = map[int]execute.Note{2: {Message: "swapping", Percent: 40}}
	return run
}

func TestTheLiveViewTellsWhatIsInFlightAndWhatWaits(t *testing.T) {
	accepted := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	term := &terminal{}
	page := NewPage(term, false)
	page.Live(func() int { return 100 })
	g := NewProgress(page)
	run := watched(accepted)
	g.Show(run)
	g.Tick(accepted.Add(5 * time.Second))
	got := strings.Join(term.lines, "\n")
	for _, want := range []string{
		"r-4 failover erp   steps 1/3 done, 1 in flight   5.0s   14m55s left of the RTO of 15m",
		"> 2  db disk scsi0:0 clone → promoted  swapping, 40 %  3.0s, usually 2.0s",
		"3  db power  waits for 2",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the view lacks %q:\n%s", want, got)
		}
	}
	if n := strings.Count(got, "r-4 failover"); n != 1 {
		t.Errorf("the heading stands %d times:\n%s", n, got)
	}
	g.Tick(accepted.Add(16 * time.Minute))
	if got := strings.Join(term.lines, "\n"); !strings.Contains(got, "1m00s BEYOND the RTO of 15m") {
		t.Errorf("beyond the RTO:\n%s", got)
	}
	run = watched(accepted)
	run.State = "done"
	g.Show(run)
	if got := strings.Join(term.lines, "\n"); strings.Contains(got, "in flight") || !strings.Contains(got, "took 2.0s") {
		t.Errorf("when all is over only what ended stays:\n%s", got)
	}
}

func TestALineOfTheFootIsNeverWrapped(t *testing.T) {
	term := &terminal{}
	page := NewPage(term, false)
	page.Live(func() int { return 20 })
	page.Foot("heading", strings.Repeat("ä", 50))
	if got := term.lines[1]; len([]rune(got)) != 19 || !strings.HasSuffix(got, "…") {
		t.Errorf("%q", got)
	}
	page.Line(Plain, "above")
	if got := strings.Join(term.lines[:2], "|"); got != "above|heading" {
		t.Errorf("%q", got)
	}
	page.Foot()
	if len(term.lines) != 1 {
		t.Errorf("%q", term.lines)
	}
}
