package libvirt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// A slot that two NICs answer to is none: one of them would stay on its network.
func TestTwoNICsOfOneAddressAreRefused(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	disk := s.standby("twin")
	_, vms := s.inventory(d)
	var slot string
	for slot = range vms[disk.Target].NICs {
	}
	s.redefine(disk.Target, func(text string) string {
		return strings.Replace(text, "</devices>", "<interface type='bridge'><mac address='"+slot+"'/><source bridge='br-prod'/></interface></devices>", 1)
	})
	_, err := d.Apply(s.ctx(), s.change(disk.On(drivers.NIC, slot), drivers.Value{Text: "bridge:iso-1"}), nil)
	if drivers.KindOf(err) != drivers.Refused || !strings.Contains(err.Error(), "2 NICs have this MAC address") {
		t.Error(err)
	}
}

// What starts with its host starts no more once it is set to off, and does again when what was
// found is put back.
func TestAVMThatIsSetToOffDoesNotStartWithItsHost(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	power := s.standby("auto").On(drivers.Power, "")
	s.virsh("kvm-1", "autostart", power.Target)
	s.apply(d, power, drivers.Value{Text: drivers.On})
	starts := func() bool {
		return strings.Contains(s.virsh("kvm-1", "list", "--all", "--autostart", "--uuid"), power.Target)
	}
	found := s.observe(d, power)
	host := s.observe(d, power.On(drivers.HostOf, ""))
	s.apply(d, power, drivers.Value{Text: drivers.Off})
	if starts() {
		t.Error("it is off, and its host would start it")
	}
	if now := s.observe(d, power.On(drivers.HostOf, "")); string(now.Rest) != string(host.Rest) {
		t.Errorf("its host was %s and is %s", host.Rest, now.Rest)
	}
	if back := s.apply(d, power, found); string(back.Rest) != string(found.Rest) || !starts() {
		t.Errorf("found %s, put back %s", found.Rest, back.Rest)
	}
	s.apply(d, power, drivers.Value{Text: drivers.Off})
}

// A record or a link in the pool that leads out of it deletes nothing there.
func TestADeletionStaysInThePool(t *testing.T) {
	s := newSite(t)
	d := s.driver().(*driver)
	outside := filepath.Join(s.Dir(), "outside")
	if err := os.MkdirAll(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	precious := filepath.Join(outside, "disk.qcow2")
	if err := os.WriteFile(precious, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	home := d.cluster.home()
	holder := filepath.Join(home, "volumes", "evil")
	if err := os.MkdirAll(holder, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(holder)
	link := filepath.Join(holder, "link")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	up := home + strings.Repeat("/..", strings.Count(home, "/"))
	for volume, endpoint := range map[string]string{"up": up + precious, "link": link + "/disk.qcow2"} {
		rec := restorepoint.Record{V: 1, Target: "evil/" + volume, Endpoint: endpoint, Replica: s.Replica(), RestorePoint: "rp-1", Volume: "shop-db-root"}
		if err := os.WriteFile(filepath.Join(holder, volume+".json"), restorepoint.Encode(rec), 0o644); err != nil {
			t.Fatal(err)
		}
		p := s.property(drivers.Volume, "evil/"+volume, drivers.Presence, "")
		if _, err := d.Apply(s.ctx(), s.change(p, drivers.Value{Text: drivers.Absent}), nil); drivers.KindOf(err) != drivers.Refused {
			t.Errorf("%s: %v", volume, err)
		}
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

// Names are people's: quotes, slashes and emoji make a volume and a VM, and what is too long
// for a file is told as that, for good.
func TestNamesArePeoples(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	for _, name := range []string{`&<>'"`, "../../x", "🛟 a/b", "%2f", "-rf"} {
		p := s.property(drivers.Volume, name+"/"+name, drivers.Presence, "")
		if strings.Contains(name, "/") {
			p.Target = "holder/" + name
		}
		goal := drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{Volume: &drivers.VolumeSpec{Replica: s.Replica(), RestorePoint: "rp-1", Volume: "shop-db-root"}}}
		made := s.apply(d, p, goal)
		if !strings.HasPrefix(made.Made[drivers.MadeEndpoint], filepath.Join(s.Dir(), "volumes")+"/") {
			t.Errorf("%q lies at %v", name, made.Made)
		}
		s.apply(d, p, drivers.Value{Text: drivers.Absent})
	}
	for _, name := range []string{`&<>'"`, "🛟 ws", "-rf"} {
		p := s.property(drivers.VM, workspaceID, drivers.Presence, "")
		goal := workspace(nil)
		goal.Spec.VM.Name = name
		c := s.change(p, goal)
		c.Owner.Holder = name
		if _, err := d.Apply(s.ctx(), c, nil); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		_, vms := s.inventory(d)
		if vm := vms[workspaceID]; vm == nil || vm.Name != name || vm.Owner.Holder != name {
			t.Errorf("%q: %+v", name, vm)
		}
		s.apply(d, p, drivers.Value{Text: drivers.Absent})
	}
	long := s.property(drivers.Volume, "holder/"+strings.Repeat("🛟", 60), drivers.Presence, "")
	goal := drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{Volume: &drivers.VolumeSpec{Replica: s.Replica(), RestorePoint: "rp-1", Volume: "shop-db-root"}}}
	if _, err := d.Apply(s.ctx(), s.change(long, goal), nil); drivers.KindOf(err) != drivers.Invalid {
		t.Error(drivers.KindOf(err), err)
	}
	s.nothingLeft()
}

// A saved image that is damaged is not started past: libvirt would boot the VM afresh, and
// somebody's memory would be gone.
func TestADamagedSavedImageIsNotBootedPast(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	power := s.standby("damaged").On(drivers.Power, "")
	s.apply(d, power, drivers.Value{Text: drivers.On})
	s.virsh("kvm-1", "managedsave", power.Target)
	images, err := filepath.Glob(filepath.Join(s.Dir(), "kvm-1/lib/qemu/save/damaged.save"))
	if err != nil || len(images) != 1 {
		t.Fatal(images, err)
	}
	whole, err := os.ReadFile(images[0])
	if err != nil {
		t.Fatal(err)
	}
	for what, content := range map[string][]byte{
		"cut short": whole[:len(whole)/2], "incomplete": append([]byte("LibvirtQemudPart"), whole[16:]...),
		"no image": append([]byte("garbage-garbage-"), whole[16:]...), "empty": nil,
	} {
		if err := os.WriteFile(images[0], content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := d.Apply(s.ctx(), s.change(power, drivers.Value{Text: drivers.On}), nil)
		if what != "cut short" && drivers.KindOf(err) != drivers.Refused { // that one is seen only when it is read
			t.Errorf("%s: %s: %v", what, drivers.KindOf(err), err)
		}
		if now := s.observe(d, power); err == nil || now.Text == drivers.On {
			t.Errorf("%s: it is %s", what, now.Text)
		}
	}
}
