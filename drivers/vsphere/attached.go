package vsphere

import (
	"cmp"
	"context"
	"slices"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// attachment is a VM that has a disk, or one that hangs on it.
type attachment struct {
	ref    types.ManagedObjectReference
	name   string
	on     bool // or suspended: its disks are in use
	own    bool // it has the disk itself, not only a child of it
	shared bool // for several writers at once
}

// mayRun refuses to run a VM on a disk that another one writes to, or that another one's
// disk hangs on, or whose parent another one writes to: a disk would be destroyed. vCenter
// refuses the first only, by its locks.
func (cl *client) mayRun(ctx context.Context, vm *mo.VirtualMachine) error {
	var disks []*fileBacking
	var files []string
	for _, device := range devices(vm) {
		if disk, ok := device.(*types.VirtualDisk); ok {
			if b := readBacking(disk.Backing); b != nil {
				disks = append(disks, b)
				files = append(files, b.chain()...)
			}
		}
	}
	machines, err := cl.near(ctx, files)
	if err != nil {
		return err
	}
	for _, b := range disks {
		for i, file := range b.chain() {
			for _, user := range usersOf(machines, file) {
				if err := mayShare(vm, b, file, i > 0, user); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// mayShare refuses to run a VM beside another user of one of its files.
func mayShare(vm *mo.VirtualMachine, b *fileBacking, file string, parent bool, user attachment) error {
	switch {
	case user.ref == vm.Self, parent && !user.own, !parent && user.own && user.shared && b.multiWriter():
		return nil
	case !user.own:
		return drivers.Refusef("power on", vm.Name, "give it a clone of the disk", "a disk of VM %s hangs on its disk %s", user.name, file)
	case user.on:
		return drivers.Refusef("power on", vm.Name, "power that VM off first, or give one of them another disk",
			"its disk %s is attached to VM %s too, which is on", file, user.name)
	}
	return nil
}

// attachedTo lists the VMs that use an endpoint, whether on or off.
func (cl *client) attachedTo(ctx context.Context, endpoint string) ([]attachment, error) {
	machines, err := cl.near(ctx, []string{endpoint})
	if err != nil {
		return nil, err
	}
	return usersOf(machines, endpoint), nil
}

// near reads the VMs that may use any of these disks: those of the disks' datastores, and
// those of the volumes' datastore, where the children lie that we made of them.
func (cl *client) near(ctx context.Context, endpoints []string) ([]mo.VirtualMachine, error) {
	stores := []string{cl.settings.volumes}
	for _, endpoint := range endpoints {
		at, err := parsePath(endpoint)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(stores, at.datastore) {
			stores = append(stores, at.datastore)
		}
	}
	var all []mo.VirtualMachine
	seen := map[types.ManagedObjectReference]bool{}
	for _, store := range stores {
		on, _, err := cl.attached.read(ctx, store)
		if err := cmp.Or(err, on.err); err != nil {
			return nil, err
		}
		for _, vm := range on.machines {
			if !seen[vm.Self] {
				seen[vm.Self] = true
				all = append(all, vm)
			}
		}
	}
	return all, nil
}

// usersOf picks the VMs that use an endpoint.
func usersOf(machines []mo.VirtualMachine, endpoint string) []attachment {
	var found []attachment
	for _, vm := range machines {
		for _, device := range devices(&vm) {
			disk, ok := device.(*types.VirtualDisk)
			if !ok {
				continue
			}
			b := readBacking(disk.Backing)
			if chain := b.chain(); slices.Contains(chain, endpoint) {
				found = append(found, attachment{
					ref: vm.Self, name: plainName(vm.Name), own: chain[0] == endpoint, shared: b.multiWriter(),
					on: vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff,
				})
			}
		}
	}
	return found
}

// attachedRead is what a bulk read of all VMs of a datastore gave. Many changes at once
// share one.
type attachedRead struct {
	machines []mo.VirtualMachine
	err      error
}

func (cl *client) readAttached(ctx context.Context, datastores []string) (map[string]attachedRead, error) {
	found := map[string]attachedRead{}
	for _, datastore := range datastores {
		machines, err := cl.machinesOn(ctx, datastore)
		found[datastore] = attachedRead{machines, err}
	}
	return found, nil
}

func (cl *client) machinesOn(ctx context.Context, datastore string) ([]mo.VirtualMachine, error) {
	if err := cl.session.verify(ctx); err != nil {
		return nil, err // an expired session would say: no VM at all
	}
	var d mo.Datastore
	if err := cl.readDatastore(ctx, datastore, []string{"vm"}, &d); err != nil {
		return nil, err
	}
	var machines []mo.VirtualMachine
	err := retrieveMany(ctx, cl.vim, d.Vm, []string{"name", "runtime.powerState", "config.hardware.device"}, &machines)
	return machines, err
}
