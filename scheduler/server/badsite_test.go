package server_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// What a site shows that it should not.

// driver gives the one driver as people see it.
func (b *bench) driver() api.Driver {
	b.Helper()
	all, err := b.server.Drivers(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	return all[0]
}

func TestAnInventoryThatIsWrongIsNoNews(t *testing.T) {
	for what, c := range map[string]struct {
		listed func([]drivers.Item) []drivers.Item
		says   string
	}{
		"an empty one": {func([]drivers.Item) []drivers.Item { return nil }, "has no host"},
		"one that lists a VM twice": {func(items []drivers.Item) []drivers.Item {
			for _, i := range items {
				if i.VM != nil {
					return append(items, i)
				}
			}
			return items
		}, "twice"},
	} {
		t.Run(what, func(t *testing.T) {
			inBubble(t, small(), func(t *testing.T, b *bench) {
				before := b.dump()
				w := b.lend(api.WorkspaceRequest{Copy: "group-01"})
				known := b.driver()
				b.listed.Store(&c.listed)
				b.until("the driver is failing", func() bool { return b.driver().State == "failing" })
				for range 300 { // a health report that is good does not hide it
					time.Sleep(100 * time.Millisecond)
					if d := b.driver(); d.State != "failing" || !strings.Contains(d.Error, c.says) {
						t.Fatalf("the driver is %s: %q; want the words %q", d.State, d.Error, c.says)
					}
				}
				if d := b.driver(); d.VMs != known.VMs {
					t.Errorf("%d VMs are known, and were %d", d.VMs, known.VMs)
				}
				b.over(b.begin(api.PlanRequest{Verb: scheduler.Reclaim, Group: "group-01"}))
				if vm, _ := b.at.VM("group-01-vm-01"); vm.Power != drivers.Off {
					t.Errorf("a victim is %s after the reclaim", vm.Power)
				}
				b.listed.Store(nil)
				b.until("the driver is ready", func() bool { return b.driver().State == "ready" })
				b.over(b.revert("group-01"))
				b.over(b.giveBack(w))
				if after := b.dump(); after != before {
					t.Errorf("the site is not as it was:\n%s\n%s", before, after)
				}
			})
		})
	}
}

// allHeld gives the held steps of a run that is held, by number.
func (b *bench) allHeld(run string) map[int]string {
	b.Helper()
	b.held(run)
	got, err := b.server.Run(context.Background(), run)
	if err != nil {
		b.Fatal(err)
	}
	notes := map[int]string{}
	for i, s := range got.Run.Steps {
		if s.State == scheduler.StepHeld {
			notes[i+1] = s.Note
		}
	}
	return notes
}

// withoutOne loses something of the site while a copy is lent, and returns the copy, or
// reclaims the group: the steps that need it are held with its name, and what does not need
// it is done.
func withoutOne(t *testing.T, lose, again func(*sim.Site), property drivers.Name, says ...string) {
	for _, verb := range []scheduler.Verb{scheduler.Return, scheduler.Reclaim} {
		t.Run(string(verb), func(t *testing.T) { withoutOneIn(t, verb, lose, again, property, says) })
	}
}

func withoutOneIn(t *testing.T, verb scheduler.Verb, lose, again func(*sim.Site), property drivers.Name, says []string) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		before := b.dump()
		w := b.lend(api.WorkspaceRequest{Copy: "group-01"})
		lose(b.at)
		var run string
		if verb == scheduler.Reclaim {
			run = b.begin(api.PlanRequest{Verb: verb, Group: "group-01"})
		} else {
			run = b.giveBack(w)
		}
		held := b.allHeld(run)
		if len(held) != 2 {
			t.Fatalf("%d steps are held, want one for each VM: %v", len(held), held)
		}
		got, err := b.server.Run(context.Background(), run)
		if err != nil {
			t.Fatal(err)
		}
		for id, note := range held {
			if p := got.Run.Plan.Steps[id-1].Property; p.Name != property {
				t.Errorf("held is %s", p)
			}
			for _, word := range says {
				if !strings.Contains(note, word) {
					t.Errorf("a step is held with %q; want the words %q", note, word)
				}
			}
		}
		for _, name := range []string{"group-01-vm-01", "group-01-vm-02"} {
			vm, _ := b.at.VM(name)
			if vm.Power != drivers.Off {
				t.Errorf("%s is %s, though going off needs nothing that is lost", name, vm.Power)
			}
			if property != drivers.NIC && vm.NICs["nic0"].Network != "prod" {
				t.Errorf("%s is still on %s", name, vm.NICs["nic0"].Network)
			}
			if property != drivers.Disk && strings.Contains(vm.Disks["disk0"].Endpoint, "hotspare/") {
				t.Errorf("%s still has the disk %s", name, vm.Disks["disk0"].Endpoint)
			}
		}
		again(b.at)
		for id := range held {
			if err := b.server.RetryStep(context.Background(), run, id, api.StepRequest{By: "maria"}); err != nil {
				t.Fatal(err)
			}
		}
		b.over(run)
		if verb == scheduler.Reclaim {
			b.over(b.revert("group-01"))
			b.over(b.giveBack(w))
		}
		if after := b.dump(); after != before {
			t.Errorf("the site is not as it was:\n%s\n%s", before, after)
		}
	})
}

