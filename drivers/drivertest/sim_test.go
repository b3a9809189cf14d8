package drivertest_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/drivertest"
	"github.com/hotspare/hotspare/drivers/plugin"
	"github.com/hotspare/hotspare/drivers/sim"
)

// shape is a site with everything that the suite asks for.
func shape() sim.Shape {
	const ms = time.Millisecond
	return sim.Shape{
		Hosts: 2, Groups: 1, VMsPerGroup: 2, Templates: 1, Incomplete: true,
		Latency: sim.Latency{
			PowerOn: 8 * ms, Boot: ms, GuestShutdown: 8 * ms, PowerOff: 8 * ms, Suspend: 8 * ms, CloneVM: 8 * ms, DeleteVM: 8 * ms,
			Host: 8 * ms, Disk: 8 * ms, NIC: 8 * ms, CloneVolume: 8 * ms, DeleteVolume: 8 * ms, Datastore: 8 * ms, Promote: 8 * ms,
			Demote: 8 * ms, Callout: 8 * ms,
		},
	}
}

// rig names what the suite may use at such a site.
func rig(site *sim.Site, driver drivers.Driver, cut sim.FaultMode) drivertest.Rig {
	site.AddVM(sim.VM{
		Name: "plain", Host: "host-01", MemoryMiB: 1024, Autostart: true, HARestart: "high",
		Disks: map[string]sim.Disk{"disk0": {Endpoint: "[ds1] plain"}}, NICs: map[string]sim.NIC{"nic0": {Network: "isolated-03"}},
	})
	site.AddVolume(sim.Volume{Endpoint: "[ds1] somebody/data", Name: "somebody/data"})
	site.AddDatastore(sim.Datastore{Name: "ds2", LUN: "lun-2", Hosts: []string{"host-02"}})
	return drivertest.Rig{
		Driver: driver, Site: "brno", Cluster: "c1",
		VM: sim.ID("group-01-vm-01"), DiskSlot: "disk0", NICSlot: "nic0", Network: "isolated-01", Host: "host-01",
		PowerVM: sim.ID("plain"), Template: "template-01", TemplateHost: "host-01",
		Replica: "/replicas/group-01", RestorePoints: [2]string{"rp-1", "rp-2"}, IncompletePoint: "rp-incomplete", Volume: "vm-01",
		Datastore: "ds2", Callout: "fence-group-01", ForeignVolume: "somebody/data", Grace: 20 * time.Second,
		IgnoreShutdown: func(_ *testing.T, vm string, ignore bool) {
			site.EditVM(vm, func(vm *sim.VM) { vm.Guest.IgnoresShutdown = ignore })
		},
		Drift:         func(_ *testing.T, p drivers.Property) func() { return drift(site, p) },
		ExpireSession: func(*testing.T) { site.ExpireSessions() },
		CutOff: func(_ *testing.T, c drivers.Change) {
			site.AddFault(sim.Fault{Mode: cut, Property: c.Property, Goal: c.Goal.Text, Times: 1})
		},
	}
}

