package vsphere

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// vSphere makes a child disk only on a VM. So a change that makes some has an empty VM of
// its own, the scratch VM, named after the change: the disks are born on it, taken off it
// with their files kept, and it is destroyed. A scratch VM that is found is the half-made
// state of the change it is named after.

// scratchUnits are the units of the scratch VM's SCSI controller that disks can have: 7 is
// the controller's own.
var scratchUnits = []int32{0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15}

// scratchName names the scratch VM of a change; vCenter allows 80 characters.
func scratchName(change string) string {
	if len(change) > 60 {
		change = fmt.Sprintf("%s-%x", change[:40], sha256.Sum256([]byte(change)))[:60]
	}
	return "hotspare-scratch-" + change
}

// makeDisks makes the disks of these records that do not exist yet, on the change's
// scratch VM, and leaves no scratch VM behind.
func (cl *client) makeDisks(ctx context.Context, change string, records []restorepoint.Record, progress func(drivers.Progress)) error {
	for batch := range slices.Chunk(records, len(scratchUnits)) {
		if err := cl.makeBatch(ctx, change, batch, progress); err != nil {
			return err
		}
	}
	return nil
}

func (cl *client) makeBatch(ctx context.Context, change string, records []restorepoint.Record, progress func(drivers.Progress)) error {
	scratch, err := cl.findScratch(ctx, change)
	if err != nil {
		return err
	}
	var missing []restorepoint.Record
	for _, r := range records {
		exists, err := cl.diskExists(ctx, r.Endpoint)
		if err != nil {
			return err
		}
		if !exists {
			missing = append(missing, r)
		}
	}
	if len(missing) > 0 {
		if scratch == nil {
			if scratch, err = cl.createScratch(ctx, change, records[0].Owner, progress); err != nil {
				return err
			}
		}
		if err := cl.bear(ctx, *scratch, missing, progress); err != nil {
			return err
		}
	}
	if scratch == nil {
		return nil
	}
	return cl.destroyScratch(ctx, *scratch)
}

// findScratch gives the scratch VM of a change, or nil; what an earlier process left
// running to make it, or on it, has ended then.
func (cl *client) findScratch(ctx context.Context, change string) (*types.ManagedObjectReference, error) {
	if err := cl.settleCreations(ctx); err != nil {
		return nil, err
	}
	scratch, err := cl.findInFolder(ctx, scratchName(change))
	if err != nil || scratch == nil {
		return nil, err
	}
	return scratch, cl.settleEntity(ctx, *scratch)
}

func (cl *client) createScratch(ctx context.Context, change string, owner drivers.Owner, progress func(drivers.Progress)) (*types.ManagedObjectReference, error) {
	folder, err := cl.folder(ctx)
	if err != nil {
		return nil, err
	}
	host, err := cl.scratchHost(ctx, change)
	if err != nil {
		return nil, err
	}
	var list object.VirtualDeviceList
	controller, err := list.CreateSCSIController("pvscsi")
	if err != nil {
		return nil, err
	}
	add, err := object.VirtualDeviceList{controller}.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd)
	if err != nil {
		return nil, err
	}
	response, err := methods.CreateVM_Task(ctx, cl.vim, &types.CreateVM_Task{
		This: folder, Pool: cl.places.pool, Host: &host,
		Config: types.VirtualMachineConfigSpec{
			Name:         scratchName(change),
			Annotation:   "hotspare makes disks on this VM, and removes it at once",
			GuestId:      string(types.VirtualMachineGuestOsIdentifierOtherGuest),
			NumCPUs:      1,
			MemoryMB:     4,
			Files:        &types.VirtualMachineFileInfo{VmPathName: "[" + cl.settings.volumes + "]"},
			DeviceChange: add,
			ExtraConfig:  tags{owner: owner, change: change}.options(),
		},
	})
	if err != nil {
		return nil, err
	}
	cl.births.add(response.Returnval)
	defer cl.births.drop(response.Returnval)
	result, err := cl.await(ctx, response.Returnval, progress, "making a scratch VM")
	if err != nil {
		return nil, err
	}
	ref, ok := result.(types.ManagedObjectReference)
	if !ok {
		return nil, fmt.Errorf("vCenter made the scratch VM and did not name it")
	}
	return &ref, nil
}

