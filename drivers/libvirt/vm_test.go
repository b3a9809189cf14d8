package libvirt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/libvirt/kvmsite"
)

const workspaceID = "7a1c5b60-3f5e-4f0a-9d6f-0c6f1b2d3e4f"

func workspace(networks map[string]string) drivers.Value {
	return drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{VM: &drivers.VMSpec{
		Name: "ws-vm-1", Template: kvmsite.Template, Host: "kvm-2", CPUs: 2, MemoryMiB: 112, Networks: networks, UserData: "#cloud-config of ws-1\n",
	}}}
}

// A VM made of a template boots from an overlay, reads its user data, and is on the network
// that it was given; nothing of it is left when it is deleted, but what is not ours.
func TestAWorkspaceVMBootsWithItsUserData(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	template := s.sums(filepath.Dir(s.TemplatePath()))
	p := s.property(drivers.VM, workspaceID, drivers.Presence, "")
	s.apply(d, p, workspace(map[string]string{kvmsite.VMMAC(kvmsite.Template): "bridge:iso-4"}))
	_, vms := s.inventory(d)
	vm := vms[workspaceID]
	if vm == nil || vm.CPUs != 2 || vm.MemoryMiB != 112 || vm.Host != "kvm-2" || vm.Owner.Holder != "test" || vm.Template {
		t.Fatalf("%+v", vm)
	}
	boot := s.boot(d, workspaceID)
	if boot.Seed != "_cloud-config_of_ws-1" || boot.Net != "iso-4" || boot.Disk != kvmsite.Template || boot.MAC == kvmsite.VMMAC(kvmsite.Template) {
		t.Errorf("it booted as %+v", boot)
	}
	other := s.diskFile("somebodys.qcow2", "qcow2", "somebody's")
	s.virsh("kvm-2", "attach-disk", workspaceID, other, "vdb", "--subdriver", "qcow2", "--config")
	s.apply(d, p, drivers.Value{Text: drivers.Absent})
	if _, err := os.Stat(other); err != nil {
		t.Errorf("somebody's disk: %v", err)
	}
	if after := s.sums(filepath.Dir(s.TemplatePath())); len(after) != len(template) {
		t.Errorf("the template's folder: before %v, after %v", template, after)
	}
	s.nothingLeft()
}

// A slot that is not named has the template's network, and no link.
func TestANICThatIsNotNamedIsNotConnected(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	p := s.property(drivers.VM, workspaceID, drivers.Presence, "")
	s.apply(d, p, workspace(nil))
	if text := s.virsh("kvm-2", "dumpxml", workspaceID); !strings.Contains(text, "<link state='down'/>") || !strings.Contains(text, "br-standby") {
		t.Errorf("it is\n%s", text)
	}
	s.apply(d, p, drivers.Value{Text: drivers.Absent})
}