func TestANetworkThatVanishedHoldsOnlyWhatNeedsIt(t *testing.T) {
	withoutOne(t, func(at *sim.Site) { at.RemoveNetwork("prod") }, func(at *sim.Site) { at.AddNetwork("prod") },
		drivers.NIC, "there is no network prod", "make the network again")
}

func TestADatastoreThatVanishedHoldsOnlyWhatNeedsIt(t *testing.T) {
	var hosts []string
	withoutOne(t, func(at *sim.Site) {
		at.EditDatastore("ds1", func(ds *sim.Datastore) { hosts, ds.Hosts = ds.Hosts, nil })
	}, func(at *sim.Site) {
		at.EditDatastore("ds1", func(ds *sim.Datastore) { ds.Hosts = hosts })
	}, drivers.Disk, "datastore ds1", "mount the datastore again")
}

// A reclaim needs nothing of a victim but its power.
func TestAReclaimIsNotHeldForWhatAVictimHasLost(t *testing.T) {
	shape := small()
	shape.Hosts, shape.HostMemoryMiB, shape.Groups, shape.VMsPerGroup, shape.OwnVMs = 1, 32<<10, 1, 1, 0
	shape.VMMemoryMiB = 12 << 10
	inBubble(t, shape, func(t *testing.T, b *bench) {
		w := b.lend(api.WorkspaceRequest{Template: "template-01", Count: 3}) // 24 of 32 GiB
		got, err := b.server.Workspace(context.Background(), w)
		if err != nil {
			t.Fatal(err)
		}
		b.at.RemoveNetwork(got.Network)
		b.at.EditDatastore("ds1", func(ds *sim.Datastore) { ds.Hosts = nil })
		b.over(b.begin(api.PlanRequest{Verb: scheduler.Reclaim, Group: "group-01"}))
		for _, lost := range got.VMs {
			if vm, _ := b.at.VM(lost.ID); vm.Power != drivers.Off {
				t.Errorf("%s is %s", vm.Name, vm.Power)
			}
		}
		if now := b.state(w); now != scheduler.WorkspaceParked {
			t.Errorf("the workspace is %s", now)
		}
	})
}

// A step that nobody can mend is skipped: the rest of the return goes on, and only what was
// skipped is left.
func TestAReturnGoesOnWithoutANetworkThatNeverComesBack(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		w := b.lend(api.WorkspaceRequest{Copy: "group-01"})
		b.at.RemoveNetwork("prod")
		run := b.giveBack(w)
		for id := range b.allHeld(run) {
			if err := b.server.SkipStep(context.Background(), run, id, api.StepRequest{By: "maria", Reason: "prod was given up"}); err != nil {
				t.Fatal(err)
			}
		}
		b.over(run)
		if got := b.state(w); got != scheduler.WorkspaceGone {
			t.Errorf("the workspace is %s", got)
		}
		if left := b.at.Volumes(func(v sim.Volume) bool { return v.Owner.Site != "" }); len(left) != 0 {
			t.Errorf("clones are left: %+v", left)
		}
	})
}

