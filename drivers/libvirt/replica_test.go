package libvirt

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/libvirt/kvmsite"
)

// boot powers a VM on, gives what its guest told, and powers it off.
func (s *testSite) boot(d drivers.Driver, uuid string) kvmsite.Boot {
	s.t.Helper()
	before, err := s.Boots(uuid)
	if err != nil {
		s.t.Fatal(err)
	}
	power := s.property(drivers.VM, uuid, drivers.Power, "")
	s.apply(d, power, drivers.Value{Text: drivers.On})
	boot, err := s.WaitBoot(s.ctx(), uuid, len(before))
	if err != nil {
		s.t.Fatal(err)
	}
	s.apply(d, power, drivers.Value{Text: drivers.Off})
	return boot
}

func promotion(point, kept, as string) drivers.Value {
	return drivers.Value{Text: drivers.Primary, Spec: &drivers.Spec{Replica: &drivers.ReplicaSpec{
		RestorePoint: point, Kept: kept, As: as, Volumes: []string{"shop-db-root", "shop-db-data"},
	}}}
}

// A standby VM runs on the promoted disks, all of one instant; what it writes is kept by
// name over a demotion, and no restore point has changed.
func TestPromotedKeptAndPromotedAgain(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	role := s.property(drivers.Replica, s.Replica(), drivers.Role, "")
	vm := kvmsite.VMUUID("shop-db")
	root, data := s.property(drivers.VM, vm, drivers.Disk, "vda"), s.property(drivers.VM, vm, drivers.Disk, "vdb")
	foundRoot, foundData := s.observe(d, root), s.observe(d, data)
	before := s.sums(s.Replica())

	promoted := s.apply(d, role, promotion("rp-2", "", "run-1"))
	if _, err := os.Stat(filepath.Join(s.Replica(), "role.json")); err != nil {
		t.Errorf("replication is not told to stop: %v", err)
	}
	s.refused(d, s.property(drivers.Volume, "run-1/shop-db-root", drivers.Presence, ""), drivers.Value{Text: drivers.Absent}, drivers.Refused, "demote the replica first")
	s.apply(d, root, drivers.Value{Text: promoted.Made["shop-db-root"]})
	s.apply(d, data, drivers.Value{Text: promoted.Made["shop-db-data"]})
	first := s.boot(d, vm)
	if first.Disk != "shop-db-root@rp-2" || first.Disk2 != "shop-db-data@rp-2" || first.Data != "data-of-rp-2" || first.Serial != "shop-db-root" {
		t.Errorf("it booted from %+v", first)
	}
	s.apply(d, s.property(drivers.VM, vm, drivers.Power, ""), drivers.Value{Text: drivers.On})
	s.refused(d, role, drivers.Value{Text: drivers.Secondary}, drivers.Refused, "power that VM off first")
	s.apply(d, s.property(drivers.VM, vm, drivers.Power, ""), drivers.Value{Text: drivers.Off})
	kept := s.apply(d, role, drivers.Value{Text: drivers.Secondary})
	if diff := cmp.Diff(promoted.Made, kept.Made); diff != "" {
		t.Errorf("kept is not what was promoted:\n%s", diff)
	}

	again := s.apply(d, role, promotion("", "run-1", "run-2"))
	second := s.boot(d, vm)
	if second.Disk != first.Disk || second.Boots == first.Boots || again.Made["shop-db-root"] != promoted.Made["shop-db-root"] {
		t.Errorf("the writes are not kept: first %+v, then %+v", first, second)
	}
	s.apply(d, role, drivers.Value{Text: drivers.Secondary})
	s.apply(d, root, foundRoot)
	s.apply(d, data, foundData)
	for _, volume := range []string{"shop-db-root", "shop-db-data"} {
		s.apply(d, s.property(drivers.Volume, "run-2/"+volume, drivers.Presence, ""), drivers.Value{Text: drivers.Absent})
	}
	if diff := cmp.Diff(before, s.sums(s.Replica())); diff != "" {
		t.Errorf("the replica has changed (- before, + after):\n%s", diff)
	}
	s.nothingLeft()
}

