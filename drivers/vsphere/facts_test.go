package vsphere

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// at names a property of a VM of the site.
func (s *testSite) at(vm string, name drivers.Name, slot string) drivers.Property {
	s.t.Helper()
	_, id := s.vm(vm)
	return drivers.Property{Cluster: clusterName, Kind: drivers.VM, Target: id, Name: name, Slot: slot}
}

var changes struct {
	sync.Mutex
	n int
}

func changeOf(p drivers.Property, goal drivers.Value, expected ...drivers.Value) drivers.Change {
	changes.Lock()
	defer changes.Unlock()
	changes.n++
	return drivers.Change{
		Property: p, ID: fmt.Sprintf("fact-%d-%d", time.Now().UnixNano(), changes.n), Goal: goal, Expected: expected,
		Force: true, Owner: drivers.Owner{Site: siteName, Holder: "ws-7"},
	}
}

func mustApply(t *testing.T, d drivers.Driver, c drivers.Change) drivers.Value {
	t.Helper()
	v, err := d.Apply(context.WithoutCancel(t.Context()), c, nil)
	if err != nil {
		t.Fatalf("set %s: %v", c.Property, err)
	}
	return v
}

func mustObserve(t *testing.T, d drivers.Driver, p drivers.Property) drivers.Value {
	t.Helper()
	v, err := d.Observe(t.Context(), p)
	if err != nil {
		t.Fatalf("observe %s: %v", p, err)
	}
	return v
}

// clone makes a volume of pay-app-01's root for the length of the test.
func (s *testSite) clone(d drivers.Driver, target string) drivers.Value {
	s.t.Helper()
	p := drivers.Property{Cluster: clusterName, Kind: drivers.Volume, Target: target, Name: drivers.Presence}
	point := s.points(d, replicaPath)[1]
	made := mustApply(s.t, d, changeOf(p, drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{Volume: &drivers.VolumeSpec{
		Replica: replicaPath, RestorePoint: point.ID, Volume: "pay-app-01-root",
	}}}))
	s.t.Cleanup(func() { mustApply(s.t, d, changeOf(p, drivers.Value{Text: drivers.Absent})) })
	return made
}

func TestASwapIsOneReconfigurationAndNamesTheParent(t *testing.T) {
	s := newSite(t)
	d, counted := s.driver()
	made := s.clone(d, "ws-7/pay-app-01 root")
	disk := s.at("pay-app-01", drivers.Disk, "scsi0:0")
	found := mustObserve(t, d, disk)
	before := counted.of("ReconfigVM_Task")
	swapped := mustApply(t, d, changeOf(disk, drivers.Value{Text: made.Made[drivers.MadeEndpoint]}, found))
	t.Cleanup(func() { mustApply(t, d, changeOf(disk, found)) })
	if n := counted.of("ReconfigVM_Task") - before; n != 1 {
		t.Errorf("a swap took %d reconfigurations", n)
	}
	var rest diskRest
	if err := json.Unmarshal(swapped.Rest, &rest); err != nil {
		t.Fatal(err)
	}
	point := s.points(d, replicaPath)[1]
	if want := []string{point.Volumes["pay-app-01-root"]}; !slices.Equal(rest.Parents, want) {
		t.Errorf("the swapped disk hangs on %v, want %v", rest.Parents, want)
	}
	// Elsewhere and back: the value alone brings the parent back.
	mustApply(t, d, changeOf(disk, found))
	if again := mustApply(t, d, changeOf(disk, swapped)); string(again.Rest) != string(swapped.Rest) {
		t.Errorf("swapped back it is %s, was %s", again.Rest, swapped.Rest)
	}
}

func TestANetworkChangeKeepsTheAddress(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	nic := s.at("pay-app-01", drivers.NIC, "ethernet0")
	found := mustObserve(t, d, nic)
	t.Cleanup(func() { mustApply(t, d, changeOf(nic, found)) })
	moved := mustApply(t, d, changeOf(nic, drivers.Value{Text: "ISO-03"}, found))
	var was, is nicRest
	if err := errors.Join(json.Unmarshal(found.Rest, &was), json.Unmarshal(moved.Rest, &is)); err != nil {
		t.Fatal(err)
	}
	if moved.Text != "ISO-03" || is.MAC != was.MAC || is.Model != was.Model || is.PortGroup == was.PortGroup {
		t.Errorf("moved from %s %s to %s %s", found.Text, found.Rest, moved.Text, moved.Rest)
	}
	_, err := d.Apply(t.Context(), changeOf(nic, drivers.Value{Text: "no such network"}), nil)
	if drivers.KindOf(err) != drivers.NotFound {
		t.Errorf("an unknown network gives %v", err)
	}
	// A standard network, which has a backing of another kind.
	if plain := mustApply(t, d, changeOf(nic, drivers.Value{Text: "VM Network"})); plain.Text != "VM Network" {
		t.Errorf("on %s", plain.Text)
	}
}

