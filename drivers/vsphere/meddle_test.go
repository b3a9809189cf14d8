package vsphere

import (
	"bytes"
	"context"
	"strings"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// meddle changes a property as somebody at vCenter's own console would.
func (s *testSite) meddle(p drivers.Property) (putBack func()) {
	s.t.Helper()
	switch p.Kind {
	case drivers.Volume:
		return s.strangersDisk(p.Target)
	case drivers.Replica:
		return s.strangersPromotion(p.Target)
	case drivers.Datastore:
		s.unmountFrom(p.Target, "esx-02")
		s.mountOn(p.Target, string(types.HostMountModeReadOnly), "esx-02")
		return func() {
			s.unmountFrom(p.Target, "esx-02")
			s.mountOn(p.Target, string(types.HostMountModeReadWrite), "esx-02")
		}
	}
	ctx := context.WithoutCancel(s.t.Context())
	switch p.Name {
	case drivers.Presence:
		return s.strangersVM(p.Target)
	case drivers.Power:
		return s.strangersPower(p.Target)
	case drivers.HostOf:
		vm := s.byID(p.Target)
		before, err := vm.HostSystem(ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		s.move(vm, s.host("esx-03"))
		return func() { s.move(vm, before.Reference()) }
	case drivers.NIC:
		return s.edit(p.Target, func(device types.BaseVirtualDevice) bool {
			nic, ok := device.(types.BaseVirtualEthernetCard)
			if ok {
				nic.GetVirtualEthernetCard().MacAddress = "00:50:56:3f:00:01"
			}
			return ok
		})
	case drivers.Disk:
		return s.edit(p.Target, func(device types.BaseVirtualDevice) bool {
			disk, ok := device.(*types.VirtualDisk)
			if ok {
				disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).DiskMode = string(types.VirtualDiskModeIndependent_persistent)
			}
			return ok
		})
	}
	return nil
}

func (s *testSite) host(name string) types.ManagedObjectReference {
	s.t.Helper()
	ref, err := object.NewSearchIndex(s.admin).FindByInventoryPath(context.WithoutCancel(s.t.Context()), "/DC0/host/DC0_C0/"+name)
	if err != nil || ref == nil {
		s.t.Fatalf("find host %s: %v, %v", name, ref, err)
	}
	return ref.Reference()
}

func (s *testSite) move(vm *object.VirtualMachine, host types.ManagedObjectReference) {
	s.t.Helper()
	s.wait(vm.Relocate(context.WithoutCancel(s.t.Context()), types.VirtualMachineRelocateSpec{Host: &host}, types.VirtualMachineMovePriorityDefaultPriority))
}

// edit changes the first device that change takes, and gives what puts it back.
func (s *testSite) edit(id string, change func(types.BaseVirtualDevice) bool) (putBack func()) {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context())
	vm := s.byID(id)
	list, err := vm.Device(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	again, err := vm.Device(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	for i, device := range list {
		if change(device) {
			s.wait(vm.Reconfigure(ctx, editSpec(device)))
			return func() { s.wait(vm.Reconfigure(ctx, editSpec(again[i]))) }
		}
	}
	s.t.Fatalf("VM %s has no such device", id)
	return nil
}

func editSpec(device types.BaseVirtualDevice) types.VirtualMachineConfigSpec {
	return types.VirtualMachineConfigSpec{DeviceChange: []types.BaseVirtualDeviceConfigSpec{
		&types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationEdit, Device: device},
	}}
}

// strangersDisk puts a disk where a volume is about to be made.
func (s *testSite) strangersDisk(target string) func() {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context())
	holder, volume, _ := strings.Cut(target, "/")
	folder := "[LocalDS_1] hotspare/" + siteName + "/" + restorepoint.Escape(holder)
	dc := s.datacenter()
	if err := object.NewFileManager(s.admin).MakeDirectory(ctx, folder, dc, true); err != nil {
		s.t.Fatal(err)
	}
	disks := object.NewVirtualDiskManager(s.admin)
	at := folder + "/" + restorepoint.Escape(volume) + ".vmdk"
	s.wait(disks.CreateVirtualDisk(ctx, at, dc, &types.FileBackedVirtualDiskSpec{CapacityKb: 1024}))
	return func() {
		s.wait(disks.DeleteVirtualDisk(ctx, at, dc))
		s.wait(object.NewFileManager(s.admin).DeleteDatastoreFile(ctx, folder, dc))
	}
}

// strangersPromotion marks a replica primary, as nobody's run has.
func (s *testSite) strangersPromotion(replica string) func() {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context())
	at, err := parsePath(replica + "/" + restorepoint.MarkerName)
	if err != nil {
		s.t.Fatal(err)
	}
	store, err := find.NewFinder(s.admin).SetDatacenter(s.datacenter()).Datastore(ctx, "/DC0/datastore/"+at.datastore)
	if err != nil {
		s.t.Fatal(err)
	}
	content := restorepoint.Encode(restorepoint.Marker{V: 1, Site: siteName, As: "somebody", RestorePoint: "some", Volumes: map[string]string{}})
	if err := store.Upload(ctx, bytes.NewReader(content), at.path, &soap.DefaultUpload); err != nil {
		s.t.Fatal(err)
	}
	return func() { s.wait(object.NewFileManager(s.admin).DeleteDatastoreFile(ctx, at.String(), s.datacenter())) }
}

// strangersVM makes a VM with the instance UUID of one that is about to be made.
func (s *testSite) strangersVM(id string) func() {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context())
	folders, err := s.datacenter().Folders(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	pool := object.NewResourcePool(s.admin, s.pool())
	s.wait(folders.VmFolder.CreateVM(ctx, types.VirtualMachineConfigSpec{
		Name: "somebody's", InstanceUuid: id, GuestId: string(types.VirtualMachineGuestOsIdentifierOtherGuest),
		NumCPUs: 1, MemoryMB: 4, Files: &types.VirtualMachineFileInfo{VmPathName: "[LocalDS_1]"},
	}, pool, object.NewHostSystem(s.admin, s.host("esx-03"))))
	return func() { s.wait(s.byID(id).Destroy(ctx)) }
}

// strangersPower powers a VM off that is on, and suspends one that is off.
func (s *testSite) strangersPower(id string) func() {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context())
	vm := s.byID(id)
	state, err := vm.PowerState(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	if state == types.VirtualMachinePowerStatePoweredOn {
		s.wait(vm.PowerOff(ctx))
		return func() { s.wait(vm.PowerOn(ctx)) }
	}
	s.wait(vm.PowerOn(ctx))
	s.wait(vm.Suspend(ctx))
	return func() { s.wait(vm.PowerOff(ctx)) }
}
