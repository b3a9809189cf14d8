package sim_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/sim"
)

var owner = drivers.Owner{Site: "brno", Holder: "w1"}

// small is a site of four hosts and one group of two VMs.
func small(latency sim.Latency) *sim.Site {
	return sim.NewSite(sim.Shape{Hosts: 4, Groups: 1, VMsPerGroup: 2, Templates: 1, Incomplete: true, Latency: latency})
}

func vmProperty(name string, property drivers.Name, slot string) drivers.Property {
	return drivers.Property{Cluster: "c1", Kind: drivers.VM, Target: sim.ID(name), Name: property, Slot: slot}
}

// rig applies changes with ids of their own.
type rig struct {
	*sim.Driver
	t *testing.T
	n int
}

func newRig(t *testing.T, site *sim.Site) *rig {
	return &rig{Driver: sim.Configured(site, "brno", "c1"), t: t}
}

func (r *rig) change(p drivers.Property, goal drivers.Value) drivers.Change {
	r.n++
	return drivers.Change{Property: p, ID: fmt.Sprintf("change-%d", r.n), Goal: goal, Owner: owner}
}

func (r *rig) set(p drivers.Property, goal drivers.Value) drivers.Value {
	r.t.Helper()
	c := r.change(p, goal)
	c.Force = true
	v, err := r.Apply(context.Background(), c, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

func (r *rig) refuses(kind drivers.ErrorKind, p drivers.Property, goal drivers.Value) {
	r.t.Helper()
	_, err := r.Apply(context.Background(), r.change(p, goal), nil)
	if drivers.KindOf(err) != kind {
		r.t.Fatalf("%s to %s: want %s, got %v", p, goal.Text, kind, err)
	}
}

func text(s string) drivers.Value { return drivers.Value{Text: s} }

func clone(volume, point string) drivers.Value {
	return drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{Volume: &drivers.VolumeSpec{
		Replica: "/replicas/group-01", RestorePoint: point, Volume: volume,
	}}}
}

func volumeProperty(target string) drivers.Property {
	return drivers.Property{Cluster: "c1", Kind: drivers.Volume, Target: target, Name: drivers.Presence}
}

// A workspace comes and goes, and the site is as before.
func TestLendAndReturn(t *testing.T) {
	site := small(sim.Latency{})
	r := newRig(t, site)
	before := site.Dump()
	vm := "group-01-vm-01"
	diskProperty := vmProperty(vm, drivers.Disk, "disk0")
	nicProperty := vmProperty(vm, drivers.NIC, "nic0")
	powerProperty := vmProperty(vm, drivers.Power, "")
	found := map[drivers.Property]drivers.Value{}
	for _, p := range []drivers.Property{diskProperty, nicProperty, powerProperty} {
		v, err := r.Observe(context.Background(), p)
		if err != nil {
			t.Fatal(err)
		}
		found[p] = v
	}
	r.refuses(drivers.Refused, powerProperty, text(drivers.On)) // the replica is locked
	made := r.set(volumeProperty("w1/data"), clone("vm-01", "rp-2"))
	r.set(diskProperty, text(made.Made[drivers.MadeEndpoint]))
	r.set(nicProperty, text("isolated-01"))
	r.set(powerProperty, text(drivers.On))
	r.refuses(drivers.Refused, diskProperty, found[diskProperty])
	r.refuses(drivers.Refused, volumeProperty("w1/data"), text(drivers.Absent))
	r.set(powerProperty, found[powerProperty])
	r.set(diskProperty, found[diskProperty])
	r.set(nicProperty, found[nicProperty])
	r.set(volumeProperty("w1/data"), text(drivers.Absent))
	if after := site.Dump(); after != before {
		t.Fatalf("before:\n%s\nafter:\n%s", before, after)
	}
	if v := site.Violations(); len(v) > 0 {
		t.Fatal(v)
	}
}

func TestHypervisorRefuses(t *testing.T) {
	site := small(sim.Latency{})
	site.AddVM(sim.VM{Name: "plain", Host: "host-01", MemoryMiB: 1024, Disks: map[string]sim.Disk{"disk0": {Endpoint: "[ds1] plain"}}})
	site.AddVM(sim.VM{Name: "twin", Host: "host-02", MemoryMiB: 1024, Disks: map[string]sim.Disk{"disk0": {Endpoint: "[ds1] plain"}}})
	site.AddVM(sim.VM{Name: "huge", Host: "host-01", MemoryMiB: 1 << 30})
	r := newRig(t, site)
	r.set(vmProperty("plain", drivers.Power, ""), text(drivers.On))
	r.refuses(drivers.Refused, vmProperty("twin", drivers.Power, ""), text(drivers.On))
	r.refuses(drivers.Refused, vmProperty("huge", drivers.Power, ""), text(drivers.On))
	r.refuses(drivers.Refused, vmProperty("plain", drivers.HostOf, ""), text("host-02"))
	r.refuses(drivers.Refused, vmProperty("plain", drivers.Power, ""), text(drivers.Suspended))
	r.refuses(drivers.Refused, vmProperty("plain", drivers.Presence, ""), text(drivers.Absent))
	r.refuses(drivers.Refused, volumeProperty("w1/x"), clone("vm-01", "rp-incomplete"))
	r.refuses(drivers.NotFound, volumeProperty("w1/x"), clone("vm-01", "rp-99"))
	r.refuses(drivers.NotFound, vmProperty("nobody", drivers.Power, ""), text(drivers.On))
	r.refuses(drivers.Invalid, volumeProperty("../x"), clone("vm-01", "rp-1"))
	site.EditHost("host-02", func(h *sim.Host) { h.Maintenance = true })
	r.set(vmProperty("plain", drivers.Power, ""), text(drivers.Off))
	r.refuses(drivers.Refused, vmProperty("twin", drivers.Power, ""), text(drivers.On))
	r.refuses(drivers.Refused, vmProperty("plain", drivers.HostOf, ""), text("host-02"))
}

func TestPromoteKeepAndPromoteAgain(t *testing.T) {
	site := small(sim.Latency{})
	r := newRig(t, site)
	role := drivers.Property{Cluster: "c1", Kind: drivers.Replica, Target: "/replicas/group-01", Name: drivers.Role}
	promote := func(point, kept, as string) drivers.Value {
		return drivers.Value{Text: drivers.Primary, Spec: &drivers.Spec{Replica: &drivers.ReplicaSpec{
			RestorePoint: point, Kept: kept, As: as, Volumes: []string{"vm-01", "vm-02"},
		}}}
	}
	first := r.set(role, promote("rp-2", "", "run1"))
	if want := "[ds1] hotspare/brno/run1/vm-01"; first.Made["vm-01"] != want {
		t.Fatalf("promoted to %v, want %s", first.Made, want)
	}
	r.refuses(drivers.Refused, role, promote("rp-2", "", "run2"))
	demoted := r.set(role, text(drivers.Secondary))
	if demoted.Made["vm-02"] != first.Made["vm-02"] {
		t.Fatalf("kept %v, promoted were %v", demoted.Made, first.Made)
	}
	r.refuses(drivers.Refused, role, promote("rp-2", "", "run1")) // it would overwrite kept writes
	if again := r.set(role, promote("", "run1", "run1")); again.Made["vm-01"] != first.Made["vm-01"] {
		t.Fatalf("kept writes promoted to %v", again.Made)
	}
	r.refuses(drivers.Refused, volumeProperty("run1/vm-01"), text(drivers.Absent))
	r.set(role, text(drivers.Secondary))
	r.set(volumeProperty("run1/vm-01"), text(drivers.Absent))
	r.refuses(drivers.Refused, role, promote("rp-incomplete", "", "run3"))
}

// A guest that ignores the request is asked until its grace is over, and then cut off.
func TestGraceThenForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := sim.NewSite(sim.Shape{Hosts: 1, OwnVMs: 2, Latency: sim.Latency{GuestShutdown: 15 * time.Second, PowerOff: time.Second}})
		site.EditVM("infra-02", func(vm *sim.VM) { vm.Guest.IgnoresShutdown = true })
		r := newRig(t, site)
		off := func(name string, force bool) (time.Duration, error) {
			c := r.change(vmProperty(name, drivers.Power, ""), text(drivers.Off))
			c.Grace, c.Force = time.Minute, force
			start := time.Now()
			_, err := r.Apply(context.Background(), c, nil)
			return time.Since(start), err
		}
		if took, err := off("infra-01", false); err != nil || took != 15*time.Second {
			t.Fatal(took, err)
		}
		if took, err := off("infra-02", false); drivers.KindOf(err) != drivers.GraceOver || took != time.Minute {
			t.Fatal(took, err)
		}
		if took, err := off("infra-02", true); err != nil || took != 61*time.Second {
			t.Fatal(took, err)
		}
	})
}