func TestManyWaitersShareOneCollector(t *testing.T) {
	s := newSite(t)
	d, counted := s.driver()
	var done sync.WaitGroup
	for _, vm := range []string{"erp-db-01", "erp-app-01", "erp-web-01", "pay-db-01", "pay-app-01", "rep-01"} {
		p := s.at(vm, drivers.Power, "")
		done.Go(func() {
			mustApplyAsync(t, d, changeOf(p, drivers.Value{Text: drivers.On}))
			off := changeOf(p, drivers.Value{Text: drivers.Off})
			off.Grace = 20 * time.Second
			mustApplyAsync(t, d, off)
		})
	}
	done.Wait()
	if n := counted.of("CreatePropertyCollector"); n != 1 {
		t.Errorf("made %d collectors", n)
	}
	if n := counted.of("PowerOffVM_Task"); n != 0 {
		t.Errorf("%d guests that obey were cut off", n)
	}
	if n := counted.of("Login"); n != 1 {
		t.Errorf("logged in %d times", n)
	}
}

func mustApplyAsync(t *testing.T, d drivers.Driver, c drivers.Change) {
	if _, err := d.Apply(t.Context(), c, nil); err != nil {
		t.Errorf("set %s: %v", c.Property, err)
	}
}

func TestALatePowerOnNeverLandsAfterAPowerOff(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	p := s.at("rep-01", drivers.Power, "")
	ctx, cancel := context.WithCancel(t.Context())
	// The caller goes away when the task has begun; the task goes on.
	_, err := d.Apply(ctx, changeOf(p, drivers.Value{Text: drivers.On}), func(drivers.Progress) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("want the context's error, got %v", err)
	}
	mustApply(t, d, changeOf(p, drivers.Value{Text: drivers.Off}))
	vm := s.byID(p.Target)
	state, err := vm.PowerState(t.Context())
	if err != nil || state != types.VirtualMachinePowerStatePoweredOff {
		t.Fatalf("%s, %v", state, err)
	}
	running, err := d.client.runningTasks(t.Context())
	if err != nil || slices.ContainsFunc(running, func(r runningTask) bool { return r.entity == vm.Reference() }) {
		t.Fatalf("left running on it: %v, %v", running, err)
	}
}

func TestWhatASwapRefuses(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	made := s.clone(d, "ws-8/root")
	endpoint := drivers.Value{Text: made.Made[drivers.MadeEndpoint]}
	disk := s.at("pay-app-01", drivers.Disk, "scsi0:0")
	found := mustObserve(t, d, disk)
	refused := func(what string, p drivers.Property, goal drivers.Value, kind drivers.ErrorKind, says string) {
		t.Helper()
		_, err := d.Apply(t.Context(), changeOf(p, goal), nil)
		if drivers.KindOf(err) != kind || !strings.Contains(fmt.Sprint(err), says) {
			t.Errorf("%s: want %s saying %q, got %v", what, kind, says, err)
		}
	}
	refused("a file that does not exist", disk, drivers.Value{Text: "[LocalDS_1] no/such.vmdk"}, drivers.NotFound, "no/such.vmdk")
	refused("a slot without a disk", disk.On(drivers.Disk, "scsi0:9"), endpoint, drivers.NotFound, "slot")

	vm := s.byID(disk.Target)
	ctx := context.WithoutCancel(t.Context())
	s.wait(vm.CreateSnapshot(ctx, "a developer's", "", false, false))
	refused("a VM with a snapshot", disk, endpoint, drivers.Refused, "1 snapshots")
	consolidate := true
	s.wait(vm.RemoveAllSnapshot(ctx, &consolidate))

	mustApply(t, d, changeOf(disk, endpoint))
	t.Cleanup(func() { mustApply(t, d, changeOf(disk, found)) })
	power := disk.On(drivers.Power, "")
	mustApply(t, d, changeOf(power, drivers.Value{Text: drivers.On}))
	t.Cleanup(func() { mustApply(t, d, changeOf(power, drivers.Value{Text: drivers.Off})) })
	refused("a disk that a VM which is on has", s.at("rep-01", drivers.Disk, "scsi0:0"), endpoint, drivers.Refused, "pay-app-01")
}

