package libvirt

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"libvirt.org/go/libvirt"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/libvirt/kvmsite"
)

// dhcpNetwork is a network that libvirt serves DHCP on, and of whose guests a host knows
// the addresses.
const dhcpNetwork = `<network><name>leased</name><forward mode='open'/><bridge name='br-leased'/>
<ip address='10.40.0.1' netmask='255.255.255.0'><dhcp><range start='10.40.0.100' end='10.40.0.200'/></dhcp></ip></network>`

// dhcp starts that network on a host for the length of the test.
func (s *testSite) dhcp(host string) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "network.xml")
	if err := os.WriteFile(file, []byte(dhcpNetwork), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.virsh(host, "net-create", file)
	s.t.Cleanup(func() { s.virsh(host, "net-destroy", "leased") })
}

// inside runs a command on a host.
func (s *testSite) inside(host string, argv ...string) string {
	s.t.Helper()
	out, err := s.host(host).Run(s.ctx(), argv...)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// addressesOf gives what an inventory tells of a VM's addresses, and how long it took.
func (s *testSite) addressesOf(d drivers.Driver, vm string) ([]string, time.Duration) {
	s.t.Helper()
	began := time.Now()
	_, vms := s.inventory(d)
	took := time.Since(began)
	if vms[vm] == nil {
		s.t.Fatalf("VM %s is not in the inventory", vm)
	}
	return vms[vm].Addresses, took
}

// lease powers a VM on and waits until the network has leased it an address.
func (s *testSite) lease(d drivers.Driver, vm string) (leased string) {
	s.t.Helper()
	s.apply(d, s.property(drivers.VM, vm, drivers.Power, ""), drivers.Value{Text: drivers.On})
	s.until(time.Minute, "the guest has a lease", func() bool {
		_, text, found := strings.Cut(s.virsh("kvm-1", "domifaddr", vm, "--source", "lease"), "10.40.0.")
		number, _, _ := strings.Cut(text, "/")
		leased = "10.40.0." + number
		return found
	})
	return leased
}

// guestAddress is the address that a guest of the rig without a disk gives itself.
func guestAddress(t testing.TB, mac string) string {
	t.Helper()
	var last int
	if _, err := fmt.Sscanf(mac[len(mac)-2:], "%x", &last); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("10.20.0.%d", last%100+100)
}

// tells waits until the inventory tells just these addresses of a VM.
func (s *testSite) tells(d drivers.Driver, vm, why string, want ...string) {
	s.t.Helper()
	var got []string
	began := time.Now()
	for time.Since(began) < time.Minute {
		if got, _ = s.addressesOf(d, vm); slices.Equal(got, want) {
			s.t.Logf("%s: %v after %s", why, got, time.Since(began).Round(100*time.Millisecond))
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	s.t.Fatalf("%s: it tells %v, want %v", why, got, want)
}

// The addresses of a guest without an agent are those that its host has as neighbours, while
// it runs.
func TestAddressesOfTheHostsNeighbours(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	vm := s.guest("kvm-1", kvmsite.VMSpec{Name: "neighbour", Bridge: "iso-2"})
	if got, _ := s.addressesOf(d, vm); got != nil {
		t.Errorf("off, it tells %v", got)
	}
	power := s.property(drivers.VM, vm, drivers.Power, "")
	s.apply(d, power, drivers.Value{Text: drivers.On})
	boot, err := s.WaitBoot(s.ctx(), vm, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.inside("kvm-1", "ip", "addr", "add", "10.20.0.250/24", "dev", "iso-2")
	defer s.inside("kvm-1", "ip", "addr", "del", "10.20.0.250/24", "dev", "iso-2")
	s.inside("kvm-1", "busybox", "ping", "-c", "1", "-W", "5", boot.IP)
	s.tells(d, vm, "a neighbour", boot.IP)
	s.virsh("kvm-1", "suspend", vm)
	s.tells(d, vm, "paused", boot.IP)
	s.apply(d, power, drivers.Value{Text: drivers.Off})
	if got, _ := s.addressesOf(d, vm); got != nil {
		t.Errorf("off again, it tells %v", got)
	}
}

// An agent's word goes before a lease, and a lease before the host's neighbours. An agent
// that hangs holds up no inventory and no power-off, and its guest keeps what it has said; of
// one that is gone the lease is told.
func TestAddressesOfAgentsAndLeases(t *testing.T) {
	s := newSite(t)
	s.dhcp("kvm-1")
	d := s.driver()
	vm := s.guest("kvm-1", kvmsite.VMSpec{Name: "leased", Network: "leased", DHCP: true, Agent: true, IgnorePowerButton: true})
	leased := s.lease(d, vm)
	own := guestAddress(t, kvmsite.VMMAC("leased"))
	s.tells(d, vm, "its agent", own, leased)

	signal := func(name string) {
		s.inside("kvm-1", "busybox", "wget", "-q", "-O", "-", "http://"+leased+"/cgi-bin/agent?"+name)
	}
	signal("STOP")
	h := d.(*driver).cluster.host("kvm-1")
	s.until(time.Minute, "its agent hangs", func() bool {
		got, took := s.addressesOf(d, vm)
		if !slices.Equal(got, []string{own, leased}) || took > 2*time.Second {
			t.Errorf("it tells %v after %s", got, took)
		}
		return h.addresses.agentHangs(h.lastSeen().find(vm))
	})
	_, took := s.addressesOf(d, vm)
	t.Logf("an inventory beside an agent that hangs: %s", round(took))
	c := s.change(s.property(drivers.VM, vm, drivers.Power, ""), drivers.Value{Text: drivers.Off})
	c.Grace, c.Force = 2*time.Second, false
	began := time.Now()
	if _, err := d.Apply(s.ctx(), c, nil); drivers.KindOf(err) != drivers.GraceOver {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("asking the guest to shut down took %s", took)
	}
	signal("KILL")
	s.tells(d, vm, "its lease, for its agent is gone", leased)

	s.virsh("kvm-1", "destroy", vm)
	if got, _ := s.addressesOf(d, vm); got != nil {
		t.Errorf("off, it tells %v", got)
	}
}

// BenchmarkKVMAddresses is what one call to each source of addresses takes, the median of
// 200, and what addresses add to an inventory of a host with 1,000 running domains, for all
// of which one guest answers; a thousand agents of their own answer three at once. Target:
// 300 ms, and the sorting beside it.
func BenchmarkKVMAddresses(b *testing.B) {
	s := newSite(b)
	s.dhcp("kvm-1")
	d := s.driver()
	vm := s.guest("kvm-1", kvmsite.VMSpec{Name: "leased", Network: "leased", DHCP: true, Agent: true})
	leased := s.lease(d, vm)
	s.tells(d, vm, "its agent", guestAddress(b, kvmsite.VMMAC("leased")), leased)
	s.inside("kvm-1", "ip", "neigh", "replace", leased, "lladdr", kvmsite.VMMAC("leased"), "dev", "br-leased", "nud", "stale")
	h := d.(*driver).cluster.host("kvm-1")
	for _, source := range []struct {
		name  string
		about string
		*addressSource
	}{{"agent", vm, h.addresses.agents}, {"leases of a network", "leased", h.addresses.leases}, {"neighbours", vm, h.addresses.neighbours}} {
		var took []time.Duration
		for range 200 {
			began := time.Now()
			if _, err := call(s.ctx(), h, func(conn *libvirt.Connect) ([]heard, error) { return source.ask(conn, source.about) }); err != nil {
				b.Fatal(source.name, err)
			}
			took = append(took, time.Since(began))
		}
		b.Logf("%s: %s a call", source.name, round(median(took)))
	}
	for with, channel := range map[string]string{
		"neighbours": "", "agents": "<channel><target name='org.qemu.guest_agent.0' state='connected'/></channel>",
	} {
		live, err := parseTree(fmt.Sprintf("<domain id='1'><devices><interface type='bridge'><mac address='%s'/></interface>%s</devices></domain>",
			kvmsite.VMMAC("leased"), channel))
		if err != nil {
			b.Fatal(err)
		}
		many := make([]*machine, 1000)
		for i := range many {
			many[i] = &machine{host: h, uuid: fmt.Sprint(i), state: libvirt.DOMAIN_RUNNING, live: live}
		}
		book := newAddressBook()
		for _, source := range []*addressSource{book.neighbours, book.agents} {
			ask := source.ask
			source.ask = func(conn *libvirt.Connect, _ string) ([]heard, error) { return ask(conn, vm) }
		}
		var worst time.Duration
		rounds, told := 0, 0
		for ; told < len(many) && rounds < 100; rounds++ {
			began := time.Now()
			book.read(s.ctx(), h, many)
			worst, told = max(worst, time.Since(began)), 0
			for _, m := range many {
				if len(book.of(m)) > 0 {
					told++
				}
			}
		}
		b.Logf("1,000 domains with %s: %s in an inventory at most, %d told after %d", with, round(worst), told, rounds)
		b.ReportMetric(float64(worst.Milliseconds()), "ms/"+with+"(target<350)")
	}
}