// A power-on whose caller is gone lands later, but never after a power-off.
func TestLatePowerOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := sim.NewSite(sim.Shape{Hosts: 1, Latency: sim.Latency{PowerOn: 10 * time.Second}})
		site.AddVM(sim.VM{Name: "a", Host: "host-01"})
		site.AddVM(sim.VM{Name: "b", Host: "host-01"})
		r := newRig(t, site)
		for _, name := range []string{"a", "b"} {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_, err := r.Apply(ctx, r.change(vmProperty(name, drivers.Power, ""), text(drivers.On)), nil)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		r.set(vmProperty("b", drivers.Power, ""), text(drivers.Off))
		time.Sleep(time.Minute)
		a, _ := site.VM("a")
		b, _ := site.VM("b")
		if a.Power != drivers.On || b.Power != drivers.Off {
			t.Fatalf("a is %s, b is %s", a.Power, b.Power)
		}
	})
}

// Ten thousand VMs go off and on again within the limits of patience.
func TestTenThousandVMs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := sim.NewSite(sim.Shape{Hosts: 200, OwnVMs: 10_000, Latency: sim.Typical()})
		before := site.Dump()
		r := newRig(t, site)
		errs := make(chan error)
		for i := range 10_000 {
			name := fmt.Sprintf("infra-%02d", i+1)
			p := vmProperty(name, drivers.Power, "")
			off, on := r.change(p, text(drivers.Off)), r.change(p, text(drivers.On))
			off.Force = true
			go func() {
				_, err := r.Apply(context.Background(), off, nil)
				if err == nil {
					_, err = r.Apply(context.Background(), on, nil)
				}
				errs <- err
			}()
		}
		for range 10_000 {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		if site.Dump() != before {
			t.Fatal("the site is not as before")
		}
		if n := site.MostInFlight(drivers.VM, drivers.Power, ""); n != 10_000 {
			t.Fatalf("%d calls were in flight at once", n)
		}
	})
}

