package vsphere

import (
	"context"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/drivertest"
	"github.com/hotspare/hotspare/drivers/plugin"
)

const replicaPath = "[LocalDS_0] replica/payments"

// rig names what the suite may use at the development site.
func (s *testSite) rig(d drivers.Driver) drivertest.Rig {
	s.t.Helper()
	_, id := s.vm("pay-app-01")
	points := s.points(d, replicaPath)
	return drivertest.Rig{
		Driver: d, Site: siteName, Cluster: clusterName,
		VM: id, DiskSlot: "scsi0:0", NICSlot: "ethernet0", Network: "ISO-01", Host: "esx-02",
		Template: "tpl-ubuntu", TemplateHost: "esx-06",
		Replica: replicaPath, RestorePoints: [2]string{points[0].ID, points[1].ID}, IncompletePoint: points[2].ID, Volume: "pay-app-01-root",
		Datastore:      s.nas("nas-conformance"),
		ForeignVolume:  s.foreignVolume(),
		Grace:          20 * time.Second,
		IgnoreShutdown: func(_ *testing.T, vm string, ignore bool) { s.stubborn(vm, ignore) },
		Drift:          func(_ *testing.T, p drivers.Property) func() { return s.meddle(p) },
		ExpireSession:  func(*testing.T) { s.expire() },
	}
}

// foreignVolume puts a disk without a record where a volume would be.
func (s *testSite) foreignVolume() string {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context())
	folder := "[LocalDS_1] hotspare/" + siteName + "/somebody"
	dc := s.datacenter()
	if err := object.NewFileManager(s.admin).MakeDirectory(ctx, folder, dc, true); err != nil {
		s.t.Fatal(err)
	}
	disks := object.NewVirtualDiskManager(s.admin)
	at := folder + "/data.vmdk"
	s.wait(disks.CreateVirtualDisk(ctx, at, dc, &types.FileBackedVirtualDiskSpec{CapacityKb: 1024}))
	s.t.Cleanup(func() { s.wait(disks.DeleteVirtualDisk(ctx, at, dc)) })
	return "somebody/data"
}

func (s *testSite) datacenter() *object.Datacenter {
	s.t.Helper()
	ref, err := object.NewSearchIndex(s.admin).FindByInventoryPath(context.WithoutCancel(s.t.Context()), "/DC0")
	if err != nil || ref == nil {
		s.t.Fatalf("find the datacenter: %v, %v", ref, err)
	}
	return object.NewDatacenter(s.admin, ref.Reference())
}

func TestConformanceInProcess(t *testing.T) {
	s := newSite(t)
	d, counted := s.driver()
	rig := s.rig(d)
	before := s.dump()
	drivertest.Run(t, rig)
	if diff := cmp.Diff(before, s.dump()); diff != "" {
		t.Errorf("the site is not as it was found (- before, + after):\n%s", diff)
	}
	t.Logf("calls: %v", counted.count)
}

func TestConformanceAsPlugin(t *testing.T) {
	if testing.Short() {
		t.Skip("launches the driver some hundred times")
	}
	s := newSite(t)
	temp, err := os.MkdirTemp("", "hs") // the test's own folder has too long a name for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	supervisor, err := plugin.Supervise(t.Context(), plugin.Config{
		Binary:  drivertest.Build(t, "github.com/hotspare/hotspare/cmd/hotspare-driver-vsphere"),
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
	rig.Kill = func(t *testing.T) {
		if err := syscall.Kill(supervisor.Status().PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	before := s.dump()
	drivertest.Run(t, rig)
	if diff := cmp.Diff(before, s.dump()); diff != "" {
		t.Errorf("the site is not as it was found (- before, + after):\n%s", diff)
	}
	if supervisor.Status().Restarts == 0 {
		t.Error("the driver's process was never killed")
	}
}
