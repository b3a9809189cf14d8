package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/plan"
)

// two is a host of 16 GiB on which two groups want 8 GiB each.
func two(t tb) *world {
	w := newWorld(t)
	w.cluster("c1", 3, 16)
	w.template("c1", "small", 2)
	w.group("one", standby{"db1", "c1", "h1", 6, 1}, standby{"web1", "c1", "h1", 2, 1})
	w.group("two", standby{"db2", "c1", "h1", 8, 1})
	return w
}

func reqFor(group string) plan.Request {
	r := req()
	r.Group = group
	return r
}

func (w *world) on(name string) bool {
	for power, vm := range w.vms {
		if vm.name == name {
			return w.at[power].Text == drivers.On
		}
	}
	return false
}

func TestAStartWaitsOnlyForTheRoomThatItNeeds(t *testing.T) {
	w := two(t)
	w.lend(scheduler.Workspace{From: "small", Count: 2})
	w.lend(scheduler.Workspace{From: "small", Count: 4}) // 4 GiB are free, 12 lent
	p := w.must(plan.Failover(w.snap(), reqFor("one")))
	if len(p.Victims) != 1 || p.Victims[0].Workspace != "ws-2" {
		t.Fatalf("victims %+v, want ws-2 only", p.Victims)
	}
	for target, offs := range map[string]int{"db1": 1, "web1": 2} {
		waits := 0
		for _, id := range step(p, target, "power", "on").After {
			if s := p.Steps[id-1]; s.TurnsOff() && strings.HasPrefix(s.Target, "ws-2") {
				waits++
			}
		}
		if waits != offs {
			t.Errorf("%s waits for %d offs, want %d\n%s", target, waits, offs, tell(p))
		}
	}
	w.run(p)
}

func TestASharedVictimComesBackWhenBothGroupsHaveGoneHome(t *testing.T) {
	w := two(t)
	id := w.lend(scheduler.Workspace{From: "small", Count: 5})
	w.run(w.must(plan.Failover(w.snap(), reqFor("one"))))
	w.run(w.must(plan.Failover(w.snap(), reqFor("two"))))
	for _, group := range []string{"one", "two"} {
		if w.on("ws-1-small-1") {
			t.Errorf("%s comes back before %s has gone home", id, group)
		}
		p := w.must(plan.Revert(w.snap(), reqFor(group)))
		if back := len(p.Returning) == 1 && !p.Returning[0].Stays; back != (group == "two") {
			t.Errorf("the revert of %s brings back %+v", group, p.Returning)
		}
		w.run(p)
	}
	if !w.on("ws-1-small-1") {
		t.Errorf("%s did not come back", id)
	}
}

func TestAWorkspaceStaysParkedWhereThereIsNoRoom(t *testing.T) {
	w := two(t)
	older := w.lend(scheduler.Workspace{From: "small", Count: 3})
	younger := w.lend(scheduler.Workspace{From: "small", Count: 3})
	r := reqFor("two")
	w.run(w.must(plan.Reclaim(w.snap(), reqFor("one"))))
	w.run(w.must(plan.Reclaim(w.snap(), r)))
	h := w.hosts["c1"]["h1"]
	h.MemoryMiB = 15 * gib
	w.hosts["c1"]["h1"] = h
	w.run(w.must(plan.Revert(w.snap(), r)))
	w.run(w.must(plan.Revert(w.snap(), reqFor("one"))))
	if all := w.state.Workspaces; !all[older].Covered.IsZero() || !all[younger].Covered.IsZero() {
		t.Fatalf("both fit into 15 GiB: %+v", w.state.Workspaces)
	}

	w.run(w.must(plan.Reclaim(w.snap(), reqFor("one"))))
	w.run(w.must(plan.Reclaim(w.snap(), r)))
	h.MemoryMiB = 7 * gib
	w.hosts["c1"]["h1"] = h
	w.run(w.must(plan.Revert(w.snap(), r)))
	w.run(w.must(plan.Revert(w.snap(), reqFor("one"))))
	if !w.on("ws-1-small-1") || w.on("ws-2-small-1") {
		t.Errorf("the one lent first comes back, and the other waits: %s %v, %s %v", older, w.on("ws-1-small-1"), younger, w.on("ws-2-small-1"))
	}
	parked := w.state.Workspaces[younger]
	if !strings.HasPrefix(parked.Waits, "waits for room: ws-2-small-") {
		t.Errorf("it waits because %q", parked.Waits)
	}
	if got := answer(func() error { _, err := plan.LendWorkspace(w.snap(), parked); return err }()); !strings.HasPrefix(got, "waits: waits for room") {
		t.Errorf("and goes on waiting: %s", got)
	}
	h.MemoryMiB = 16 * gib
	w.hosts["c1"]["h1"] = h
	w.run(w.must(plan.LendWorkspace(w.snap(), parked)))
	if !w.on("ws-2-small-1") || !parked.Covered.IsZero() {
		t.Error("it does not come back when there is room")
	}
}

