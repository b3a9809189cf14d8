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

// tight is a site of few hosts, which two groups and what is lent fill.
func tight(hosts int) sim.Shape {
	return sim.Shape{Hosts: hosts, HostMemoryMiB: 40 << 10, Groups: 3, VMsPerGroup: 2, Templates: 1, Latency: sim.Typical()}
}

// obeys has the guests of VMs ignore the request to shut down, or no longer.
func (b *bench) obeys(obey bool, vms ...string) {
	for _, vm := range vms {
		b.at.EditVM(vm, func(vm *sim.VM) { vm.Guest.IgnoresShutdown = !obey })
	}
}

// Production that goes home may stay on for as long as its guest likes: its room is not as
// good as free, and its revert stays its own.
func TestProductionThatGoesHomeIsNoRoomYet(t *testing.T) {
	inBubble(t, tight(1), func(t *testing.T, b *bench) {
		b.over(b.failover("group-02"))
		b.obeys(false, "group-02-vm-01", "group-02-vm-02")
		b.held(b.revert("group-02"))
		b.lend(api.WorkspaceRequest{Template: "template-01", Count: 2})
		run := b.failover("group-01")
		time.Sleep(2 * time.Hour)
		b.produces(run, "group-01-vm-01", "group-01-vm-02")
		if g, err := b.server.Group(context.Background(), "group-02"); err != nil || g.State != scheduler.GroupReverting {
			t.Errorf("the other group is %+v, %v", g, err)
		}
	})
}

// A person skipped the power-off of production: it stays on, whoever fails over beside it.
func TestWhatAPersonLeftOnStaysOn(t *testing.T) {
	inBubble(t, tight(1), func(t *testing.T, b *bench) {
		vms := []string{"group-02-vm-01", "group-02-vm-02"}
		b.over(b.failover("group-02"))
		b.obeys(false, vms...)
		run := b.revert("group-02")
		b.held(run)
		b.skipHeld(run, "it stays on until Monday")
		b.obeys(true, vms...)
		run = b.failover("group-01")
		b.over(run)
		b.produces(run, vms...)
	})
}

// A lease ends; its VMs go down when a group fails that needs some of their room. The others
// go down too.
func TestAnExpiredWorkspaceGoesDownWhole(t *testing.T) {
	shape := tight(2)
	shape.VMsPerGroup = 1
	inBubble(t, shape, func(t *testing.T, b *bench) {
		id := b.lend(api.WorkspaceRequest{Template: "template-01", Count: 8, For: time.Hour})
		w, err := b.server.Workspace(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, vm := range w.VMs {
			b.obeys(false, vm.ID)
		}
		time.Sleep(time.Hour + 5*time.Second)
		b.over(b.failover("group-01"))
		time.Sleep(10 * time.Hour)
		for _, vm := range w.VMs {
			if at, _ := b.at.VM(vm.ID); at.Power != drivers.Off {
				t.Errorf("ten hours after its lease %s has %s %s", id, at.Name, at.Power)
			}
		}
	})
}

// What a failover took down beside it does not cover a copy that is lent later.
func TestALaterCopyIsNotCovered(t *testing.T) {
	inBubble(t, tight(2), func(t *testing.T, b *bench) {
		w := b.lend(api.WorkspaceRequest{Copy: "group-02", For: time.Hour})
		b.obeys(false, "group-02-vm-01", "group-02-vm-02")
		b.giveBack(w)
		time.Sleep(5 * time.Second)
		b.over(b.failover("group-01"))
		b.until("it is gone", func() bool { return b.state(w) == scheduler.WorkspaceGone })
		w = b.lend(api.WorkspaceRequest{Copy: "group-02", For: 4 * time.Hour})
		b.over(b.begin(api.PlanRequest{Verb: scheduler.Reclaim, Group: "group-02"}))
		b.over(b.revert("group-02"))
		b.until("it comes back", func() bool { return b.state(w) == scheduler.WorkspaceLent })
		time.Sleep(24 * time.Hour)
		if vm, _ := b.at.VM("group-02-vm-01"); vm.Power != drivers.Off {
			t.Errorf("20 hours after the lease of %s, which is %s, %s is %s", w, b.state(w), vm.Name, vm.Power)
		}
	})
}