func TestConfigurationIsChecked(t *testing.T) {
	s := newSite(t)
	for what, c := range map[string]struct {
		changed   map[string]any
		attribute string
	}{
		"a wrong password":              {map[string]any{"password_file": "wrong"}, "password_file"},
		"a missing url":                 {map[string]any{"url": nil}, "url"},
		"http":                          {map[string]any{"url": "http://127.0.0.1/sdk"}, "url"},
		"an account in the url":         {map[string]any{"url": "https://a:b@127.0.0.1/sdk"}, "url"},
		"a number":                      {map[string]any{"folder": 7}, "folder"},
		"an unknown attribute":          {map[string]any{"colour": "red"}, "colour"},
		"another thumbprint":            {map[string]any{"thumbprint": strings.Repeat("0", 64)}, "thumbprint"},
		"no thumbprint and no CA":       {map[string]any{"thumbprint": nil}, "thumbprint"},
		"half a thumbprint":             {map[string]any{"thumbprint": "ABCD"}, "thumbprint"},
		"a datastore that is not there": {map[string]any{"volumes_datastore": "no-such"}, "volumes_datastore"},
		"a cluster that is not there":   {map[string]any{"compute": "no-such"}, "compute"},
		"a datacenter that is not":      {map[string]any{"datacenter": "no-such"}, "datacenter"},
	} {
		t.Run(what, func(t *testing.T) {
			err := New().Configure(t.Context(), s.configuration(c.changed))
			var e *drivers.Error
			if !errors.As(err, &e) || e.Kind != drivers.Invalid || e.Attribute != c.attribute {
				t.Fatalf("want invalid %s, got %v", c.attribute, err)
			}
			if strings.Contains(err.Error(), s.secret) {
				t.Fatalf("the error tells the password: %v", err)
			}
		})
	}
}

func TestConfiguredAgainTheSameItDoesNothing(t *testing.T) {
	s := newSite(t)
	d, counted := s.driver()
	c := s.configuration(nil)
	var body map[string]any
	if err := json.Unmarshal(c.Body, &body); err != nil {
		t.Fatal(err)
	}
	c.Body, _ = json.MarshalIndent(body, "", "    ") // the same, written otherwise
	if err := d.Configure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if n := counted.of("Login"); n != 1 {
		t.Errorf("logged in %d times", n)
	}
}

func TestAVMOfOursGoesWithoutTheDisksOfOthers(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	before := s.dump()
	made := s.clone(d, "ws-9/root")
	id := "5f0c9a1e-0d8e-4c59-9f6f-0a4f2c6f1b11"
	vm := drivers.Property{Cluster: clusterName, Kind: drivers.VM, Target: id, Name: drivers.Presence}
	spec := &drivers.VMSpec{Name: "ws-9-1", Template: "tpl-loadgen", Host: "esx-07", CPUs: 3, MemoryMiB: 2048, Networks: map[string]string{"ethernet0": "ISO-05"}}
	mustApply(t, d, changeOf(vm, drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{VM: spec}}))
	if host := mustObserve(t, d, vm.On(drivers.HostOf, "")); host.Text != "esx-07" {
		t.Errorf("on host %s", host.Text)
	}
	if nic := mustObserve(t, d, vm.On(drivers.NIC, "ethernet0")); nic.Text != "ISO-05" {
		t.Errorf("on network %s", nic.Text)
	}
	own := mustObserve(t, d, vm.On(drivers.Disk, "scsi0:0"))
	mustApply(t, d, changeOf(vm.On(drivers.Disk, "scsi0:0"), drivers.Value{Text: made.Made[drivers.MadeEndpoint]}, own))
	mustApply(t, d, changeOf(vm, drivers.Value{Text: drivers.Absent}))
	at := drivers.Property{Cluster: clusterName, Kind: drivers.Volume, Target: "ws-9/root", Name: drivers.Presence}
	if v := mustObserve(t, d, at); v.Text != drivers.Present {
		t.Fatalf("destroying the VM has made the volume %s", v.Text)
	}
	mustApply(t, d, changeOf(at, drivers.Value{Text: drivers.Absent}))
	if diff := cmp.Diff(before, s.dump()); diff != "" {
		t.Errorf("the site is not as it was found:\n%s", diff)
	}
}