func TestAWorkspaceWithoutItsHostStaysParkedWhole(t *testing.T) {
	w := payments(t)
	id := w.lend(scheduler.Workspace{From: "small", Count: 16}) // on both hosts
	w.run(w.must(plan.Reclaim(w.snap(), req())))
	maintain(w, "h2")
	p := w.must(plan.Revert(w.snap(), req()))
	if len(p.Returning) != 1 || !p.Returning[0].Stays || !strings.HasPrefix(p.Returning[0].Why, "waits for host h2 of ") {
		t.Errorf("returning %+v", p.Returning)
	}
	for _, s := range p.Steps {
		if s.TurnsOn() {
			t.Errorf("%s of %s comes on alone", s.Target, id)
		}
	}
	w.run(p)
}

func TestAReturnUnderTheLayersOfARunChangesNothingOfProduction(t *testing.T) {
	w := payments(t)
	id := w.lend(scheduler.Workspace{Copy: "payments"})
	w.run(w.must(plan.Failover(w.snap(), req())))
	p := w.must(plan.ReturnWorkspace(w.snap(), w.state.Workspaces[id], "anna", time.Time{}))
	for _, s := range p.Steps {
		if s.Property.Kind != drivers.Volume {
			t.Errorf("step %d changes %s %s", s.ID, s.Target, s.Change)
		}
	}
	w.run(p)
	w.run(w.must(plan.Revert(w.snap(), req())))
	if got := w.at[disk(w, "db", "d0")].Text; got != "replica:db" {
		t.Errorf("the disk of db is %s after the revert, not the replica", got)
	}
}

func TestAReturnWaitsForTheRunThatWorksThere(t *testing.T) {
	w := payments(t)
	id := w.lend(scheduler.Workspace{Copy: "payments"})
	w.accept(w.must(plan.Reclaim(w.snap(), req())))
	_, err := plan.ReturnWorkspace(w.snap(), w.state.Workspaces[id], "anna", time.Time{})
	if got := answer(err); !strings.HasPrefix(got, "waits: run r-2 works on the same machines") {
		t.Error(got)
	}
}

func TestAnExpiryKeepsWhatWasWritten(t *testing.T) {
	w := payments(t)
	id := w.lend(scheduler.Workspace{Copy: "payments"})
	fresh := w.lend(scheduler.Workspace{From: "small", Count: 1})
	for _, ws := range []string{id, fresh} {
		w.run(w.must(plan.ReturnWorkspace(w.snap(), w.state.Workspaces[ws], "hotspare", w.now.Add(time.Hour))))
	}
	if w.on("db") || w.on("ws-2-small-1") {
		t.Error("a VM is on after the lease")
	}
	if w.at[disk(w, "db", "d0")].Text != "replica:db" {
		t.Error("the standby VM is not as it was found")
	}
	clones, vms := 0, 0
	for p := range w.at {
		if p.Kind == drivers.Volume {
			clones++
		}
	}
	for _, vm := range w.vms {
		if vm.name == "ws-2-small-1" {
			vms++
		}
	}
	if clones != 2 || vms != 1 {
		t.Errorf("%d clones and %d VMs are kept, want 2 and 1", clones, vms)
	}
	for _, ws := range []string{id, fresh} {
		w.run(w.must(plan.ReturnWorkspace(w.snap(), w.state.Workspaces[ws], "hotspare", time.Time{})))
	}
	if len(w.state.Stacks) != 0 {
		t.Errorf("stacks are left: %v", w.state.Stacks)
	}
}

