package api_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// big is a run of 1,000 steps of which one ends at a time.
type big struct {
	api.Service
	plan *scheduler.Plan
}

func newBig() big {
	b := big{plan: &scheduler.Plan{Run: "r-1", Verb: scheduler.Reclaim, Group: "payments"}}
	for i := range 1000 {
		power := scheduler.Power("c1", fmt.Sprintf("vm-%04d", i))
		b.plan.Steps = append(b.plan.Steps, scheduler.Step{ID: i + 1, Target: power.Target, Change: "power", Property: power, Goal: scheduler.Literal(drivers.Off)})
	}
	return b
}

// at is the run when so many steps are done.
func (b big) at(done int) *api.Run {
	run := &api.Run{RunLine: api.RunLine{ID: "r-1", State: "running", Steps: len(b.plan.Steps), Done: done}, Run: scheduler.Run{ID: "r-1", Plan: b.plan, State: scheduler.Running}}
	for i := range b.plan.Steps {
		step := &scheduler.StepRun{State: scheduler.Pending}
		if i < done {
			step = &scheduler.StepRun{State: scheduler.StepDone, Attempts: 1, Expected: []drivers.Value{{Text: drivers.On}}, Goal: &drivers.Value{Text: drivers.Off},
				Ended: time.Date(2026, 11, 20, 3, 0, i, 0, time.UTC)}
		}
		run.Run.Steps = append(run.Run.Steps, step)
	}
	if done == len(b.plan.Steps) {
		run.State = "done"
	}
	return run
}

func (b big) Run(context.Context, string) (*api.Run, error) { return b.at(0), nil }

var looks = []int{0, 1, 1, 2, 7, 1000}

func (b big) WatchRun(_ context.Context, _ string, send func(*api.Run) error) error {
	for _, done := range looks {
		if err := send(b.at(done)); err != nil {
			return err
		}
	}
	return nil
}

func TestAWatcherSeesWholeRuns(t *testing.T) {
	b := newBig()
	var got []*api.Run
	if err := serve(t, b).WatchRun(t.Context(), "r-1", func(r *api.Run) error { got = append(got, r); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(looks) {
		t.Fatalf("%d changes came, of %d", len(got), len(looks))
	}
	for i, done := range looks {
		if diff := cmp.Diff(b.at(done), got[i]); diff != "" {
			t.Errorf("change %d came otherwise (- sent, + came):\n%s", i+1, diff)
		}
	}
}

func TestALineHoldsWhatChanged(t *testing.T) {
	server := httptest.NewServer(api.Handler(newBig()))
	defer server.Close()
	resp, err := http.Get(server.URL + "/v1/runs/r-1/watch")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	var sizes []int
	for lines.Scan() {
		sizes = append(sizes, len(lines.Text()))
		if strings.Contains(lines.Text(), `"change":"power"`) != (len(sizes) == 1) {
			t.Errorf("line %d: the plan belongs into the first line, and only there", len(sizes))
		}
	}
	if len(sizes) != len(looks) || sizes[1] > sizes[0]/20 {
		t.Errorf("lines of %v bytes", sizes)
	}
	t.Logf("lines of %v bytes", sizes)
}
