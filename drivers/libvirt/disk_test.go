package libvirt

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/libvirt/kvmsite"
)

// standby defines a VM that is off, with one disk, and gives the property of that disk.
func (s *testSite) standby(name string) drivers.Property {
	s.t.Helper()
	path := s.diskFile(name+".qcow2", "qcow2", name+"@base")
	id := s.guest("kvm-1", kvmsite.VMSpec{Name: name, Bridge: "iso-2", Disks: []kvmsite.Disk{{Path: path, Format: "qcow2", Serial: name}}})
	return s.property(drivers.VM, id, drivers.Disk, "vda")
}

// What a guest wrote at the start of its raw disk is its own: it never becomes a format,
// and the file that it names is never opened.
func TestARawDiskWithAQcow2HeaderStaysRaw(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	evil := s.diskFile("evil.raw", "raw", "evil")
	header := make([]byte, 512)
	copy(header, "QFI\xfb")
	binary.BigEndian.PutUint32(header[4:], 2)
	binary.BigEndian.PutUint64(header[8:], 72)
	copy(header[72:], "/etc/hostname")
	binary.BigEndian.PutUint32(header[16:], uint32(len("/etc/hostname")))
	f, err := os.OpenFile(evil, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(header, 0); err != nil {
		t.Fatal(err)
	}
	f.Close()
	p := s.standby("victim")
	found := s.observe(d, p)
	s.apply(d, p, drivers.Value{Text: evil})
	power := p.On(drivers.Power, "")
	s.apply(d, power, drivers.Value{Text: drivers.On})
	if live := s.virsh("kvm-1", "dumpxml", p.Target); !strings.Contains(live, "type='raw'") || strings.Contains(live, "/etc/hostname") {
		t.Errorf("it runs with\n%s", live)
	}
	s.apply(d, power, drivers.Value{Text: drivers.Off})
	if back := s.apply(d, p, found); string(back.Rest) != string(found.Rest) {
		t.Errorf("found %s, put back %s", found.Rest, back.Rest)
	}
}

// A saved image would silently bring the old disk back, and a snapshot hangs on it.
func TestADiskIsNotSwappedUnderASavedImageOrASnapshot(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	p := s.standby("saved")
	other := s.diskFile("other.qcow2", "qcow2", "other")
	s.virsh("kvm-1", "start", p.Target)
	s.refused(d, p, drivers.Value{Text: other}, drivers.Refused, "the VM is on")
	s.virsh("kvm-1", "managedsave", p.Target)
	if v := s.observe(d, p.On(drivers.Power, "")); v.Text != drivers.Suspended {
		t.Errorf("a VM with a saved image is %s", v.Text)
	}
	s.refused(d, p, drivers.Value{Text: other}, drivers.Refused, "managed-save image")
	s.refused(d, p.On(drivers.HostOf, ""), drivers.Value{Text: "kvm-2"}, drivers.Refused, "managed-save image")
	c := s.change(p.On(drivers.Power, ""), drivers.Value{Text: drivers.Off})
	c.Force = false
	if _, err := d.Apply(s.ctx(), c, nil); drivers.KindOf(err) != drivers.GraceOver {
		t.Errorf("a saved image is thrown away unasked: %v", err)
	}
	s.virsh("kvm-1", "managedsave-remove", p.Target)
	s.virsh("kvm-1", "snapshot-create-as", p.Target, "before-upgrade")
	s.refused(d, p, drivers.Value{Text: other}, drivers.Refused, "1 snapshots")
	s.refused(d, p.On(drivers.HostOf, ""), drivers.Value{Text: "kvm-2"}, drivers.Refused, "1 snapshots")
	s.virsh("kvm-1", "snapshot-delete", p.Target, "before-upgrade")
}

// Two guests on one disk destroy it. QEMU's lock would refuse it only at the start.
func TestADiskThatAnotherGuestWritesToIsRefused(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	one := s.standby("writer")
	endpoint := s.observe(d, one).Text
	second := s.guest("kvm-2", kvmsite.VMSpec{Name: "second", Disks: []kvmsite.Disk{{Path: s.diskFile("second.qcow2", "qcow2", "second"), Format: "qcow2"}}})
	p := s.property(drivers.VM, second, drivers.Disk, "vda")
	s.apply(d, one.On(drivers.Power, ""), drivers.Value{Text: drivers.On})
	s.refused(d, p, drivers.Value{Text: endpoint}, drivers.Refused, "attached to writer")
	s.apply(d, one.On(drivers.Power, ""), drivers.Value{Text: drivers.Off})
	s.apply(d, p, drivers.Value{Text: endpoint})
	s.apply(d, one.On(drivers.Power, ""), drivers.Value{Text: drivers.On})
	s.refused(d, p.On(drivers.Power, ""), drivers.Value{Text: drivers.On}, drivers.Refused, "is used by VM writer")
}

// What is not there is told before anything is changed.
func TestWhatIsNotThereChangesNothing(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	p := s.standby("asking")
	nic := p.On(drivers.NIC, kvmsite.VMMAC("asking"))
	gone := filepath.Join(s.Dir(), "volumes/no-such-file.qcow2")
	for endpoint, kind := range map[string]drivers.ErrorKind{
		gone: drivers.NotFound, "no-such-pool/volume": drivers.NotFound, "volumes/no-such-volume": drivers.NotFound,
		"ftp://host/file": drivers.Invalid, "/volumes/../etc/shadow": drivers.Invalid, "nbd:///": drivers.Invalid, "rbd:pool": drivers.Invalid,
		"a/b/c": drivers.Invalid,
	} {
		s.refused(d, p, drivers.Value{Text: endpoint}, kind, "")
	}
	for _, network := range []string{"bridge:no-such-bridge", "no-such-network", "prod/no-such-group"} {
		s.refused(d, nic, drivers.Value{Text: network}, drivers.NotFound, network)
	}
	s.refused(d, p.On(drivers.HostOf, ""), drivers.Value{Text: "kvm-9"}, drivers.NotFound, "kvm-9")
}

// Guests boot from network disks, and the way back is exact.
func TestADiskMayBeANetworkDisk(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	p := s.standby("networked")
	found := s.observe(d, p)
	for _, endpoint := range []string{s.NBD().URI("spare"), s.ISCSI().URI("spare")} {
		if v := s.apply(d, p, drivers.Value{Text: endpoint}); v.Text != endpoint {
			t.Errorf("it is %s", v.Text)
		}
		boots, err := s.Boots(p.Target)
		if err != nil {
			t.Fatal(err)
		}
		s.apply(d, p.On(drivers.Power, ""), drivers.Value{Text: drivers.On})
		boot, err := s.WaitBoot(s.ctx(), p.Target, len(boots))
		if err != nil || !strings.HasPrefix(boot.Disk, "spare@") || boot.Serial != "networked" {
			t.Errorf("%+v, %v", boot, err)
		}
		s.apply(d, p.On(drivers.Power, ""), drivers.Value{Text: drivers.Off})
	}
	if back := s.apply(d, p, found); string(back.Rest) != string(found.Rest) {
		t.Errorf("found %s, put back %s", found.Rest, back.Rest)
	}
}

// A full pool refuses a new overlay, and keeps nothing of it.
func TestAFullPoolIsRefused(t *testing.T) {
	s := newSite(t)
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=16m"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Unmount(small, 0) }()
	err := makeOverlay(t.Context(), filepath.Join(small, "disk.qcow2"), s.TemplatePath(), "qcow2")
	if drivers.KindOf(err) != drivers.Refused || !strings.Contains(err.Error(), "free room") {
		t.Error(err)
	}
	if entries, err := os.ReadDir(small); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}
