package libvirt

import (
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/libvirt/kvmsite"
)

// Storage that goes away under a guest pauses its VM. It is on, and its disk is held: it is
// not swapped. Set to on it goes on when the storage is back; by force it goes off within
// seconds though it is not, and boots when it is.
func TestStorageThatGoesAwayUnderAGuest(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	if err := s.NBD().Add(s.ctx(), "lost", "lost@nbd", ""); err != nil {
		t.Fatal(err)
	}
	vm := s.guest("kvm-1", kvmsite.VMSpec{Name: "lost", Bridge: "iso-2", Disks: []kvmsite.Disk{{Source: s.NBD().Source("lost"), Format: "raw"}}})
	s.redefine(vm, func(text string) string {
		return strings.Replace(text, "type='raw'/>", "type='raw' cache='none' error_policy='stop' rerror_policy='stop'/>", 1)
	})
	power := s.property(drivers.VM, vm, drivers.Power, "")
	s.apply(d, power, drivers.Value{Text: drivers.On})
	boot, err := s.WaitBoot(s.ctx(), vm, 0)
	if err != nil {
		t.Fatal(err)
	}
	network, err := s.Network("iso-2")
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) (string, error) { return network.Get(s.ctx(), boot.IP, "/cgi-bin/write?"+text) }
	lose := func() (back func()) {
		back = s.away(s.servers()[0])
		took := s.until(90*time.Second, "the VM is paused by an I/O error", func() bool {
			_, _ = write("lost")
			return strings.Contains(s.virsh("kvm-1", "domstate", "--reason", vm), "I/O error")
		})
		t.Logf("paused after %s", took.Round(time.Second))
		return back
	}

	back := lose()
	if now := s.observe(d, power); now.Text != drivers.On {
		t.Errorf("paused by an I/O error it is %s", now.Text)
	}
	s.refused(d, power.On(drivers.Disk, "vda"), drivers.Value{Text: s.ISCSI().URI("spare")}, drivers.Refused, "the VM is on")
	back()
	took := s.until(60*time.Second, "the guest writes again", func() bool {
		if _, err := d.Apply(s.ctx(), s.change(power, drivers.Value{Text: drivers.On}), nil); err != nil {
			return false
		}
		said, err := write("again")
		return err == nil && said == "written"
	})
	t.Logf("goes on after %s", took.Round(time.Second))

	back = lose()
	c := s.change(power, drivers.Value{Text: drivers.Off})
	c.Grace = 2 * time.Second
	began := time.Now()
	if got, err := d.Apply(s.ctx(), c, nil); err != nil || got.Text != drivers.Off {
		t.Fatal(got, err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("cutting it off took %s", took)
	}
	back()
	if boot := s.boot(d, vm); boot.Data != "again" {
		t.Errorf("it booted as %+v, without what its guest wrote", boot)
	}
}
