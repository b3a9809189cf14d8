package libvirt

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/libvirt/kvmsite"
)

// server is a storage server that goes away and comes back.
type server struct {
	kvmsite.Server
	name   string
	uri    string
	start  func(context.Context) error
	source string
}

func (s *testSite) servers() []server {
	return []server{
		{s.NBD().Server, "nbd", s.NBD().URI("spare"), s.NBD().Start, s.NBD().Source("spare")},
		{s.ISCSI().Server, "iscsi", s.ISCSI().URI("spare"), s.ISCSI().Start, s.ISCSI().Source("spare")},
	}
}

// away stops a server until back is called.
func (s *testSite) away(v server) (back func()) {
	s.t.Helper()
	if err := v.Stop(s.ctx()); err != nil {
		s.t.Fatal(err)
	}
	back = func() {
		if err := v.start(s.ctx()); err != nil {
			s.t.Fatal(err)
		}
	}
	s.t.Cleanup(back)
	return back
}

// A disk is swapped whole or not at all, whether its storage is there or not: what is told
// as done stands in the definition, a start without the storage fails and leaves the VM off,
// and succeeds when the storage is back.
func TestASwapOntoStorageThatIsAwayIsDoneOrRefused(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	for _, v := range s.servers() {
		t.Run(v.name, func(t *testing.T) {
			s := &testSite{s.Site, t}
			disk := s.standby("away-" + v.name)
			power := disk.On(drivers.Power, "")
			found := s.observe(d, disk)
			back := s.away(v)
			got, err := d.Apply(s.ctx(), s.change(disk, drivers.Value{Text: v.uri}), nil)
			if stands := s.observe(d, disk); err == nil && (got.Text != v.uri || string(stands.Rest) != string(got.Rest)) || err != nil && string(stands.Rest) != string(found.Rest) {
				t.Fatalf("got %v, %v; stands %v", got, err, stands)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.Apply(s.ctx(), s.change(power, drivers.Value{Text: drivers.On}), nil); drivers.KindOf(err) != drivers.Unavailable {
				t.Errorf("started without its storage: %v", err)
			}
			if now := s.observe(d, power); now.Text != drivers.Off {
				t.Errorf("after a start that failed it is %s", now.Text)
			}
			back()
			if boot := s.boot(d, disk.Target); !strings.HasPrefix(boot.Disk, "spare@") {
				t.Errorf("it booted as %+v", boot)
			}
			if back := s.apply(d, disk, found); string(back.Rest) != string(found.Rest) {
				t.Errorf("found %s, put back %s", found.Rest, back.Rest)
			}
		})
	}
}

// A server that answers nobody makes a start hang. The start's caller gives up, and whoever
// then wants the VM off gets it off.
func TestAStartThatHangsIsEnded(t *testing.T) {
	s := newSite(t)
	d := s.driver()
	for _, v := range s.servers() {
		t.Run(v.name, func(t *testing.T) {
			s := &testSite{s.Site, t}
			vm := s.guest("kvm-1", kvmsite.VMSpec{Name: "hang-" + v.name, Bridge: "iso-2", Disks: []kvmsite.Disk{{Source: v.source, Format: "raw"}}})
			power := s.property(drivers.VM, vm, drivers.Power, "")
			if err := v.Freeze(); err != nil {
				t.Fatal(err)
			}
			thaw := func() { _ = v.Thaw() }
			defer thaw()
			short, cancel := context.WithTimeout(s.ctx(), 2*time.Second)
			defer cancel()
			if got, err := d.Apply(short, s.change(power, drivers.Value{Text: drivers.On}), nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%v, %v", got, err)
			}
			limited, cancel := context.WithTimeout(s.ctx(), 20*time.Second)
			defer cancel()
			began := time.Now()
			if got, err := d.Apply(limited, s.change(power, drivers.Value{Text: drivers.Off}), nil); err != nil || got.Text != drivers.Off {
				t.Fatalf("after %s: %v, %v", time.Since(began), got, err)
			}
			t.Logf("off after %s", time.Since(began))
			thaw()
			s.boot(d, vm)
		})
	}
}
