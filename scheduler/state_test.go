package scheduler_test

import (
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

func TestWhatAGroupIs(t *testing.T) {
	const g = "payments"
	lent := time.Unix(1, 0)
	for _, c := range []struct {
		fact string
		set  func(*scheduler.State)
		want string
	}{
		{"nobody wants anything of it", func(*scheduler.State) {}, scheduler.GroupStandby},
		{"a copy is lent", func(s *scheduler.State) { s.Workspaces["ws-1"] = &scheduler.Workspace{Copy: g, Admitted: lent} }, scheduler.GroupCopied},
		{"a copy waits", func(s *scheduler.State) { s.Workspaces["ws-1"] = &scheduler.Workspace{Copy: g} }, scheduler.GroupStandby},
		{"a copy's volumes are kept", func(s *scheduler.State) {
			s.Workspaces["ws-1"] = &scheduler.Workspace{Copy: g, Admitted: lent, Expired: true}
		}, scheduler.GroupStandby},
		{"reclaimed", func(s *scheduler.State) { hold(s, "r-1", scheduler.Reclaim, scheduler.RunDone) }, scheduler.GroupReclaimed},
		{"its failover runs", func(s *scheduler.State) { hold(s, "r-1", scheduler.Failover, scheduler.Running) }, scheduler.GroupFailing},
		{"failed over after a reclaim", func(s *scheduler.State) {
			hold(s, "r-1", scheduler.Reclaim, scheduler.TakenOver)
			hold(s, "r-2", scheduler.Failover, scheduler.RunDone)
		}, scheduler.GroupProduces},
		{"its revert runs", func(s *scheduler.State) { addRun(s, "r-1", scheduler.Revert, scheduler.Running) }, scheduler.GroupReverting},
		{"what an earlier revert left is finished while it produces", func(s *scheduler.State) {
			hold(s, "r-2", scheduler.Failover, scheduler.RunDone)
			addRun(s, "r-3", scheduler.Revert, scheduler.Running)
		}, scheduler.GroupProduces},
	} {
		t.Run(c.fact, func(t *testing.T) {
			s := scheduler.NewState()
			c.set(s)
			if got := s.GroupState(g); got != c.want {
				t.Errorf("it is %q, want %q", got, c.want)
			}
		})
	}
}

func addRun(s *scheduler.State, id string, verb scheduler.Verb, state scheduler.RunState, steps ...scheduler.Step) *scheduler.Run {
	run := &scheduler.Run{ID: id, State: state, Plan: &scheduler.Plan{Run: id, Verb: verb, Group: "payments", Steps: steps}}
	for range steps {
		run.Steps = append(run.Steps, &scheduler.StepRun{State: scheduler.Pending})
	}
	s.Runs[id] = run
	return run
}

func hold(s *scheduler.State, id string, verb scheduler.Verb, state scheduler.RunState) {
	addRun(s, id, verb, state)
	s.Stacks.Put(scheduler.Power("c", "vm"), scheduler.Layer{Holder: scheduler.RunHolder(id, "payments"), Goal: scheduler.Literal(drivers.On)})
}

// A reclaim's off that is still pending when another group's failover has begun to start
// production on the same VM must not happen any more.
func TestAStepIsSupersededByALaterRunThatHasBegunThere(t *testing.T) {
	s, power := scheduler.NewState(), scheduler.Power("c", "vm")
	change := scheduler.Step{ID: 1, Property: power}
	early := addRun(s, "r-9", scheduler.Reclaim, scheduler.Running, change)
	late := addRun(s, "r-10", scheduler.Failover, scheduler.Running, change,
		scheduler.Step{ID: 2, Property: power.On(drivers.Disk, "d0")},
		scheduler.Step{ID: 3, Property: power, Check: &scheduler.Check{Kind: scheduler.CheckReady}})
	begin := func(step int) { late.Steps[step-1].Began = time.Unix(1, 0) }
	begin(2)
	begin(3)
	if by := s.Superseded(early, &early.Plan.Steps[0]); by != "" {
		t.Errorf("superseded by %s, which has begun with other properties and a check only", by)
	}
	begin(1)
	if by := s.Superseded(early, &early.Plan.Steps[0]); by != "r-10" {
		t.Errorf("superseded by %q, want r-10", by)
	}
	early.Steps[0].Began = time.Unix(1, 0)
	if by := s.Superseded(late, &late.Plan.Steps[0]); by != "" {
		t.Errorf("superseded by the earlier run %s", by)
	}
}