// A restore point is pinned while a volume hangs on it, and a guest that writes to the
// volume changes nothing of it. A file that hangs on it is refused to be written to.
func TestALentVolumeLeavesTheRestorePoint(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	before := s.sums(s.Replica())
	volume := s.property(drivers.Volume, "ws-1/root", drivers.Presence, "")
	made := s.apply(d, volume, drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{Volume: &drivers.VolumeSpec{
		Replica: s.Replica(), RestorePoint: "rp-1", Volume: "shop-app-root",
	}}})
	content, err := os.ReadFile(filepath.Join(s.Replica(), "pins/ws-1_2froot.json"))
	var pin struct{ RestorePoint string }
	if err != nil || json.Unmarshal(content, &pin) != nil || pin.RestorePoint != "rp-1" {
		t.Errorf("the pin: %s, %v", content, err)
	}
	vm := s.guest("kvm-3", kvmsite.VMSpec{
		Name: "lent", Bridge: "iso-3", Pattern: "written",
		Disks: []kvmsite.Disk{{Path: made.Made[drivers.MadeEndpoint], Format: "qcow2"}},
	})
	if boot := s.boot(d, vm); boot.Disk != "shop-app-root@rp-1" || boot.Data != "written" || boot.Net != "iso-3" {
		t.Errorf("it booted from %+v", boot)
	}
	disk := s.property(drivers.VM, vm, drivers.Disk, "vda")
	s.apply(d, disk, drivers.Value{Text: s.PointPath("rp-1", "shop-app-root")})
	s.define("kvm-2", s.DomainXML(kvmsite.VMSpec{Name: "hanging", Disks: []kvmsite.Disk{{Path: made.Made[drivers.MadeEndpoint], Format: "qcow2"}}}))
	t.Cleanup(func() { _, _ = s.host("kvm-2").Virsh(s.ctx(), "undefine", "hanging") })
	s.refused(d, disk.On(drivers.Power, ""), drivers.Value{Text: drivers.On}, drivers.Refused, "is used by VM hanging")
	s.refused(d, volume, drivers.Value{Text: drivers.Absent}, drivers.Refused, "hanging on host kvm-2 has it attached")
	s.virsh("kvm-2", "undefine", "hanging")
	s.apply(d, volume, drivers.Value{Text: drivers.Absent})
	if diff := cmp.Diff(before, s.sums(s.Replica())); diff != "" {
		t.Errorf("the replica has changed (- before, + after):\n%s", diff)
	}
	s.nothingLeft()
}

// What stands in the way is told, and what cannot be made leaves nothing.
func TestBadRestorePointsAndVolumes(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	goal := func(point, volume string) drivers.Value {
		return drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{Volume: &drivers.VolumeSpec{Replica: s.Replica(), RestorePoint: point, Volume: volume}}}
	}
	p := s.property(drivers.Volume, "ws-2/root", drivers.Presence, "")
	s.refused(d, p, goal("rp-3", "shop-app-root"), drivers.Refused, "not complete")
	s.refused(d, p, goal("rp-9", "shop-app-root"), drivers.NotFound, "rp-9")
	s.refused(d, p, goal("rp-1", "no-such-volume"), drivers.NotFound, "no-such-volume")
	point := s.PointPath("rp-1", "shop-app-root")
	if err := os.Rename(point, point+".pruned"); err != nil {
		t.Fatal(err)
	}
	_, err := d.Apply(s.ctx(), s.change(p, goal("rp-1", "shop-app-root")), nil)
	if drivers.KindOf(err) != drivers.NotFound {
		t.Errorf("a restore point without its file: %v", err)
	}
	if err := os.Rename(point+".pruned", point); err != nil {
		t.Fatal(err)
	}
	role := s.property(drivers.Replica, s.Replica(), drivers.Role, "")
	s.refused(d, role, promotion("rp-3", "", "run-3"), drivers.Refused, "not complete")
	if err := os.WriteFile(filepath.Join(s.Replica(), "role.json"), []byte(`{"somebody":"else"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Observe(s.ctx(), role); drivers.KindOf(err) != drivers.Refused {
		t.Errorf("somebody else's marker: %v", err)
	}
	if err := os.Remove(filepath.Join(s.Replica(), "role.json")); err != nil {
		t.Fatal(err)
	}
	s.nothingLeft()
	if entries, err := os.ReadDir(filepath.Join(s.Replica(), "pins")); err == nil && len(entries) > 0 {
		t.Errorf("pins are left: %v", entries)
	}
}
