package server_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

func inBubble(t *testing.T, shape sim.Shape, play func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, shape)
		defer b.stop()
		play(t, b)
	})
}

// held waits until a run is held, and gives its held step.
func (b *bench) held(run string) (*scheduler.Step, *scheduler.StepRun) {
	b.Helper()
	var got *api.Run
	b.until("run "+run+" is held", func() bool {
		var err error
		if got, err = b.server.Run(context.Background(), run); err != nil {
			b.Fatal(err)
		}
		return got.Over()
	})
	for i, s := range got.Run.Steps {
		if s.State == scheduler.StepHeld {
			return &got.Run.Plan.Steps[i], s
		}
	}
	b.Fatalf("no step of %s is held\n%s", run, b.tell())
	return nil, nil
}

func TestAWorkspaceThatIgnoresTheShutdownIsCutOffAtTheFleetsDeadline(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.lend(api.WorkspaceRequest{Copy: "group-01"})
		for _, vm := range []string{"group-01-vm-01", "group-01-vm-02"} {
			b.at.EditVM(vm, func(vm *sim.VM) { vm.Guest.IgnoresShutdown = true })
		}
		began := time.Now()
		run := b.begin(api.PlanRequest{Verb: scheduler.Reclaim, Group: "group-01"})
		b.over(run)
		if took := time.Since(began); took < time.Minute || took > 80*time.Second {
			t.Errorf("it took %s; the guests have a minute", took)
		}
		got, err := b.server.Run(context.Background(), run)
		if err != nil {
			t.Fatal(err)
		}
		forced := 0
		for _, s := range got.Run.Steps {
			if s.Forced && strings.Contains(s.Note, "cut off") {
				forced++
			}
		}
		if forced != 2 {
			t.Errorf("%d steps say that they cut a guest off, not 2", forced)
		}
	})
}

func TestAProductionVMIsNeverCutOff(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.over(b.failover("group-01"))
		b.at.EditVM("group-01-vm-01", func(vm *sim.VM) { vm.Guest.IgnoresShutdown = true })
		run := b.revert("group-01")
		step, how := b.held(run)
		if step.Target != "group-01-vm-01" || !strings.Contains(how.Note, "never cut off") || !strings.Contains(how.Note, "hotspare run retry "+run) {
			t.Errorf("held: %s %q", step.Target, how.Note)
		}
		if vm, _ := b.at.VM("group-01-vm-01"); vm.Power != drivers.On {
			t.Errorf("the production VM is %s", vm.Power)
		}
		if r, _ := b.at.VM("group-01-vm-02"); r.Disks["disk0"].Endpoint == "" {
			t.Error("the other VM lost its disk")
		}
		b.at.EditVM("group-01-vm-01", func(vm *sim.VM) { vm.Guest.IgnoresShutdown = false })
		if err := b.server.RetryStep(context.Background(), run, step.ID, api.StepRequest{By: "maria"}); err != nil {
			t.Fatal(err)
		}
		b.over(run)
	})
}

func TestDriftIsHeldAndNotOverwritten(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		before := b.dump()
		w := b.lend(api.WorkspaceRequest{Copy: "group-01"})
		b.at.EditVM("group-01-vm-01", func(vm *sim.VM) {
			nic := vm.NICs["nic0"]
			nic.Network = "isolated-04" // somebody else put it there
			vm.NICs["nic0"] = nic
		})
		run := b.giveBack(w)
		step, how := b.held(run)
		if step.Property.Name != drivers.NIC || how.Found == nil || how.Found.Text != "isolated-04" {
			t.Fatalf("held: %s, found %+v", step.Change, how.Found)
		}
		if err := b.server.SkipStep(context.Background(), run, step.ID, api.StepRequest{}); err == nil {
			t.Error("a step was skipped without a reason")
		}
		if err := b.server.SkipStep(context.Background(), run, step.ID, api.StepRequest{By: "maria", Reason: "moved by the network team"}); err != nil {
			t.Fatal(err)
		}
		b.over(run)
		after := b.dump()
		if before == after || strings.ReplaceAll(after, " isolated-04 mac", " prod mac") != before {
			t.Errorf("all but the NIC should be as before:\n%s\n%s", before, after)
		}
	})
}

func TestAHypervisorThatIsGoneForAMinuteDelaysAndNothingElse(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		before := b.dump()
		w := b.lend(api.WorkspaceRequest{Copy: "group-01"})
		run := b.begin(api.PlanRequest{Verb: scheduler.Reclaim, Group: "group-01"})
		b.at.SetDown("the vCenter restarts")
		time.Sleep(time.Minute)
		b.at.SetDown("")
		b.over(run)
		b.over(b.revert("group-01"))
		b.over(b.giveBack(w))
		if after := b.dump(); after != before {
			t.Errorf("the site is not as it was:\n%s\n%s", before, after)
		}
	})
}

