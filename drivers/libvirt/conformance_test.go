package libvirt

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/drivertest"
	"github.com/hotspare/hotspare/drivers/libvirt/kvmsite"
	"github.com/hotspare/hotspare/drivers/plugin"
)

// rig names what the suite may use at the site.
func (s *testSite) rig(d drivers.Driver) drivertest.Rig {
	s.t.Helper()
	boots := map[string]int{}
	return drivertest.Rig{
		Driver: d, Site: siteName, Cluster: clusterName,
		VM: kvmsite.VMUUID("shop-app"), DiskSlot: "vda", NICSlot: kvmsite.VMMAC("shop-app"), Network: "bridge:iso-1", Host: "kvm-1",
		PowerVM: s.plain(), Template: kvmsite.Template, TemplateHost: "kvm-3",
		Replica: s.Replica(), RestorePoints: [2]string{"rp-1", "rp-2"}, IncompletePoint: "rp-3", Volume: "shop-app-root",
		ForeignVolume: s.foreignVolume(),
		Grace:         20 * time.Second,
		Booted: func(t *testing.T, vm string) {
			list, err := s.Boots(vm)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) > boots[vm] { // it was quicker
				boots[vm] = len(list)
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := s.WaitBoot(ctx, vm, boots[vm]); err != nil {
				t.Fatal(err)
			}
			boots[vm]++
		},
		// A guest that is stopped hears nothing, and its VM is on.
		IgnoreShutdown: func(_ *testing.T, vm string, ignore bool) {
			if ignore {
				s.virsh(s.where(vm), "suspend", vm)
			} else if host := s.where(vm); !strings.Contains(s.virsh(host, "domstate", vm), "shut off") {
				s.virsh(host, "resume", vm)
			}
		},
		Drift: func(_ *testing.T, p drivers.Property) func() { return s.meddle(p) },
		ExpireSession: func(t *testing.T) {
			for _, h := range s.Hosts()[1:] {
				s.restart(t, h)
			}
		},
	}
}

// restart kills a host's libvirtd and starts it again.
func (s *testSite) restart(t *testing.T, h kvmsite.Host) {
	t.Helper()
	if err := errors.Join(h.Kill9(s.ctx()), h.Restart(s.ctx())); err != nil {
		t.Fatal(err)
	}
}

// plain defines a VM that can run on its disk.
func (s *testSite) plain() string {
	s.t.Helper()
	path := s.diskFile("plain.raw", "raw", "plain@here")
	return s.guest("kvm-2", kvmsite.VMSpec{Name: "plain", Bridge: "iso-2", Disks: []kvmsite.Disk{{Path: path, Format: "raw"}}})
}

// foreignVolume puts a disk without a record where a volume would be.
func (s *testSite) foreignVolume() string {
	s.t.Helper()
	path := filepath.Join(s.Dir(), "volumes/hotspare", siteName, "volumes/somebody/data.qcow2")
	if err := kvmsite.MakeDisk(s.ctx(), path, "qcow2", "somebody's", ""); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(path)) })
	return "somebody/data"
}

// meddle changes a property of a VM as somebody with virsh would.
func (s *testSite) meddle(p drivers.Property) (putBack func()) {
	s.t.Helper()
	if p.Kind != drivers.VM {
		return nil
	}
	replace := func(old, with string) func(string) string {
		return func(text string) string { return strings.Replace(text, old, with, 1) }
	}
	switch p.Name {
	case drivers.Disk:
		return s.redefine(p.Target, replace("type='qcow2'/>", "type='qcow2' cache='writeback'/>"))
	case drivers.NIC:
		return s.redefine(p.Target, replace("<model type='virtio'/>", "<model type='virtio'/><link state='down'/>"))
	case drivers.HostOf:
		from := s.where(p.Target)
		text := s.virsh(from, "dumpxml", "--inactive", p.Target)
		move := func(from, to string) {
			s.define(to, text)
			s.virsh(from, "undefine", p.Target)
		}
		move(from, "kvm-3")
		return func() { move("kvm-3", from) }
	}
	return nil
}

func TestConformanceInProcess(t *testing.T) {
	s := newSite(t)
	rig := s.rig(s.driver())
	before := s.sums(s.Replica())
	drivertest.Run(t, rig)
	if diff := cmp.Diff(before, s.sums(s.Replica())); diff != "" {
		t.Errorf("the replica is not as it was found (- before, + after):\n%s", diff)
	}
	s.nothingLeft()
}

// nothingLeft checks that the driver left no file in the volumes pool.
func (s *testSite) nothingLeft() {
	s.t.Helper()
	for file := range s.sums(filepath.Join(s.Dir(), "volumes/hotspare")) {
		if !strings.Contains(file, "/somebody/") {
			s.t.Errorf("left in the volumes pool: %s", file)
		}
	}
}

func TestConformanceAsPlugin(t *testing.T) {
	if testing.Short() {
		t.Skip("launches the driver some hundred times")
	}
	s := newSite(t)
	t.Setenv("GOFLAGS", "-tags=libvirt_dlopen")
	temp, err := os.MkdirTemp("", "hs") // the test's own folder has too long a name for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	supervisor, err := plugin.Supervise(t.Context(), plugin.Config{
		Binary:  drivertest.Build(t, "github.com/hotspare/hotspare/cmd/hotspare-driver-libvirt"),
		TempDir: temp, Logger: slog.New(slog.DiscardHandler), Patience: 20 * time.Second,
		BackoffFirst: time.Millisecond, BackoffMost: 5 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(supervisor.Close)
	if err := supervisor.Configure(t.Context(), s.configuration(nil)); err != nil {
		t.Fatal(err)
	}
	rig := s.rig(supervisor)
	// Connections and guests are the same as in process; what is new here are the kills.
	rig.ExpireSession, rig.IgnoreShutdown, rig.Booted, rig.Grace = nil, nil, nil, 0
	rig.Kill = func(t *testing.T) {
		pid := supervisor.Status().PID
		for ; pid == 0; pid = supervisor.Status().PID {
			<-time.After(time.Millisecond)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	before := s.sums(s.Replica())
	drivertest.Run(t, rig)
	if diff := cmp.Diff(before, s.sums(s.Replica())); diff != "" {
		t.Errorf("the replica is not as it was found (- before, + after):\n%s", diff)
	}
	s.nothingLeft()
	if supervisor.Status().Restarts == 0 {
		t.Error("the driver's process was never killed")
	}
}
