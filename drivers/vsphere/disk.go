package vsphere

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// diskOf is the disk in one slot of one VM.
type diskOf struct {
	*client
	uuid string
	slot string
}

func (d diskOf) observe(ctx context.Context) (drivers.Value, error) {
	vm, err := d.machine(ctx, d.uuid, "config.hardware.device")
	if err != nil {
		return drivers.Value{}, err
	}
	disk, err := d.find(vm)
	if err != nil {
		return drivers.Value{}, err
	}
	return diskValue(disk)
}

func diskValue(disk *types.VirtualDisk) (drivers.Value, error) {
	b := readBacking(disk.Backing)
	if b == nil {
		return drivers.Value{}, fmt.Errorf("the disk's backing %T is not known to this driver", disk.Backing)
	}
	return drivers.Value{Text: b.file, Rest: restorepoint.Encode(restOf(disk, b))}, nil
}

func (d diskOf) find(vm *mo.VirtualMachine) (*types.VirtualDisk, error) {
	list := devices(vm)
	for _, device := range list {
		if disk, ok := device.(*types.VirtualDisk); ok && slotOf(list, disk) == d.slot {
			return disk, nil
		}
	}
	return nil, drivers.NotFoundf("find disk "+d.slot+" of", vm.Name, "check that nobody removed the disk", "the VM has no disk in this slot")
}

// slotOf names a disk's place: the controller's type and bus, and the unit on it.
func slotOf(list object.VirtualDeviceList, disk *types.VirtualDisk) string {
	controller, ok := list.FindByKey(disk.ControllerKey).(types.BaseVirtualController)
	if !ok || disk.UnitNumber == nil {
		return ""
	}
	kind := ""
	switch controller.(type) {
	case types.BaseVirtualSCSIController:
		kind = "scsi"
	case types.BaseVirtualSATAController:
		kind = "sata"
	case *types.VirtualNVMEController:
		kind = "nvme"
	case *types.VirtualIDEController:
		kind = "ide"
	default:
		return ""
	}
	return fmt.Sprintf("%s%d:%d", kind, controller.GetVirtualController().BusNumber, *disk.UnitNumber)
}

func (d diskOf) apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	vm, err := d.settled(ctx, d.uuid, "config.hardware.device", "config.bootOptions", "runtime.powerState", "snapshot")
	if err != nil {
		return drivers.Value{}, err
	}
	op := "swap disk " + d.slot + " of"
	disk, err := d.find(vm)
	if err != nil {
		return drivers.Value{}, err
	}
	found, err := diskValue(disk)
	if err != nil || sameDisk(found, c.Goal) {
		return found, err
	}
	if err := c.CheckExpected(op, vm.Name, found, sameDisk); err != nil {
		return drivers.Value{}, err
	}
	if err := d.swappable(ctx, op, vm, c.Goal.Text); err != nil {
		return drivers.Value{}, err
	}
	rest, err := d.restFor(ctx, c.Goal, disk)
	if err != nil {
		return drivers.Value{}, err
	}
	for _, file := range append([]string{c.Goal.Text}, rest.Parents...) {
		exists, err := d.diskExists(ctx, file)
		if err != nil {
			return drivers.Value{}, fail(op, vm.Name, err)
		}
		if !exists {
			return drivers.Value{}, drivers.NotFoundf(op, vm.Name, "check the replica, and what made the disk", "there is no file %s", file)
		}
	}
	spec, err := swap(disk, c.Goal.Text, rest)
	if err != nil {
		return drivers.Value{}, drivers.Invalidf(op, vm.Name, "%w", err)
	}
	if err := d.reconfigure(ctx, vm.Self, spec, progress, "swapping disk "+d.slot); err != nil {
		return drivers.Value{}, fail(op, vm.Name, err)
	}
	if err := d.keepBootOrder(ctx, vm, disk.Key); err != nil {
		return drivers.Value{}, fail(op, vm.Name, err)
	}
	return d.observe(ctx)
}