// A replica that cannot be read is the fault of its group alone: the other group is lent,
// reclaimed and failed over, and so is its own once it can be read.
func TestAReplicaThatCannotBeReadIsTheFaultOfItsGroupAlone(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		ctx := context.Background()
		const next = "check the replica's path, and that replication has run"
		const problem = "read replica /replicas/group-01: it has no restore-points.json; " + next
		b.at.EditReplica("/replicas/group-01", func(r *sim.Replica) { r.Unreadable = "it has no restore-points.json" })
		status := func() *api.Status {
			got, err := b.server.Status(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		b.until("the status names the broken group", func() bool { return strings.HasSuffix(status().Groups[0].Problem, problem) })
		if g := status().Groups[1]; g.Name != "group-02" || g.Problem != "" {
			t.Errorf("the other group has the problem %q", g.Problem)
		}
		if d := b.driver(); d.State != "ready" || d.Error != "" {
			t.Errorf("the driver is %s: %s", d.State, d.Error)
		}
		check, err := b.server.CheckDriver(ctx, "c1")
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range check.Lines {
			want := ""
			if line.What == "group group-01: replica group-01" {
				want = problem
			}
			if line.Error != want {
				t.Errorf("%s: %q, want %q", line.What, line.Error, want)
			}
		}
		for what, ask := range map[string]func() error{
			"the failover": func() error {
				_, err := b.server.Plan(ctx, api.PlanRequest{Verb: scheduler.Failover, Group: "group-01", DeclaredDeadBy: "maria"})
				return err
			},
			"a copy": func() error {
				_, err := b.server.RequestWorkspace(ctx, api.WorkspaceRequest{Copy: "group-01", Owner: "anna", For: time.Hour})
				return err
			},
		} {
			if err := ask(); err == nil || err.Error() != "the restore points of group-01 cannot be read: "+problem {
				t.Errorf("%s is answered with %v", what, err)
			}
		}
		b.over(b.begin(api.PlanRequest{Verb: scheduler.Reclaim, Group: "group-01"})) // needs no restore point
		b.over(b.revert("group-01"))

		fresh, lent := b.lend(api.WorkspaceRequest{Template: "template-01", Count: 1}), b.lend(api.WorkspaceRequest{Copy: "group-02"})
		b.over(b.begin(api.PlanRequest{Verb: scheduler.Reclaim, Group: "group-02"}))
		b.over(b.failover("group-02"))
		if vm, _ := b.at.VM("group-02-vm-01"); vm.Power != drivers.On || vm.NICs["nic0"].Network != "prod" {
			t.Errorf("after its failover a VM of the other group is %+v", vm)
		}
		b.at.EditReplica("/replicas/group-01", func(r *sim.Replica) { r.Unreadable = "" })
		b.until("no group has a problem", func() bool { return status().Groups[0].Problem == "" })
		b.over(b.failover("group-01"))
		b.over(b.revert("group-02"))
		b.over(b.revert("group-01"))
		b.over(b.giveBack(lent))
		b.over(b.giveBack(fresh))
		for _, name := range []string{"group-01-vm-01", "group-02-vm-01"} {
			if vm, _ := b.at.VM(name); vm.Power != drivers.Off || !strings.HasPrefix(vm.Disks["disk0"].Endpoint, "[ds1] replicas/") {
				t.Errorf("in the end %s is %+v", name, vm)
			}
		}
	})
}

func TestTwoVMsOfOneName(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		const name = "group-01-vm-01"
		standby, _ := b.at.VM(name)
		b.at.EditVM("infra-01", func(vm *sim.VM) { vm.Name = name })
		says := func(text string) bool {
			return strings.Contains(text, "2 of VM") && strings.Contains(text, name) && strings.Contains(text, "uuid")
		}
		b.until("the status tells it", func() bool {
			status, err := b.server.Status(context.Background())
			return err == nil && says(status.Groups[0].Problem)
		})
		for _, verb := range []scheduler.Verb{scheduler.Reclaim, scheduler.Failover} {
			if _, err := b.server.Plan(context.Background(), api.PlanRequest{Verb: verb, Group: "group-01", DeclaredDeadBy: "maria"}); err == nil || !says(err.Error()) {
				t.Errorf("the plan of a %s says %v", verb, err)
			}
		}
		if _, err := b.server.Plan(context.Background(), api.PlanRequest{Verb: scheduler.Reclaim, Group: "group-02"}); err != nil {
			t.Errorf("another group is kept from its plan: %v", err)
		}
		b.stop()
		b.site.Groups[0].VMs[0].UUID = standby.ID
		b.start()
		b.over(b.failover("group-01"))
		if vm, _ := b.at.VM(standby.ID); vm.Power != drivers.On {
			t.Errorf("with its uuid in the configuration the standby VM is %s after the failover", vm.Power)
		}
	})
}

// A site that hangs gives no error: that it is silent is told all the same.
func TestASiteThatHangsIsTold(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		hang := make(chan struct{})
		b.hang.Store(&hang)
		b.until("the driver is failing", func() bool { return b.driver().State == "failing" })
		if d := b.driver(); !strings.Contains(d.Error, "no report of its health since ") || time.Since(d.Proven) > 31*time.Second {
			t.Errorf("the driver is failing: %q, proven %s ago", d.Error, time.Since(d.Proven))
		}
		b.hang.Store(nil)
		close(hang)
		b.until("the driver is ready", func() bool { return b.driver().State == "ready" })
	})
}