// scratchHost picks a host that can reach the volumes' datastore, another one for each
// change.
func (cl *client) scratchHost(ctx context.Context, change string) (types.ManagedObjectReference, error) {
	var hosts []mo.HostSystem
	paths := []string{"datastore", "runtime.connectionState", "runtime.inMaintenanceMode"}
	if err := retrieveBelow(ctx, cl.vim, cl.places.compute, "HostSystem", paths, &hosts); err != nil {
		return types.ManagedObjectReference{}, err
	}
	hosts = slices.DeleteFunc(hosts, func(h mo.HostSystem) bool {
		return h.Runtime.InMaintenanceMode || h.Runtime.ConnectionState != types.HostSystemConnectionStateConnected ||
			!slices.Contains(h.Datastore, cl.places.volumes)
	})
	if len(hosts) == 0 {
		return types.ManagedObjectReference{}, drivers.Refusef("make disks on", cl.settings.volumes,
			"connect a host, or take one out of maintenance", "no host that has the datastore is in service")
	}
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(change))
	return hosts[int(sum.Sum32())%len(hosts)].Self, nil
}

// bear has the disks born on the scratch VM, as children of their parents, in one call.
func (cl *client) bear(ctx context.Context, scratch types.ManagedObjectReference, records []restorepoint.Record, progress func(drivers.Progress)) error {
	vm, err := cl.machineAt(ctx, scratch, "config.hardware.device")
	if err != nil {
		return err
	}
	list := devices(vm)
	controllers := list.SelectByType((*types.VirtualSCSIController)(nil))
	if len(controllers) == 0 {
		return fmt.Errorf("the scratch VM %s has lost its SCSI controller", vm.Name)
	}
	controller := controllers[0].GetVirtualDevice().Key
	taken := map[int32]bool{}
	for _, device := range list.SelectByType((*types.VirtualDisk)(nil)) {
		if unit := device.GetVirtualDevice().UnitNumber; unit != nil {
			taken[*unit] = true
		}
	}
	free := slices.DeleteFunc(slices.Clone(scratchUnits), func(unit int32) bool { return taken[unit] })
	var spec types.VirtualMachineConfigSpec
	for i, r := range records {
		unit := free[i]
		rest := diskRest{V: 1, Format: "flat", Mode: string(types.VirtualDiskModePersistent), Parents: r.Parents}
		backing := flatBacking(r.Endpoint, rest)
		backing.ThinProvisioned = types.NewBool(true)
		spec.DeviceChange = append(spec.DeviceChange, &types.VirtualDeviceConfigSpec{
			Operation:     types.VirtualDeviceConfigSpecOperationAdd,
			FileOperation: types.VirtualDeviceConfigSpecFileOperationCreate,
			Device: &types.VirtualDisk{VirtualDevice: types.VirtualDevice{
				Key: int32(-i - 1), ControllerKey: controller, UnitNumber: &unit, Backing: backing,
			}},
		})
	}
	return cl.reconfigure(ctx, scratch, spec, progress, "making disks")
}

// destroyScratch takes the disks off a scratch VM, keeping their files, and destroys it.
// Destroying a VM deletes every disk it still has.
func (cl *client) destroyScratch(ctx context.Context, scratch types.ManagedObjectReference) error {
	vm, err := cl.machineAt(ctx, scratch, "config.hardware.device")
	if err != nil {
		return err
	}
	if err := cl.detach(ctx, vm, func(string) bool { return true }); err != nil {
		return err
	}
	return cl.destroy(ctx, scratch)
}

// detach takes those disks off a VM whose file is chosen, keeping their files.
func (cl *client) detach(ctx context.Context, vm *mo.VirtualMachine, chosen func(file string) bool) error {
	var spec types.VirtualMachineConfigSpec
	for _, device := range devices(vm) {
		disk, ok := device.(*types.VirtualDisk)
		if !ok {
			continue
		}
		if b := readBacking(disk.Backing); b == nil || chosen(b.file) {
			spec.DeviceChange = append(spec.DeviceChange, &types.VirtualDeviceConfigSpec{
				Operation: types.VirtualDeviceConfigSpecOperationRemove, Device: disk,
			})
		}
	}
	if len(spec.DeviceChange) == 0 {
		return nil
	}
	return cl.reconfigure(ctx, vm.Self, spec, nil, "")
}

func (cl *client) destroy(ctx context.Context, vm types.ManagedObjectReference) error {
	response, err := methods.Destroy_Task(ctx, cl.vim, &types.Destroy_Task{This: vm})
	if err == nil {
		_, err = cl.await(ctx, response.Returnval, nil, "")
	}
	if isGone(err) {
		return nil
	}
	return err
}
