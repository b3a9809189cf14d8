package vsphere

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// nas mounts an export on every host, for the length of the test.
func (s *testSite) nas(name string) string {
	s.t.Helper()
	var hosts []string
	for i := range 8 {
		hosts = append(hosts, fmt.Sprintf("esx-%02d", i+1))
	}
	s.mountOn(name, string(types.HostMountModeReadWrite), hosts...)
	s.t.Cleanup(func() { s.unmountFrom(name, hosts...) })
	return name
}

func (s *testSite) datastoreSystem(host string) *object.HostDatastoreSystem {
	s.t.Helper()
	system, err := object.NewHostSystem(s.admin, s.host(host)).ConfigManager().DatastoreSystem(context.WithoutCancel(s.t.Context()))
	if err != nil {
		s.t.Fatal(err)
	}
	return system
}

func (s *testSite) mountOn(name, mode string, hosts ...string) {
	s.t.Helper()
	for _, host := range hosts {
		_, err := s.datastoreSystem(host).CreateNasDatastore(context.WithoutCancel(s.t.Context()), types.HostNasVolumeSpec{
			RemoteHost: "filer.dr.example", RemotePath: "/vol/" + name, LocalPath: name, AccessMode: mode, Type: "NFS",
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *testSite) unmountFrom(name string, hosts ...string) {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context())
	store, err := find.NewFinder(s.admin).SetDatacenter(s.datacenter()).Datastore(ctx, "/DC0/datastore/"+name)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, host := range hosts {
		_, err := methods.RemoveDatastore(ctx, s.admin, &types.RemoveDatastore{This: s.datastoreSystem(host).Reference(), Datastore: store.Reference()})
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func datastoreAt(name string) drivers.Property {
	return drivers.Property{Cluster: clusterName, Kind: drivers.Datastore, Target: name, Name: drivers.Presence}
}

func TestADatastoreIsMountedAgainExactly(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	p := datastoreAt(s.nas("nas-exact"))
	s.unmountFrom(p.Target, "esx-03")
	s.mountOn(p.Target, string(types.HostMountModeReadOnly), "esx-03") // one host has it otherwise than the rest
	before := s.dump()
	found := mustObserve(t, d, p)
	rest, ok := readDatastoreRest(found)
	if !ok || rest.Server != "filer.dr.example" || rest.Path != "/vol/nas-exact" || rest.Type != "NFS" || len(rest.Mounts) != 8 || rest.Mounts["esx-03"].Mode != "readOnly" {
		t.Fatalf("found %s", found.Rest)
	}
	if v := mustApply(t, d, changeOf(p, drivers.Value{Text: drivers.Absent}, found)); v.Text != drivers.Absent {
		t.Fatal(v.Text)
	}
	if s.dump() == before {
		t.Fatal("the dump shows no datastores")
	}
	mustApply(t, d, changeOf(p, found, drivers.Value{Text: drivers.Absent}))
	if diff := cmp.Diff(before, s.dump()); diff != "" {
		t.Errorf("the site is not as it was found:\n%s", diff)
	}
}

func TestAHalfMountedDatastoreIsFinishedOrTakenBack(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	p := datastoreAt(s.nas("nas-half"))
	found := mustObserve(t, d, p)
	absent := drivers.Value{Text: drivers.Absent}
	for _, c := range []struct {
		what           string
		goal, expected drivers.Value
	}{
		{"the unmounting goes on", absent, found}, {"and is taken back", found, absent},
		{"the mounting goes on", found, absent}, {"and is taken back", absent, found},
	} {
		mustApply(t, d, changeOf(p, found))
		s.unmountFrom(p.Target, "esx-01", "esx-02", "esx-05")
		if v := mustApply(t, d, changeOf(p, c.goal, c.expected)); !sameDatastore(v, c.goal) {
			t.Errorf("%s: %s %s", c.what, v.Text, v.Rest)
		}
	}
	mustApply(t, d, changeOf(p, found))
	// Mounted otherwise on one host it is no half-made state, but somebody else's change.
	s.unmountFrom(p.Target, "esx-02")
	s.mountOn(p.Target, string(types.HostMountModeReadOnly), "esx-02")
	if _, err := d.Apply(t.Context(), changeOf(p, absent, found), nil); drivers.KindOf(err) != drivers.Drift {
		t.Errorf("want drift, got %v", err)
	}
	if v := mustApply(t, d, changeOf(p, found)); !sameDatastore(v, found) {
		t.Errorf("put back it is %s, was %s", v.Rest, found.Rest)
	}
}

func TestWhatAnUnmountRefuses(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	name := s.nas("nas-used")
	ctx := context.WithoutCancel(t.Context())
	disks := object.NewVirtualDiskManager(s.admin)
	at := "[" + name + "] extra.vmdk"
	s.wait(disks.CreateVirtualDisk(ctx, at, s.datacenter(), &types.FileBackedVirtualDiskSpec{CapacityKb: 1024}))
	disk := s.made(d, "ws-nas", "").On(drivers.Disk, "scsi0:0")
	found := mustObserve(t, d, disk)
	mustApply(t, d, changeOf(disk, drivers.Value{Text: at}))
	before := s.dump()
	refused := func(name string, goal drivers.Value, kind drivers.ErrorKind, says string) {
		t.Helper()
		_, err := d.Apply(t.Context(), changeOf(datastoreAt(name), goal), nil)
		if drivers.KindOf(err) != kind || !strings.Contains(fmt.Sprint(err), says) {
			t.Errorf("%s: want %s saying %q, got %v", name, kind, says, err)
		}
	}
	absent := drivers.Value{Text: drivers.Absent}
	refused(name, absent, drivers.Refused, "ws-nas")
	refused("LocalDS_0", absent, drivers.Refused, "NFS only")
	refused("nas-unknown", drivers.Value{Text: drivers.Present}, drivers.Invalid, "which export")
	lost := drivers.Value{Text: drivers.Present, Rest: restorepoint.Encode(datastoreRest{V: 1, Type: "NFS", Server: "f", Path: "/x", Mounts: map[string]mount{"esx-99": {Mode: "readWrite"}}})}
	refused("nas-unknown", lost, drivers.NotFound, "esx-99")
	refused(name, lost, drivers.NotFound, "esx-99")
	if diff := cmp.Diff(before, s.dump()); diff != "" {
		t.Errorf("refused, and changed all the same:\n%s", diff)
	}
	mustApply(t, d, changeOf(disk, found))
	mustApply(t, d, changeOf(datastoreAt(name), absent))
	// A disk on a datastore that is gone is told before vCenter is asked for it.
	_, err := d.Apply(t.Context(), changeOf(disk, drivers.Value{Text: at}), nil)
	if drivers.KindOf(err) != drivers.NotFound || !strings.Contains(err.Error(), name) {
		t.Errorf("a datastore that is gone: %v", err)
	}
	for i := range 8 { // for what takes it away at the end
		s.mountOn(name, string(types.HostMountModeReadWrite), fmt.Sprintf("esx-%02d", i+1))
	}
}
