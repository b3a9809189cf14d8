package vsphere

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// addDisks gives a VM that is off four more disks, on controllers of other kinds, and has
// it boot from the network. The disks' files are made for it.
func (s *testSite) addDisks(name string) {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context())
	vm, _ := s.vm(name)
	disks := object.NewVirtualDiskManager(s.admin)
	controller := func(key, bus int32) types.VirtualController {
		return types.VirtualController{VirtualDevice: types.VirtualDevice{Key: key}, BusNumber: bus}
	}
	// The keys are those that vCenter gives; the simulator's own would all be the same.
	scsi := types.VirtualSCSIController{SharedBus: types.VirtualSCSISharingNoSharing, VirtualController: controller(1001, 1)}
	sata := types.VirtualAHCIController{}
	sata.VirtualController = controller(15000, 0)
	added := []types.BaseVirtualDevice{
		&types.VirtualLsiLogicController{VirtualSCSIController: scsi}, &sata,
		&types.VirtualNVMEController{VirtualController: controller(31000, 0)},
	}
	for i, at := range []struct{ controller, unit, key int32 }{{1001, 0, 2016}, {1001, 3, 2019}, {15000, 1, 16001}, {31000, 2, 32002}} {
		file := "[LocalDS_1] " + name + "-extra-" + string(rune('a'+i)) + ".vmdk"
		s.wait(disks.CreateVirtualDisk(ctx, file, s.datacenter(), &types.FileBackedVirtualDiskSpec{CapacityKb: 1024}))
		added = append(added, &types.VirtualDisk{VirtualDevice: types.VirtualDevice{
			Key: at.key, ControllerKey: at.controller, UnitNumber: &at.unit,
			Backing: &types.VirtualDiskFlatVer2BackingInfo{
				VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: file}, DiskMode: "persistent",
			},
		}})
	}
	var spec types.VirtualMachineConfigSpec
	for _, device := range added {
		spec.DeviceChange = append(spec.DeviceChange, &types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationAdd, Device: device})
	}
	s.wait(vm.Reconfigure(ctx, spec))
	boot := &types.VirtualMachineBootOptions{BootDelay: 5000, BootOrder: []types.BaseVirtualMachineBootOptionsBootableDevice{
		&types.VirtualMachineBootOptionsBootableEthernetDevice{DeviceKey: 4000},
	}}
	s.wait(vm.Reconfigure(ctx, types.VirtualMachineConfigSpec{BootOptions: boot}))
}

func TestEveryDiskOfAVMIsSwappedAndPutBack(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	s.ownDisks(t)
	disk := s.at("many-01", drivers.Disk, "scsi0:0")
	items, err := vmNames(t, d)
	if err != nil {
		t.Fatal(err)
	}
	slots := slices.Sorted(maps.Keys(items["many-01"].Disks))
	if want := []string{"nvme0:2", "sata0:1", "scsi0:0", "scsi1:0", "scsi1:3"}; !slices.Equal(slots, want) {
		t.Fatalf("the VM has disks in %v, want %v", slots, want)
	}
	made := s.clone(d, "ws-5/root")
	before := s.dump()
	for _, slot := range slots {
		p := disk.On(drivers.Disk, slot)
		found := mustObserve(t, d, p)
		swapped := mustApply(t, d, changeOf(p, drivers.Value{Text: made.Made[drivers.MadeEndpoint]}, found))
		for _, other := range slots {
			if v := mustObserve(t, d, p.On(drivers.Disk, other)); (v.Text == swapped.Text) != (other == slot) {
				t.Errorf("with %s swapped, %s is %s", slot, other, v.Text)
			}
		}
		mustApply(t, d, changeOf(p, found, swapped))
		if diff := cmp.Diff(before, s.dump()); diff != "" {
			t.Errorf("%s put back, the site is not as it was found:\n%s", slot, diff)
		}
	}
	// All at once, and back in another order.
	found := map[string]drivers.Value{}
	files := map[string]string{}
	for i, slot := range slots {
		found[slot] = mustObserve(t, d, disk.On(drivers.Disk, slot))
		files[slot] = s.clone(d, "ws-5/"+slot+string(rune('a'+i))).Made[drivers.MadeEndpoint]
	}
	before = s.dump()
	for _, slot := range slots {
		mustApply(t, d, changeOf(disk.On(drivers.Disk, slot), drivers.Value{Text: files[slot]}, found[slot]))
	}
	slices.Reverse(slots)
	for _, slot := range slots {
		mustApply(t, d, changeOf(disk.On(drivers.Disk, slot), found[slot]))
	}
	if diff := cmp.Diff(before, s.dump()); diff != "" {
		t.Errorf("the site is not as it was found:\n%s", diff)
	}
}