// What a revert left to do that another group's reclaim took over is finished, and the VM
// is not started because an old inventory says that it was on.
func TestFinishDoesNotTrustAnOldInventory(t *testing.T) {
	w := two(t)
	w.lend(scheduler.Workspace{From: "small", Count: 5})
	w.run(w.must(plan.Failover(w.snap(), reqFor("one"))))
	old := w.snap().Inventory
	revert := w.accept(w.must(plan.Revert(w.snap(), reqFor("one"))))
	for w.on("db1") || w.on("web1") || len(w.flying) > 0 { // until production is off
		w.event(func(int) int { return 0 })
	}
	w.run(w.must(plan.Reclaim(w.snap(), reqFor("two"))))
	run := w.state.Runs[revert]
	if run.State != scheduler.TakenOver || len(plan.Unfinished(w.state, run)) == 0 {
		t.Fatalf("the revert is %s, and nothing of it is left", run.State)
	}
	snap := w.snap()
	snap.Inventory = old
	p := w.must(plan.Finish(snap, run))
	w.fold(accepted(p))
	w.drain(func(int) int { return 0 })
	if w.on("db1") || w.on("web1") {
		t.Errorf("a VM is on that nobody wants on\n%s", tell(p))
	}
	if len(plan.Unfinished(w.state, run)) > 0 || w.at[disk(w, "db1", "d0")].Text != "replica:db1" {
		t.Errorf("it is not finished\n%s", tell(p))
	}
}

// A group at two clusters: each has its own replica, isolated network and room.
func TestAGroupAtTwoClusters(t *testing.T) {
	w := newWorld(t)
	w.cluster("c1", 1, 8)
	w.cluster("c2", 1, 8)
	w.template("c2", "small", 2)
	w.group("shop", standby{"db", "c1", "h1", 8, 1}, standby{"web", "c2", "h1", 8, 2})
	w.lend(scheduler.Workspace{From: "small", Count: 1})
	w.run(w.must(plan.Failover(w.snap(), reqFor("shop"))))
	if !w.on("db") || !w.on("web") || w.on("ws-1-small-1") {
		t.Error("the group does not run at both clusters")
	}
	w.run(w.must(plan.Revert(w.snap(), reqFor("shop"))))
	if !w.on("ws-1-small-1") {
		t.Error("the victim did not come back")
	}
}

func TestGoldenPlans(t *testing.T) {
	w := payments(t)
	snap := func() *scheduler.Snapshot {
		s := w.snap()
		s.Drivers = map[string]drivers.Description{"c1": {
			Properties: []drivers.Capability{{Kind: drivers.Replica, Name: drivers.Role, NotExact: "the replica is copied anew after it"}},
			Limits:     []drivers.Limit{{Kind: drivers.VM, Name: drivers.Power, PerCluster: 8, PerHost: 4}},
		}}
		return s
	}
	w.lend(scheduler.Workspace{Copy: "payments"})
	w.lend(scheduler.Workspace{From: "small", Count: 6, Owner: "ben"})
	failover := w.must(plan.Failover(snap(), req()))
	golden(t, "failover", tell(failover))
	w.run(failover)
	golden(t, "revert", tell(w.must(plan.Revert(snap(), req()))))
}
