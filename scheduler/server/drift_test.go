package server_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// drifts lists the drifts that are open.
func (b *bench) drifts() []api.Drift {
	b.Helper()
	all, err := b.server.Drifts(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	return all
}

// drifted waits for exactly one drift.
func (b *bench) drifted() api.Drift {
	b.Helper()
	b.until("a drift is seen", func() bool { return len(b.drifts()) > 0 })
	all := b.drifts()
	if len(all) != 1 {
		b.Fatalf("drifts: %+v", all)
	}
	return all[0]
}

func (b *bench) accept(id, as string) (*api.Accepted, error) {
	return b.server.AcceptDrift(context.Background(), id, api.DriftRequest{By: "maria", As: as})
}

func (b *bench) putBack(id string) (*api.Accepted, error) {
	return b.server.PutBackDrift(context.Background(), id, api.DriftRequest{By: "maria"})
}

// rewire puts the first NIC of a VM on another network, behind hotspare's back.
func (b *bench) rewire(vm, network string) {
	b.at.EditVM(vm, func(vm *sim.VM) {
		nic := vm.NICs["nic0"]
		nic.Network = network
		vm.NICs["nic0"] = nic
	})
}

func TestDriftIsPutBack(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		before := b.dump()
		id := b.lend(api.WorkspaceRequest{Copy: "group-01"})
		lent := b.dump()
		time.Sleep(time.Hour)
		if all := b.drifts(); len(all) != 0 {
			t.Fatalf("hotspare takes its own work for drift: %+v", all)
		}
		b.rewire("group-01-vm-01", "isolated-04")
		d := b.drifted()
		if d.Label != "group-01-vm-01 nic nic0" || d.Holder != id || d.Before != "prod" || d.Wanted != d.Stands || d.Stands == "isolated-04" || d.Found != "isolated-04" {
			t.Errorf("drift: %+v", d)
		}
		if status, err := b.server.Status(context.Background()); err != nil || status.Drifts != 1 {
			t.Errorf("status tells of %d drifts, %v", status.Drifts, err)
		}
		b.stop()
		b.start() // it survives a restart
		_, err := b.server.PutBackDrift(context.Background(), d.ID, api.DriftRequest{})
		b.says(err, api.CodeUsage, "--by NAME")
		_, err = b.putBack("d-99")
		b.says(err, api.CodeNotFound, "hotspare drift list")
		got, err := b.putBack(d.Label)
		if err != nil || got.Run == "" || got.Plan.Verb != scheduler.PutBack || got.Plan.Workspace != id {
			t.Fatalf("%+v, %v", got, err)
		}
		b.over(got.Run)
		if diff := cmp.Diff(lent, b.dump()); diff != "" {
			t.Errorf("it is not as it was lent:\n%s", diff)
		}
		if all := b.drifts(); len(all) != 0 || b.state(id) != scheduler.WorkspaceLent {
			t.Errorf("after it was put back: %+v, and the workspace is %s", all, b.state(id))
		}
		b.over(b.giveBack(id))
		if diff := cmp.Diff(before, b.dump()); diff != "" {
			t.Errorf("the site is not as it was:\n%s", diff)
		}
	})
}

func TestDriftIsAcceptedAsLayer(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		before := b.dump()
		id := b.lend(api.WorkspaceRequest{Copy: "group-01"})
		b.rewire("group-01-vm-01", "isolated-04")
		_, err := b.accept(b.drifted().ID, "mine")
		b.says(err, api.CodeUsage, "as layer, or as found")
		got, err := b.accept(b.drifted().ID, api.AsLayer)
		if err != nil || got.Run != "" || !strings.Contains(got.Already, "isolated-04 of group-01-vm-01 nic nic0") {
			t.Fatalf("%+v, %v", got, err)
		}
		time.Sleep(time.Hour)
		if vm, _ := b.at.VM("group-01-vm-01"); vm.NICs["nic0"].Network != "isolated-04" || len(b.drifts()) != 0 {
			t.Errorf("what was accepted does not stay: %+v, %+v", vm.NICs, b.drifts())
		}
		b.over(b.failover("group-01"))
		b.over(b.revert("group-01"))
		b.until("it is lent again", func() bool { return b.state(id) == scheduler.WorkspaceLent })
		if vm, _ := b.at.VM("group-01-vm-01"); vm.NICs["nic0"].Network != "isolated-04" {
			t.Errorf("after a failover and its revert the layer is %+v", vm.NICs)
		}
		b.over(b.giveBack(id))
		if diff := cmp.Diff(before, b.withoutKept(b.dump(), "hotspare/test/r-")); diff != "" {
			t.Errorf("the layer has gone, and the site is not as it was:\n%s", diff)
		}
	})
}

func TestNoLayerIsAcceptedThatNoPlanWouldWrite(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.lend(api.WorkspaceRequest{Copy: "group-01"})
		b.rewire("group-01-vm-01", "prod")
		_, err := b.accept(b.drifted().ID, api.AsLayer)
		b.says(err, api.CodeRefused, "would be on production network prod", "hotspare drift put-back")
		if len(b.drifts()) != 1 {
			t.Error("the drift is gone with the refusal")
		}
	})
}