func TestKeptWritesAreFoundUnderAnotherName(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	before := s.dump()
	point := s.points(d, replicaPath)[1]
	role := drivers.Property{Cluster: clusterName, Kind: drivers.Replica, Target: replicaPath, Name: drivers.Role}
	goal := func(as, kept, restorePoint string) drivers.Value {
		return drivers.Value{Text: drivers.Primary, Spec: &drivers.Spec{Replica: &drivers.ReplicaSpec{
			As: as, Kept: kept, RestorePoint: restorePoint, Volumes: []string{"pay-app-01-root", "pay-db-01-data"},
		}}}
	}
	first := mustApply(t, d, changeOf(role, goal("run-1", "", point.ID)))
	demoted := mustApply(t, d, changeOf(role, drivers.Value{Text: drivers.Secondary}, first))
	// A demotion that was cut off after its end still tells what it kept.
	if again := mustApply(t, d, changeOf(role, drivers.Value{Text: drivers.Secondary}, first)); !cmp.Equal(again.Made, demoted.Made) || len(again.Made) != 2 {
		t.Errorf("kept %v, and again %v", demoted.Made, again.Made)
	}
	second := mustApply(t, d, changeOf(role, goal("run-2", "run-1", "")))
	if !cmp.Equal(second.Made, first.Made) {
		t.Errorf("the disks were %v, and are %v", first.Made, second.Made)
	}
	volume := func(holder, name string) drivers.Property {
		return drivers.Property{Cluster: clusterName, Kind: drivers.Volume, Target: holder + "/" + name, Name: drivers.Presence}
	}
	_, err := d.Apply(t.Context(), changeOf(volume("run-2", "pay-app-01-root"), drivers.Value{Text: drivers.Absent}), nil)
	if drivers.KindOf(err) != drivers.Refused {
		t.Errorf("a promoted disk is deleted: %v", err)
	}
	if v := mustObserve(t, d, volume("run-1", "pay-app-01-root")); v.Text != drivers.Absent {
		t.Errorf("the old name is still %s", v.Text)
	}
	// A swap onto the renamed volume names its parent, too.
	record, err := d.client.recordOf(t.Context(), second.Made["pay-app-01-root"])
	if err != nil || record == nil || record.Parents[0] != point.Volumes["pay-app-01-root"] {
		t.Errorf("the record of the renamed volume: %+v, %v", record, err)
	}
	mustApply(t, d, changeOf(role, drivers.Value{Text: drivers.Secondary}, second))
	for _, name := range []string{"pay-app-01-root", "pay-db-01-data"} {
		mustApply(t, d, changeOf(volume("run-2", name), drivers.Value{Text: drivers.Absent}))
	}
	if diff := cmp.Diff(before, s.dump()); diff != "" {
		t.Errorf("the site is not as it was found:\n%s", diff)
	}
}

func TestAScratchVMThatIsLeftIsCleared(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	before := s.dump()
	cl := d.client
	point := s.points(d, replicaPath)[1]
	name := restorepoint.VolumeName{Holder: "ws-3", Volume: "root"}
	p := drivers.Property{Cluster: clusterName, Kind: drivers.Volume, Target: name.String(), Name: drivers.Presence}
	c := changeOf(p, drivers.Value{Text: drivers.Present})
	// The disk has been born on the scratch VM, and then the driver died.
	r := restorepoint.Record{
		V: 1, Target: p.Target, Owner: c.Owner, Change: c.ID, Endpoint: cl.diskPath(name).String(),
		Parents: []string{point.Volumes["pay-app-01-root"]}, Replica: replicaPath, RestorePoint: point.ID, Volume: "pay-app-01-root",
	}
	if err := cl.announce(t.Context(), name, r); err != nil {
		t.Fatal(err)
	}
	progress := func(drivers.Progress) {}
	scratch, err := cl.createScratch(t.Context(), c.ID, c.Owner, progress)
	if err != nil {
		t.Fatal(err)
	}
	if err := cl.bear(t.Context(), *scratch, []restorepoint.Record{r}, progress); err != nil {
		t.Fatal(err)
	}
	// The same change completes it, another one takes it back.
	if v := mustApply(t, d, c); v.Text != drivers.Present {
		t.Fatal(v.Text)
	}
	if ref, err := cl.findInFolder(t.Context(), scratchName(c.ID)); ref != nil || err != nil {
		t.Fatalf("the scratch VM is still there: %v, %v", ref, err)
	}
	mustApply(t, d, changeOf(p, drivers.Value{Text: drivers.Absent}))
	if diff := cmp.Diff(before, s.dump()); diff != "" {
		t.Errorf("the site is not as it was found:\n%s", diff)
	}
}