// TestTheBootOrderFollowsTheDisk: the simulator gives a new disk another key, as no vCenter
// is known to do.
func TestTheBootOrderFollowsTheDisk(t *testing.T) {
	o := newOwn(t, nil)
	d := o.driver("DC0_C0")
	vm, power := o.vm("DC0_C0_RP0_VM0")
	list := object.VirtualDeviceList(vm.Config.Hardware.Device)
	disk := list.SelectByType((*types.VirtualDisk)(nil))[0].(*types.VirtualDisk)
	disk.Key = 2000
	slot := slotOf(list, disk)
	o.set(vm, types.PropertyChange{Name: "config.bootOptions", Val: &types.VirtualMachineBootOptions{
		BootDelay: 5000, BootOrder: []types.BaseVirtualMachineBootOptionsBootableDevice{
			&types.VirtualMachineBootOptionsBootableEthernetDevice{DeviceKey: 4000},
			&types.VirtualMachineBootOptionsBootableDiskDevice{DeviceKey: 2000},
		},
	}})
	other, _ := o.vm("DC0_C0_RP0_VM1")
	file := readBacking(object.VirtualDeviceList(other.Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil))[0].(*types.VirtualDisk).Backing).file
	mustApply(t, d, changeOf(power.On(drivers.Disk, slot), drivers.Value{Text: file}))
	now := object.VirtualDeviceList(vm.Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil))[0].GetVirtualDevice().Key
	if now == 2000 {
		t.Fatal("the disk has its old key, and the test proves nothing")
	}
	boot := vm.Config.BootOptions
	nic, first := boot.BootOrder[0].(*types.VirtualMachineBootOptionsBootableEthernetDevice)
	named, second := boot.BootOrder[1].(*types.VirtualMachineBootOptionsBootableDiskDevice)
	if boot.BootDelay != 5000 || !first || nic.DeviceKey != 4000 || !second || named.DeviceKey != now {
		t.Errorf("the disk has key %d, the VM boots as %+v", now, boot)
	}
}

// ownDisks makes the VM many-01, with disks on several controllers, for the length of the
// test.
func (s *testSite) ownDisks(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	source, _ := s.vm("tpl-ubuntu")
	folder, err := s.datacenter().Folders(ctx)
	if err != nil {
		t.Fatal(err)
	}
	host, pool := s.host("esx-06"), s.pool()
	s.wait(source.Clone(ctx, folder.VmFolder, "many-01", types.VirtualMachineCloneSpec{
		Location: types.VirtualMachineRelocateSpec{Host: &host, Pool: &pool},
	}))
	vm, _ := s.vm("many-01")
	t.Cleanup(func() { s.wait(vm.Destroy(ctx)) })
	s.addDisks("many-01")
}

func (s *testSite) pool() types.ManagedObjectReference {
	s.t.Helper()
	ref, err := object.NewSearchIndex(s.admin).FindByInventoryPath(context.WithoutCancel(s.t.Context()), "/DC0/host/DC0_C0/Resources")
	if err != nil || ref == nil {
		s.t.Fatalf("find the pool: %v, %v", ref, err)
	}
	return ref.Reference()
}