func TestDriftIsAcceptedAsFound(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		before := b.dump()
		id := b.lend(api.WorkspaceRequest{Copy: "group-01"})
		lent := b.dump()
		b.rewire("group-01-vm-01", "isolated-04") // the site's own network is this one from now on
		got, err := b.accept(b.drifted().ID, api.AsFound)
		if err != nil || got.Run == "" {
			t.Fatalf("%+v, %v", got, err)
		}
		b.over(got.Run)
		if diff := cmp.Diff(lent, b.dump()); diff != "" {
			t.Errorf("the workspace's layer does not lie above it:\n%s", diff)
		}
		b.over(b.giveBack(id))
		after := b.dump()
		if before == after || strings.ReplaceAll(after, " isolated-04 mac", " prod mac") != before {
			t.Errorf("all but the NIC should be as before:\n%s\n%s", before, after)
		}
	})
}

func TestWhatTheDriverAloneReadsDriftsToo(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.lend(api.WorkspaceRequest{Copy: "group-01"})
		lent := b.dump()
		b.at.EditVM("group-01-vm-01", func(vm *sim.VM) {
			nic := vm.NICs["nic0"]
			nic.MAC = "02:00:00:00:00:99"
			vm.NICs["nic0"] = nic
		})
		d := b.drifted()
		if !d.Detail || d.Found != d.Stands {
			t.Errorf("drift: %+v", d)
		}
		got, err := b.putBack(d.ID)
		if err != nil {
			t.Fatal(err)
		}
		b.over(got.Run)
		if diff := cmp.Diff(lent, b.dump()); diff != "" {
			t.Errorf("it is not as it was lent:\n%s", diff)
		}
	})
}

func TestDriftEndsByItself(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.lend(api.WorkspaceRequest{Copy: "group-01"})
		vm, _ := b.at.VM("group-01-vm-01")
		b.rewire("group-01-vm-01", "isolated-03")
		first := b.drifted()
		b.rewire("group-01-vm-01", "isolated-04")
		b.until("it tells what is found now", func() bool { return b.drifted().Found == "isolated-04" })
		if again := b.drifted(); again.ID != first.ID || again.Since != first.Since {
			t.Errorf("it is another drift: %+v, %+v", first, again)
		}
		b.rewire("group-01-vm-01", vm.NICs["nic0"].Network)
		b.until("the drift is gone", func() bool { return len(b.drifts()) == 0 })
	})
}

func TestAHostIsNoDriftWhereTheHypervisorMovesVMs(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		vm, _ := b.at.VM("group-01-vm-01")
		host, power := scheduler.Power("c1", vm.ID).On(drivers.HostOf, ""), scheduler.Power("c1", vm.ID)
		if !b.server.LooksAt(host) || !b.server.LooksAt(power) {
			t.Error("nobody moves VMs here, and it is not looked whether one was moved")
		}
		b.stop()
		b.at.SetMovesVMs(true)
		b.start()
		if b.server.LooksAt(host) || !b.server.LooksAt(power) {
			t.Error("the hypervisor moves VMs, and the host alone is not drift")
		}
	})
}

func TestAVMThatWasSwitchedOffIsSwitchedOnAgain(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.lend(api.WorkspaceRequest{Copy: "group-01"})
		b.at.EditVM("group-01-vm-02", func(vm *sim.VM) { vm.Power = drivers.Off })
		d := b.drifted()
		got, err := b.putBack(d.ID)
		if err != nil || len(got.Plan.Steps) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		b.over(got.Run)
		if vm, _ := b.at.VM("group-01-vm-02"); vm.Power != drivers.On {
			t.Errorf("it is %s", vm.Power)
		}
	})
}

func TestWhatWasDeletedIsTold(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		id := b.lend(api.WorkspaceRequest{Template: "template-01"})
		w, err := b.server.Workspace(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		b.at.DeleteVM(w.VMs[0].ID)
		d := b.drifted()
		if d.Found != drivers.Absent || d.Stuck == "" {
			t.Errorf("drift: %+v", d)
		}
		_, err = b.putBack(d.ID)
		b.says(err, api.CodeRefused, "it was deleted")
	})
}

func TestDriftIsNotLookedForInADisaster(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.lend(api.WorkspaceRequest{Copy: "group-01"})
		b.at.EditVM("group-02-vm-01", func(vm *sim.VM) { vm.Guest.Boot = time.Hour })
		b.over(b.failover("group-01"))
		b.rewire("group-01-vm-01", "isolated-04")
		run := b.failover("group-02")
		time.Sleep(4 * time.Minute) // the service of group-02 is not ready yet
		if got, err := b.server.Run(context.Background(), run); err != nil || got.State != string(scheduler.Running) {
			t.Fatalf("the failover is %v, %v", got, err)
		}
		if all := b.drifts(); len(all) != 0 {
			t.Errorf("it was looked for drift while a failover runs: %+v", all)
		}
		b.held(run)
		d := b.drifted()
		if d.Stands != "prod" || d.Found != "isolated-04" {
			t.Errorf("drift: %+v", d)
		}
		got, err := b.putBack(d.ID)
		if err != nil {
			t.Fatal(err)
		}
		b.over(got.Run)
		if vm, _ := b.at.VM("group-01-vm-01"); vm.NICs["nic0"].Network != "prod" || vm.Power != drivers.On {
			t.Errorf("production's VM is %s on %s", vm.Power, vm.NICs["nic0"].Network)
		}
	})
}