// A replica that cannot be read is told so, and hides nothing else; what needs a restore
// point of it is refused.
func TestAReplicaThatCannotBeRead(t *testing.T) {
	site := sim.NewSite(sim.Shape{Hosts: 4, Groups: 2, VMsPerGroup: 1})
	r := newRig(t, site)
	list := func() map[string]drivers.ReplicaItem {
		found := map[string]drivers.ReplicaItem{}
		request := drivers.InventoryRequest{Replicas: []string{"/replicas/group-01", "/nowhere", "/replicas/group-02"}}
		if err := r.Inventory(t.Context(), request, func(i drivers.Item) error {
			if i.Replica != nil {
				found[i.Replica.Path] = *i.Replica
			}
			return nil
		}); err != nil || len(found) != 3 {
			t.Fatalf("%d replicas, %v", len(found), err)
		}
		return found
	}
	site.EditReplica("/replicas/group-01", func(r *sim.Replica) { r.Unreadable = "it has no manifest" })
	found := list()
	for path, want := range map[string]string{
		"/replicas/group-01": "read replica /replicas/group-01: it has no manifest; check the replica's path, and that replication has run",
		"/nowhere":           "read replica /nowhere: there is no replica /nowhere; correct the path in the configuration",
		"/replicas/group-02": "",
	} {
		if got := found[path]; got.Problem != want || (got.Role == "") != (want != "") || (len(got.RestorePoints) == 0) != (want != "") {
			t.Errorf("%+v, want the problem %q", got, want)
		}
	}
	r.refuses(drivers.NotFound, volumeProperty("w1/x"), clone("vm-01", "rp-1"))
	site.EditReplica("/replicas/group-01", func(r *sim.Replica) { r.Unreadable = "" })
	if got := list()["/replicas/group-01"]; got.Problem != "" || len(got.RestorePoints) != 2 {
		t.Errorf("it can be read again: %+v", got)
	}
}