// drift changes a property as somebody at the hypervisor's own console would.
func drift(site *sim.Site, p drivers.Property) (putBack func()) {
	switch {
	case p.Kind == drivers.Volume:
		endpoint := "[ds1] somebody/" + p.Target
		site.AddVolume(sim.Volume{Endpoint: endpoint, Name: p.Target})
		return func() { site.DeleteVolume(endpoint) }
	case p.Kind == drivers.Datastore:
		site.EditDatastore(p.Target, func(ds *sim.Datastore) { ds.LUN = "lun-of-somebody" })
		return func() { site.EditDatastore(p.Target, func(ds *sim.Datastore) { ds.LUN = "lun-2" }) }
	case p.Kind == drivers.Replica:
		site.EditReplica(p.Target, func(r *sim.Replica) { r.Role, r.Promoted = drivers.Primary, &sim.Promotion{As: "somebody"} })
		return func() {
			site.EditReplica(p.Target, func(r *sim.Replica) { r.Role, r.Promoted = drivers.Secondary, nil })
		}
	case p.Kind == drivers.VM && p.Name == drivers.Presence:
		site.AddVM(sim.VM{ID: p.Target, Name: "somebody's", Host: "host-01", MemoryMiB: 64})
		return func() { site.DeleteVM(p.Target) }
	case p.Kind == drivers.Callout:
		return nil // it is done or undone: there is no third value
	}
	before, _ := site.VM(p.Target)
	set := func(vm sim.VM) func() {
		return func() {
			site.EditVM(p.Target, func(at *sim.VM) {
				at.Power, at.Autostart, at.Pool, at.Disks, at.NICs = vm.Power, vm.Autostart, vm.Pool, vm.Disks, vm.NICs
			})
		}
	}
	after, _ := site.VM(p.Target)
	switch p.Name {
	case drivers.Power:
		after.Autostart = !after.Autostart
	case drivers.HostOf:
		after.Pool = "a pool of somebody's"
	case drivers.Disk:
		d := after.Disks[p.Slot]
		d.Cache = "writeback"
		after.Disks[p.Slot] = d
	case drivers.NIC:
		n := after.NICs[p.Slot]
		n.Network = "isolated-02"
		after.NICs[p.Slot] = n
	}
	set(after)()
	return set(before)
}

func TestSimInProcess(t *testing.T) {
	site := sim.NewSite(shape())
	r := rig(site, sim.Configured(site, "brno", "c1"), sim.FailHalfway)
	before := site.Dump()
	drivertest.Run(t, r)
	if after := site.Dump(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// asPlugin gives a supervised plugin process on a site of its own.
func asPlugin(t *testing.T) (*plugin.Supervisor, *sim.Site) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "site.json")
	site, err := sim.OpenShaped(path, shape())
	if err != nil {
		t.Fatal(err)
	}
	temp, err := os.MkdirTemp("", "hs") // the test's own folder has too long a name for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	supervisor, err := plugin.Supervise(t.Context(), plugin.Config{
		Binary:  drivertest.Build(t, "github.com/hotspare/hotspare/cmd/hotspare-driver-sim"),
		TempDir: temp, Logger: slog.New(slog.DiscardHandler), Patience: 20 * time.Second,
		BackoffFirst: time.Millisecond, BackoffMost: 5 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(supervisor.Close)
	body, err := json.Marshal(map[string]string{"file": path})
	if err != nil {
		t.Fatal(err)
	}
	if err := supervisor.Configure(t.Context(), drivers.Configuration{Site: "brno", Cluster: "c1", Body: body}); err != nil {
		t.Fatal(err)
	}
	return supervisor, site
}

// TestSimAsPlugin kills the process exactly when a change is half-made.
func TestSimAsPlugin(t *testing.T) {
	supervisor, site := asPlugin(t)
	r := rig(site, supervisor, sim.KillProcess)
	before := site.Dump()
	drivertest.Run(t, r)
	if after := site.Dump(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if n := supervisor.Status().Restarts; n == 0 {
		t.Error("the driver's process was never killed")
	}
}

// TestSimAsPluginKilledAtAnyMoment kills the process from outside, as a driver is tested
// that cannot be told when to die.
func TestSimAsPluginKilledAtAnyMoment(t *testing.T) {
	if testing.Short() {
		t.Skip("launches the driver some hundred times")
	}
	supervisor, site := asPlugin(t)
	r := rig(site, supervisor, "")
	r.CutOff = nil
	r.Kill = func(t *testing.T) {
		pid := supervisor.Status().PID
		for ; pid == 0; pid = supervisor.Status().PID {
			time.Sleep(time.Millisecond)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
	before := site.Dump()
	drivertest.Run(t, r)
	if after := site.Dump(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}
