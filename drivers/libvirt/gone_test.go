package libvirt

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/libvirt/kvmsite"
)

// noticed is how soon it must be known that a host does not answer.
const noticed = 8 * time.Second

// inventory gives the hosts and VMs of an inventory.
func (s *testSite) inventory(d drivers.Driver) (hosts map[string]*drivers.HostItem, vms map[string]*drivers.VMItem) {
	s.t.Helper()
	hosts, vms = map[string]*drivers.HostItem{}, map[string]*drivers.VMItem{}
	err := d.Inventory(s.ctx(), drivers.InventoryRequest{}, func(i drivers.Item) error {
		if i.Host != nil {
			hosts[i.Host.Name] = i.Host
		}
		if i.VM != nil {
			vms[i.VM.ID] = i.VM
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return hosts, vms
}

// hostGone checks what is told of kvm-3 while it does not answer, and of its VM.
func (s *testSite) hostGone(d drivers.Driver, vm string) {
	s.t.Helper()
	took := s.until(noticed, "kvm-3 is told as not connected", func() bool {
		hosts, _ := s.inventory(d)
		return !hosts["kvm-3"].Connected
	})
	s.t.Logf("noticed after %s", took)
	began := time.Now()
	hosts, vms := s.inventory(d)
	if !hosts["kvm-1"].Connected || vms[kvmsite.VMUUID("shop-db")] == nil {
		s.t.Error("the other hosts are not listed")
	}
	if vms[vm] == nil || vms[vm].Host != "kvm-3" || len(hosts["kvm-3"].Networks) == 0 {
		s.t.Errorf("its VM is not listed as it was last seen: %+v", vms[vm])
	}
	for _, name := range []drivers.Name{drivers.Presence, drivers.Power, drivers.HostOf} {
		_, err := d.Observe(s.ctx(), s.property(drivers.VM, vm, name, ""))
		if drivers.KindOf(err) != drivers.Unavailable || !strings.Contains(err.Error(), "was on host kvm-3") {
			s.t.Errorf("observe %s: %v", name, err)
		}
	}
	if v := s.observe(d, s.property(drivers.VM, kvmsite.VMUUID("shop-db"), drivers.Power, "")); v.Text != drivers.Off {
		s.t.Errorf("a VM of another host is %v", v)
	}
	if took := time.Since(began); took > time.Second {
		s.t.Errorf("with a host known to be gone, five reads took %s", took)
	}
}

func (s *testSite) connected(d drivers.Driver, vm string) {
	s.t.Helper()
	s.until(noticed, "kvm-3 is connected again", func() bool { hosts, _ := s.inventory(d); return hosts["kvm-3"].Connected })
	if v := s.observe(d, s.property(drivers.VM, vm, drivers.Presence, "")); v.Text != drivers.Present {
		s.t.Errorf("the VM is %s", v.Text)
	}
}

// A frozen libvirtd holds its connections and answers nobody: that is noticed, and nothing
// that was on it is absent.
func TestAFrozenLibvirtdIsNoticed(t *testing.T) {
	s := newSite(t)
	vm := s.guest("kvm-3", kvmsite.VMSpec{Name: "frozen", Bridge: "iso-2"})
	d := s.driver()
	s.inventory(d)
	if err := s.host("kvm-3").Freeze(); err != nil {
		t.Fatal(err)
	}
	thaw := func() {
		if err := s.host("kvm-3").Thaw(); err != nil {
			t.Error(err)
		}
	}
	defer thaw()
	s.hostGone(d, vm)
	thaw()
	s.connected(d, vm)
}

// A host that is off takes its guests with it; what stood on it is unknown, not absent.
func TestAHostThatIsGoneIsNotAnEmptyOne(t *testing.T) {
	s := newSite(t)
	vm := s.guest("kvm-3", kvmsite.VMSpec{Name: "gone", Bridge: "iso-2"})
	d := s.driver()
	s.inventory(d)
	if err := s.host("kvm-3").PowerOff(s.ctx()); err != nil {
		t.Fatal(err)
	}
	up := func() {
		s.until(20*time.Second, "kvm-3 starts", func() bool { return s.host("kvm-3").PowerUp(s.ctx()) == nil })
	}
	defer up()
	s.hostGone(d, vm)
	up()
	s.connected(d, vm)
}

// A libvirtd that is killed and started again is not even noticed by who reads.
func TestAKilledLibvirtdIsConnectedAgain(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	p := s.property(drivers.VM, kvmsite.VMUUID("shop-app"), drivers.Power, "")
	before := s.observe(d, p)
	for range 10 { // the next one at once: nothing of the last one is in its way
		s.restart(t, s.host(s.where(p.Target)))
	}
	if after := s.observe(d, p); after.Text != before.Text {
		t.Errorf("before %v, after %v", before, after)
	}
}

// A busy machine stops for moments: that is slow, and not gone, and nobody's read fails.
func TestALibvirtdThatStopsForAMomentIsNeverGone(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	s.inventory(d)
	h := s.host("kvm-3")
	for range 3 {
		if err := h.Freeze(); err != nil {
			t.Fatal(err)
		}
		thawed := make(chan error, 1)
		over := time.AfterFunc(2500*time.Millisecond, func() { thawed <- h.Thaw() })
		defer over.Stop()
		for done := false; !done; {
			select {
			case err := <-thawed:
				if err != nil {
					t.Fatal(err)
				}
				done = true
			default:
			}
			if hosts, _ := s.inventory(d); !hosts["kvm-3"].Connected {
				t.Fatal("kvm-3 is told as not connected")
			}
		}
	}
}

// A libvirtd so slow that keepalive gives its connections up, but that takes new ones within
// their time, is not gone; one that takes them late is not either once it has.
func TestALostConnectionAloneIsNotAGoneHost(t *testing.T) {
	h := &host{name: "slow", heard: time.Now().Add(-time.Minute)}
	h.note(errors.New("internal error: connection closed due to keepalive timeout"))
	if err := h.isGone(); err != nil {
		t.Error(err)
	}
	h.answered()
	h.note(fmt.Errorf("%w within 3s", errSilent))
	if err := h.isGone(); err != nil {
		t.Errorf("it answered just now: %v", err)
	}
	h.heard = time.Now().Add(-silentAfter)
	h.note(fmt.Errorf("%w within 3s", errSilent))
	if h.isGone() == nil {
		t.Error("it said nothing, accepts no connection, and does not count as gone")
	}
}

// Where no host answers the inventory is an error, and never empty.
func TestNoHostIsAnError(t *testing.T) {
	d := &driver{}
	err := d.Configure(t.Context(), drivers.Configuration{Site: siteName, Cluster: clusterName, Body: []byte(
		`{"hosts":{"a":"qemu+unix:///system?socket=/no/such/socket"},"volumes_pool":"volumes"}`)})
	if drivers.KindOf(err) != drivers.Unavailable || !strings.Contains(err.Error(), "host a does not answer") {
		t.Fatal(err)
	}
}
