package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// connections is a server whose every watch goes as told, one after the other.
type connections struct {
	api.Service
	watches []func(send func(*api.Run) error) error
	runs    map[string]*api.Run
	watched []string
}

func (c *connections) WatchRun(ctx context.Context, id string, send func(*api.Run) error) error {
	c.watched = append(c.watched, id)
	if len(c.watches) == 0 {
		return api.ErrNoServer
	}
	watch := c.watches[0]
	c.watches = c.watches[1:]
	return watch(send)
}

func (c *connections) Run(_ context.Context, id string) (*api.Run, error) { return c.runs[id], nil }

// with makes an app with a clock that only pauses move.
func with(service api.Service, out io.Writer) *app {
	now := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	return &app{output: outputTable, Env: Env{
		Stdout: out, Stderr: out, Getenv: func(string) string { return "" },
		Connect: func(string) api.Service { return service },
		Clock: Clock{
			Now:   func() time.Time { return now },
			Tick:  func(time.Duration) <-chan time.Time { return nil },
			Pause: func(_ context.Context, d time.Duration) { now = now.Add(d) },
		},
	}}
}

func run(id string, verb scheduler.Verb, state string, steps ...scheduler.StepState) *api.Run {
	plan := &scheduler.Plan{Run: id, Verb: verb, Group: "payments"}
	r := &api.Run{RunLine: api.RunLine{ID: id, Verb: verb, State: state, Steps: len(steps)}, Run: scheduler.Run{ID: id, Plan: plan}}
	for i, s := range steps {
		plan.Steps = append(plan.Steps, scheduler.Step{ID: i + 1, Target: "pay-db-01", Change: "power"})
		r.Run.Steps = append(r.Run.Steps, &scheduler.StepRun{State: s})
	}
	return r
}

func send(runs ...*api.Run) func(func(*api.Run) error) error {
	return func(to func(*api.Run) error) error {
		for _, r := range runs {
			if err := to(r); err != nil {
				return err
			}
		}
		return nil
	}
}

func gone(func(*api.Run) error) error { return api.ErrNoServer }

// A restart of the server is waited for, said once, and no step is told twice.
func TestFollowThroughRestart(t *testing.T) {
	half := run("r-1", scheduler.Failover, "running", scheduler.StepDone, scheduler.Intent)
	done := run("r-1", scheduler.Failover, "done", scheduler.StepDone, scheduler.StepDone)
	var out bytes.Buffer
	a := with(&connections{watches: []func(func(*api.Run) error) error{send(half), gone, gone, send(half, done)}}, &out)
	last, err := a.follow(t.Context(), "r-1", a.progressFor(a.page()))
	if err != nil || last.State != "done" {
		t.Fatalf("follow: %v, %v", last, err)
	}
	for text, times := range map[string]int{"The server went away": 1, "The server is back": 1, "pay-db-01": 2} {
		if got := strings.Count(out.String(), text); got != times {
			t.Errorf("%q is said %d times, want %d:\n%s", text, got, times, out.String())
		}
	}
}

func TestFollowGivesUp(t *testing.T) {
	server := &connections{}
	a := with(server, io.Discard)
	_, err := a.follow(t.Context(), "r-1", silent{})
	if err == nil || !strings.Contains(err.Error(), "the server was away for 1m") {
		t.Fatalf("error %v", err)
	}
	if got := len(server.watched); got != 61 {
		t.Errorf("tried %d times, want once a second for %s", got, Patience)
	}
	if got := a.report(t.Context(), err); got != ExitFailed {
		t.Errorf("exit code %d, want %d", got, ExitFailed)
	}
}

func TestFollowUnknownRun(t *testing.T) {
	unknown := &api.Error{Code: api.CodeNotFound, Message: "there is no run"}
	a := with(&connections{watches: []func(func(*api.Run) error) error{func(func(*api.Run) error) error { return unknown }}}, io.Discard)
	if _, err := a.follow(t.Context(), "r-1", silent{}); !errors.Is(err, unknown) {
		t.Fatalf("error %v, want %v", err, unknown)
	}
}

// A new plan for the same end is followed; a revert is not.
func TestFollowTakenOver(t *testing.T) {
	for _, c := range []struct {
		verb, by scheduler.Verb
		last     string
	}{
		{scheduler.Failover, scheduler.Failover, "r-2"},
		{scheduler.Reclaim, scheduler.Failover, "r-2"},
		{scheduler.Failover, scheduler.Revert, "r-1"},
	} {
		taken := run("r-1", c.verb, "taken over by r-2")
		next := run("r-2", c.by, "done")
		server := &connections{runs: map[string]*api.Run{"r-2": next}, watches: []func(func(*api.Run) error) error{send(taken), send(next)}}
		a := with(server, io.Discard)
		last, err := a.follow(t.Context(), "r-1", silent{})
		if err != nil || last.ID != c.last {
			t.Errorf("%s taken over by %s: ends with %v, %v; want %s", c.verb, c.by, last, err, c.last)
		}
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	a := with(&connections{watches: []func(func(*api.Run) error) error{func(func(*api.Run) error) error {
		cancel()
		return ctx.Err()
	}}}, &out)
	_, err := a.follow(ctx, "r-1", silent{})
	if code := a.report(ctx, err); code != ExitInterrupted {
		t.Errorf("exit code %d, want %d", code, ExitInterrupted)
	}
	if !strings.Contains(out.String(), "run r-1 goes on at the server\n  to watch it: hotspare run watch r-1\n") {
		t.Errorf("it says %q", out.String())
	}
}