// What fails while the driver itself says that its site is away is not held against the
// steps: they would each wait for a person when it is back.
func TestAHypervisorThatStaysAwayIsWaitedFor(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.lend(api.WorkspaceRequest{Copy: "group-01"})
		run := b.failover("group-01")
		time.Sleep(time.Second)
		b.at.SetDown("the vCenter burns")
		time.Sleep(time.Hour)
		got, err := b.server.Run(context.Background(), run)
		if err != nil || got.Held > 0 {
			t.Errorf("%d steps are held: %v", got.Held, err)
		}
		told := false
		for _, note := range got.Notes {
			told = told || strings.Contains(note.Message, "the vCenter burns")
		}
		if !told {
			t.Errorf("nothing tells what the run waits for: %+v", got.Notes)
		}
		b.at.SetDown("")
		b.over(run)
	})
}

func TestARepeatedReclaimStartsNothing(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		run := b.begin(api.PlanRequest{Verb: scheduler.Reclaim, Group: "group-01"})
		again, err := b.server.Begin(context.Background(), api.PlanRequest{Verb: scheduler.Reclaim, Group: "group-01"})
		if err != nil || again.Run != run || again.Already == "" || again.Plan != nil {
			t.Errorf("a second reclaim gives %+v, %v", again, err)
		}
	})
}

func TestALeaseStandsStillWhileARunCoversTheWorkspace(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		w := b.lend(api.WorkspaceRequest{Copy: "group-01", For: time.Hour})
		b.over(b.begin(api.PlanRequest{Verb: scheduler.Reclaim, Group: "group-01"}))
		time.Sleep(5 * time.Hour)
		if got := b.state(w); got != scheduler.WorkspaceParked {
			t.Fatalf("a parked workspace of one hour is %s after five", got)
		}
		b.over(b.revert("group-01"))
		b.until("it is lent again", func() bool { return b.state(w) == scheduler.WorkspaceLent })
		time.Sleep(50 * time.Minute)
		if got := b.state(w); got != scheduler.WorkspaceLent {
			t.Errorf("with nine minutes of its lease left it is %s", got)
		}
		time.Sleep(20 * time.Minute)
		b.until("its volumes are kept after the lease", func() bool { return b.state(w) == scheduler.WorkspaceKept })
		time.Sleep(b.site.Rules.Retention + time.Hour)
		b.until("it is gone after the retention", func() bool { return b.state(w) == scheduler.WorkspaceGone })
	})
}

func TestARequestThatDoesNotFitNowWaitsItsTurn(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		first := b.lend(api.WorkspaceRequest{Copy: "group-01"})
		got, err := b.server.RequestWorkspace(context.Background(), api.WorkspaceRequest{Copy: "group-01", Owner: "ben", For: time.Hour})
		if err != nil || got.Run != "" || got.Workspace.State != scheduler.WorkspaceWaiting || got.Workspace.Waits == "" {
			t.Fatalf("the second copy: %+v, %v", got, err)
		}
		b.over(b.giveBack(first))
		b.until("the second is lent", func() bool { return b.state(got.Workspace.ID) == scheduler.WorkspaceLent })
	})
}

func TestAVictimOfTwoGroupsComesBackWhenBothAreReverted(t *testing.T) {
	shape := small()
	shape.Hosts, shape.HostMemoryMiB, shape.Groups, shape.VMsPerGroup, shape.OwnVMs = 1, 32<<10, 2, 1, 0
	shape.VMMemoryMiB = 12 << 10
	inBubble(t, shape, func(t *testing.T, b *bench) {
		w := b.lend(api.WorkspaceRequest{Template: "template-01", Count: 3}) // 24 of 32 GiB
		b.over(b.failover("group-01"))
		b.over(b.failover("group-02"))
		if got := b.state(w); got != scheduler.WorkspaceParked {
			t.Fatalf("the workspace is %s", got)
		}
		b.over(b.revert("group-01"))
		time.Sleep(time.Minute)
		if got := b.state(w); got != scheduler.WorkspaceParked {
			t.Errorf("one group has gone home, and the workspace is %s", got)
		}
		b.over(b.revert("group-02"))
		b.until("it is lent again", func() bool { return b.state(w) == scheduler.WorkspaceLent })
	})
}