// keepBootOrder has the VM boot from the new disk where it booted from the old one. The
// order names keys; vCenter derives a disk's from its slot, so that nothing is left to do
// here, but it does not promise that.
func (d diskOf) keepBootOrder(ctx context.Context, before *mo.VirtualMachine, old int32) error {
	boot := before.Config.BootOptions
	if boot == nil {
		return nil
	}
	var named *types.VirtualMachineBootOptionsBootableDiskDevice
	for _, device := range boot.BootOrder {
		if disk, ok := device.(*types.VirtualMachineBootOptionsBootableDiskDevice); ok && disk.DeviceKey == old {
			named = disk
		}
	}
	if named == nil {
		return nil
	}
	vm, err := d.machineAt(ctx, before.Self, "config.hardware.device")
	if err != nil {
		return err
	}
	disk, err := d.find(vm)
	if err != nil || disk.Key == old {
		return err
	}
	named.DeviceKey = disk.Key
	return d.reconfigure(ctx, vm.Self, types.VirtualMachineConfigSpec{BootOptions: boot}, nil, "")
}

// swappable refuses what would damage data: vCenter itself does not refuse all of it.
func (d diskOf) swappable(ctx context.Context, op string, vm *mo.VirtualMachine, endpoint string) error {
	if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff {
		return drivers.Refusef(op, vm.Name, "power it off first", "the VM is %s", powerText(vm.Runtime.PowerState))
	}
	if n := snapshotCount(vm.Snapshot); n > 0 {
		return drivers.Refusef(op, vm.Name, "delete its snapshots in vCenter, or keep the VM as it is", "the VM has %d snapshots, which hang on its disks", n)
	}
	if _, err := parsePath(endpoint); err != nil {
		return drivers.Invalidf(op, vm.Name, "%w", err)
	}
	users, err := d.attachedTo(ctx, endpoint) // which names a datastore that is gone
	if err != nil {
		return fail(op, vm.Name, err)
	}
	for _, user := range users {
		if user.ref != vm.Self && user.on && user.own {
			return drivers.Refusef(op, vm.Name, "power that VM off first", "%s is attached to %s, which is on", endpoint, user.name)
		}
	}
	return nil
}

// restFor gives what the new disk has beside its endpoint: what the goal carries, or what
// the disk in the slot has, with the parents of the new endpoint.
func (d diskOf) restFor(ctx context.Context, goal drivers.Value, old *types.VirtualDisk) (diskRest, error) {
	if len(goal.Rest) > 0 {
		var rest diskRest
		if err := json.Unmarshal(goal.Rest, &rest); err != nil || rest.V != 1 {
			return rest, drivers.Invalidf("read", "the goal's rest", "it is not of this driver's form")
		}
		return rest, nil
	}
	rest := restOf(old, readBacking(old.Backing))
	if rest.Format == "rdm" {
		rest.Format, rest.Compatibility, rest.Device = "flat", "", ""
	}
	record, err := d.recordOf(ctx, goal.Text)
	if err != nil {
		return rest, err
	}
	rest.Parents = nil
	if record != nil {
		rest.Parents = slices.Clone(record.Parents)
	}
	return rest, nil
}

// swap is the one reconfiguration that takes the old disk out, keeping its files, and puts
// the new one in its place. Editing the old one's backing is not the same: vCenter
// refuses that for a file that exists.
func swap(old *types.VirtualDisk, endpoint string, rest diskRest) (types.VirtualMachineConfigSpec, error) {
	backing, err := rest.backing(endpoint)
	if err != nil {
		return types.VirtualMachineConfigSpec{}, err
	}
	unit := *old.UnitNumber
	return types.VirtualMachineConfigSpec{DeviceChange: []types.BaseVirtualDeviceConfigSpec{
		&types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationRemove, Device: old},
		&types.VirtualDeviceConfigSpec{
			Operation: types.VirtualDeviceConfigSpecOperationAdd,
			Device: &types.VirtualDisk{
				VirtualDevice: types.VirtualDevice{
					// An existing key may not be given; see keepBootOrder.
					Key: -1, ControllerKey: old.ControllerKey, UnitNumber: &unit, Backing: backing,
				},
				StorageIOAllocation: rest.allocation(),
			},
		},
	}}, nil
}

func snapshotCount(info *types.VirtualMachineSnapshotInfo) int {
	if info == nil {
		return 0
	}
	return countTree(info.RootSnapshotList)
}

func countTree(trees []types.VirtualMachineSnapshotTree) int {
	n := len(trees)
	for _, t := range trees {
		n += countTree(t.ChildSnapshotList)
	}
	return n
}