func TestAQuestionOfTheVMIsTold(t *testing.T) {
	err := unanswered("power on", "pay-db-01", &types.VirtualMachineQuestionInfo{Text: "Did you move it or copy it?"})
	if drivers.KindOf(err) != drivers.Refused || !strings.Contains(err.Error(), "move it or copy it") {
		t.Fatal(err)
	}
}

func TestTheInventoryOfTheSite(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	count := map[string]int{}
	var db *drivers.VMItem
	err := d.Inventory(t.Context(), drivers.InventoryRequest{Replicas: []string{replicaPath}}, func(i drivers.Item) error {
		switch {
		case i.Host != nil:
			count["hosts"]++
			if i.Host.CPUs != 16 || i.Host.MemoryMiB != 64<<10 || !i.Host.Connected {
				t.Errorf("host %+v", i.Host)
			}
			if slices.Contains(i.Host.Networks, "PG-PROD-DB") {
				count["production hosts"]++
			}
		case i.VM != nil && i.VM.Template:
			count["templates"]++
		case i.VM != nil:
			count["vms"]++
			if i.VM.Name == "pay-db-01" {
				db = i.VM
			}
		case i.Network != nil:
			count["networks"]++
		case i.Datastore != nil:
			count["datastores"]++
		case i.Replica != nil:
			count["points"] += len(i.Replica.RestorePoints)
		}
		return nil
	})
	want := map[string]int{"hosts": 8, "production hosts": 5, "templates": 3, "vms": 8, "networks": 10, "datastores": 2, "points": 3}
	if diff := cmp.Diff(want, count); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if db == nil || db.CPUs != 8 || db.MemoryMiB != 40<<10 || db.Disks["scsi0:1"] != "[LocalDS_0] replica/payments/pay-db-01-data.vmdk" || db.NICs["ethernet0"] != "PG-STANDBY" {
		t.Errorf("pay-db-01 is %+v", db)
	}
}

func TestPathsAreSafe(t *testing.T) {
	seen := map[string]string{}
	for _, text := range []string{"ws-7", "ws_7", "..", ".", "a/b", "a b", "a_2fb", "ä", "", "A", "a"} {
		name := restorepoint.Escape(text)
		if strings.ContainsAny(name, "/ []\\%") || strings.HasPrefix(name, ".") {
			t.Errorf("%q becomes %q", text, name)
		}
		if other, taken := seen[name]; taken {
			t.Errorf("%q and %q both become %q", text, other, name)
		}
		seen[name] = text
	}
	for _, text := range []string{"", "x", "[ds]", "[ds] ", "[] x", "[ds] ../x", "[ds] a/../b", "[ds] /x", "[ds] a//b"} {
		if p, err := parsePath(text); err == nil {
			t.Errorf("%q passes as %v", text, p)
		}
	}
	if p, err := parsePath("[ds] a b/c.vmdk"); err != nil || p.String() != "[ds] a b/c.vmdk" {
		t.Errorf("%v, %v", p, err)
	}
}

func TestFaultsBecomeKinds(t *testing.T) {
	for kind, faults := range map[drivers.ErrorKind][]types.BaseMethodFault{
		drivers.Busy:     {&types.TaskInProgress{}, &types.ConcurrentAccess{}, &types.FileLocked{}},
		drivers.NotFound: {&types.ManagedObjectNotFound{}, &types.FileNotFound{}},
		drivers.Refused: {
			&types.NoPermission{}, &types.InsufficientFailoverResourcesFault{}, &types.NoDiskSpace{}, &types.DuplicateName{},
			&types.InsufficientMemoryResourcesFault{}, &types.QuestionPending{},
		},
		drivers.Invalid:     {&types.InvalidDeviceSpec{}, &types.InvalidArgument{}, &types.MethodNotFound{}},
		drivers.Unavailable: {&types.HostNotConnected{}, &types.InvalidPowerState{}, &types.RequestCanceled{}, &types.SystemError{}},
	} {
		for _, f := range faults {
			if got, _ := classify(f); got != kind {
				t.Errorf("%T is %s, want %s", f, got, kind)
			}
		}
	}
}

func TestALongChangeStillNamesItsScratchVM(t *testing.T) {
	a, b := scratchName(strings.Repeat("x", 70)+"1"), scratchName(strings.Repeat("x", 70)+"2")
	if len(a) > 80 || a == b {
		t.Errorf("%q (%d), %q", a, len(a), b)
	}
}