// What is in the way of a new VM is somebody's.
func TestAForeignVMUnderOurNameIsRefused(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	s.guest("kvm-3", kvmsite.VMSpec{Name: "ws-vm-1"})
	p := s.property(drivers.VM, workspaceID, drivers.Presence, "")
	s.refused(d, p, workspace(nil), drivers.Refused, "host kvm-3 has another VM of this name")
	foreign := s.property(drivers.VM, kvmsite.VMUUID("ws-vm-1"), drivers.Presence, "")
	s.refused(d, foreign, workspace(nil), drivers.Drift, "a VM with this UUID is there already")
	s.refused(d, foreign, drivers.Value{Text: drivers.Absent}, drivers.Refused, "it is not ours")
	for what, change := range map[string]func(*drivers.VMSpec){
		"template": func(v *drivers.VMSpec) { v.Template = "shop-db" }, "no-such-host": func(v *drivers.VMSpec) { v.Host = "no-such-host" },
		"no-such-slot": func(v *drivers.VMSpec) { v.Networks = map[string]string{"no-such-slot": "prod"} },
		"no-such-net": func(v *drivers.VMSpec) {
			v.Networks = map[string]string{kvmsite.VMMAC(kvmsite.Template): "no-such-net"}
		},
	} {
		goal := workspace(nil)
		goal.Spec.VM.Name = "ws-vm-2"
		change(goal.Spec.VM)
		if _, err := d.Apply(s.ctx(), s.change(p, goal), nil); err == nil || drivers.KindOf(err) == drivers.Unavailable || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.nothingLeft()
}

// A guest that runs is moved to another network under its feet, and hears the new one.
func TestANICIsMovedWhileTheGuestRuns(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	vm := s.guest("kvm-1", kvmsite.VMSpec{Name: "moving", Network: "prod", Portgroup: "db"})
	nic := s.property(drivers.VM, vm, drivers.NIC, kvmsite.VMMAC("moving"))
	power := nic.On(drivers.Power, "")
	s.apply(d, power, drivers.Value{Text: drivers.On})
	found := s.observe(d, nic)
	if found.Text != "prod/db" {
		t.Errorf("it is on %s", found.Text)
	}
	if boot, err := s.WaitBoot(s.ctx(), vm, 0); err != nil || boot.Net != "prod" {
		t.Fatal(boot, err)
	}
	s.apply(d, nic, drivers.Value{Text: "bridge:iso-3"})
	if _, err := s.WaitConsole(s.ctx(), "moving", "NET iso-3", 0); err != nil {
		t.Error(err)
	}
	if back := s.apply(d, nic, found); string(back.Rest) != string(found.Rest) {
		t.Errorf("found %s, put back %s", found.Rest, back.Rest)
	}
	if _, err := s.WaitConsole(s.ctx(), "moving", "NET prod", 0); err != nil {
		t.Error(err)
	}
	s.apply(d, power, drivers.Value{Text: drivers.Off})
}

// A move that was cut off leaves the VM on two hosts: it counts as being on the old one,
// and both directions end it.
func TestAHalfMadeMoveIsEndedOrTakenBack(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	for _, goal := range []string{"kvm-1", "kvm-2"} {
		disk := s.standby("half-" + goal)
		p := disk.On(drivers.HostOf, "")
		text := s.virsh("kvm-1", "dumpxml", p.Target)
		half := mark{Moving: "own-0"}
		tree, err := parseTree(text)
		if err != nil {
			t.Fatal(err)
		}
		s.define("kvm-2", apply(text, half.set(text, tree)))
		if v := s.observe(d, p); v.Text != "kvm-1" {
			t.Errorf("half moved, it is on %s", v.Text)
		}
		if v := s.apply(d, p, drivers.Value{Text: goal}); v.Text != goal {
			t.Errorf("it is on %s", v.Text)
		}
		for _, host := range []string{"kvm-1", "kvm-2"} {
			listed := strings.Contains(s.virsh(host, "list", "--all", "--uuid"), p.Target)
			if listed != (host == goal) {
				t.Errorf("goal %s: on %s: %v", goal, host, listed)
			}
		}
		if text := s.virsh(goal, "dumpxml", p.Target); strings.Contains(text, "moving") {
			t.Errorf("the mark is left:\n%s", text)
		}
	}
}

// Two definitions without a mark are somebody's: no guess is made.
func TestAVMOnTwoHostsIsRefused(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	disk := s.standby("twice")
	s.define("kvm-2", s.virsh("kvm-1", "dumpxml", disk.Target))
	if _, err := d.Observe(s.ctx(), disk.On(drivers.Power, "")); drivers.KindOf(err) != drivers.Refused || !strings.Contains(err.Error(), "kvm-1 and on host kvm-2") {
		t.Error(err)
	}
	s.virsh("kvm-2", "undefine", disk.Target)
}

// A host lacks what the VM needs, and is told before the VM is defined there.
func TestAMoveNeedsTheVMsNetworksAndFiles(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	p := s.standby("needy").On(drivers.HostOf, "")
	putBack := s.redefine(p.Target, func(text string) string { return strings.Replace(text, "bridge='iso-2'", "bridge='br-local'", 1) })
	s.refused(d, p, drivers.Value{Text: "kvm-2"}, drivers.NotFound, "br-local")
	putBack()
	local := filepath.Join(t.TempDir(), "local.qcow2")
	if err := kvmsite.MakeDisk(s.ctx(), local, "qcow2", "local", ""); err != nil {
		t.Fatal(err)
	}
	defer s.redefine(p.Target, func(text string) string {
		return strings.Replace(text, filepath.Join(s.Dir(), "volumes/needy.qcow2"), local, 1)
	})()
	s.refused(d, p, drivers.Value{Text: "kvm-2"}, drivers.Refused, "no active pool of host kvm-2 holds its file")
}

// Paused by an I/O error or by hand, a VM has a QEMU that holds its disks: it is on. And
// a guest whose request is lost in its boot is asked again.
func TestAPausedVMIsOnAndALostRequestIsRepeated(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	power := s.standby("paused").On(drivers.Power, "")
	s.apply(d, power, drivers.Value{Text: drivers.On})
	s.virsh("kvm-1", "suspend", power.Target)
	if v := s.observe(d, power); v.Text != drivers.On {
		t.Errorf("paused, it is %s", v.Text)
	}
	s.virsh("kvm-1", "resume", power.Target)
	c := s.change(power, drivers.Value{Text: drivers.Off}) // it boots still: the first request is lost
	c.Grace, c.Force = time.Minute, false
	if v, err := d.Apply(s.ctx(), c, nil); err != nil || v.Text != drivers.Off {
		t.Error(v, err)
	}
}
