package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// stubborn lends so many VMs, whose guests ignore the request to shut down.
func (b *bench) stubborn(count int) string {
	b.Helper()
	id := b.lend(api.WorkspaceRequest{Template: "template-01", Count: count})
	w, err := b.server.Workspace(context.Background(), id)
	if err != nil {
		b.Fatal(err)
	}
	for _, vm := range w.VMs {
		b.at.EditVM(vm.ID, func(vm *sim.VM) { vm.Guest.IgnoresShutdown = true })
	}
	return id
}

// produces checks that a run is over, nothing of it is held, and its group's VMs are on.
func (b *bench) produces(run string, vms ...string) {
	b.Helper()
	r, err := b.server.Run(context.Background(), run)
	if err != nil {
		b.Fatal(err)
	}
	for i, sr := range r.Run.Steps {
		if sr.State == scheduler.StepHeld {
			b.Errorf("%s holds %s %s: %s", run, r.Run.Plan.Steps[i].Target, r.Run.Plan.Steps[i].Change, sr.Note)
		}
	}
	for _, vm := range vms {
		if at, _ := b.at.VM(vm); at.Power != drivers.On {
			b.Errorf("%s is %s after %s", vm, at.Power, run)
		}
	}
}

// Two groups fail at once, and need the same victim off. Its guest takes its whole grace:
// neither group may take the other's attempt for the deed.
func TestTwoGroupsWaitForTheSameVictim(t *testing.T) {
	for name, fault := range map[string]func(b *bench){
		"guests that ignore the shutdown": func(*bench) {},
		"calls that fail": func(b *bench) {
			b.at.AddFault(sim.Fault{Mode: sim.FailBefore, Goal: drivers.Off, Times: 150, Property: drivers.Property{Kind: drivers.VM, Name: drivers.Power}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, crowded(), func(t *testing.T, b *bench) {
				b.stubborn(14)
				fault(b)
				first := b.failover("group-01")
				time.Sleep(30 * time.Second)
				second := b.failover("group-02")
				time.Sleep(30 * time.Minute)
				b.produces(first, "group-01-vm-01", "group-01-vm-02")
				b.produces(second, "group-02-vm-01", "group-02-vm-02")
				if v := b.at.Violations(); len(v) > 0 {
					t.Error(v)
				}
			})
		})
	}
}

// A workspace that was returned a moment ago still runs. It is no room that is short: it
// goes down at the failover's pace, and what starts waits for it.
func TestAFailoverWaitsForAWorkspaceThatIsGoing(t *testing.T) {
	inBubble(t, crowded(), func(t *testing.T, b *bench) {
		w := b.stubborn(14)
		b.giveBack(w)
		time.Sleep(5 * time.Second)
		run := b.failover("group-01")
		if r, err := b.server.Run(context.Background(), run); err != nil || len(r.Run.Plan.Notes) > 0 {
			t.Errorf("the plan finds something amiss: %v, %q", err, r.Run.Plan.Notes)
		}
		time.Sleep(time.Hour)
		b.produces(run, "group-01-vm-01", "group-01-vm-02")
		if state := b.state(w); state != scheduler.WorkspaceGone {
			t.Errorf("the workspace that was returned is %s", state)
		}
	})
}
