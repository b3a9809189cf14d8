package vsphere

import (
	"context"
	"slices"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// machine reads properties of the VM with an instance UUID. One that does not exist is an
// error of kind NotFound.
func (cl *client) machine(ctx context.Context, uuid string, paths ...string) (*mo.VirtualMachine, error) {
	vm, err := cl.seek(ctx, uuid, paths...)
	if err == nil && vm == nil {
		err = noMachine(uuid)
	}
	return vm, err
}

func noMachine(uuid string) error {
	return drivers.NotFoundf("find VM", uuid, "check that the VM was not removed", "vCenter has no VM with this instance UUID")
}

// seek is machine, but gives nil for a VM that does not exist. It refuses one that is not
// the cluster's, and one of several with the same instance UUID.
func (cl *client) seek(ctx context.Context, uuid string, paths ...string) (*mo.VirtualMachine, error) {
	return cl.find(ctx, uuid, func(ref types.ManagedObjectReference) (*mo.VirtualMachine, error) {
		return cl.machineAt(ctx, ref, append(slices.Clone(paths), "runtime.host", "config.instanceUuid")...)
	})
}

// find is seek with the call that reads the VM, among others its runtime.host and
// config.instanceUuid.
func (cl *client) find(ctx context.Context, uuid string, read func(types.ManagedObjectReference) (*mo.VirtualMachine, error)) (*mo.VirtualMachine, error) {
	if ref, ok := cl.uuids.get(uuid); ok {
		vm, err := read(ref)
		if err == nil && vm.Config != nil && strings.EqualFold(vm.Config.InstanceUuid, uuid) {
			return vm, cl.belongs(ctx, vm)
		}
		if err != nil && !isGone(err) {
			return nil, err
		}
		cl.uuids.forget()
	}
	refs, err := cl.findVMs(ctx, uuid)
	switch {
	case err != nil || len(refs) == 0:
		return nil, err
	case len(refs) > 1:
		return nil, cl.ambiguous(ctx, uuid, refs)
	}
	vm, err := read(refs[0])
	if isGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return vm, cl.belongs(ctx, vm)
}

// ambiguous names the VMs that have one instance UUID.
func (cl *client) ambiguous(ctx context.Context, uuid string, refs []types.ManagedObjectReference) error {
	var machines []mo.VirtualMachine
	if err := retrieveMany(ctx, cl.vim, refs, []string{"name"}, &machines); err != nil {
		return err
	}
	return oneUUID(uuid, machines)
}

// oneUUID refuses to act on any of several VMs with one instance UUID.
func oneUUID(uuid string, machines []mo.VirtualMachine) error {
	var all []string
	for _, vm := range machines {
		all = append(all, plainName(vm.Name)+" ("+vm.Self.Value+")")
	}
	slices.Sort(all)
	return drivers.Refusef("find VM", uuid, "give all but one of them another instance UUID, or remove them",
		"%d VMs have this instance UUID: %s", len(all), strings.Join(all, ", "))
}

// belongs refuses a VM that runs on hosts of another cluster.
func (cl *client) belongs(ctx context.Context, vm *mo.VirtualMachine) error {
	if vm.Runtime.Host == nil || cl.knowsHost(*vm.Runtime.Host) {
		return nil
	}
	var compute mo.ComputeResource
	if err := retrieveOne(ctx, cl.vim, cl.places.compute, []string{"host"}, &compute); err != nil {
		return err
	}
	cl.noteHosts(compute.Host)
	if cl.knowsHost(*vm.Runtime.Host) {
		return nil
	}
	var host mo.HostSystem
	if err := retrieveOne(ctx, cl.vim, *vm.Runtime.Host, []string{"name"}, &host); err != nil {
		return err
	}
	return drivers.Refusef("find VM", vm.Name, "use the driver of that cluster, or move the VM back", "it is on host %s, which is not of this cluster", host.Name)
}

func (cl *client) knowsHost(ref types.ManagedObjectReference) bool {
	cl.places.mu.Lock()
	defer cl.places.mu.Unlock()
	return cl.places.hosts[ref]
}

func (cl *client) noteHosts(refs []types.ManagedObjectReference) {
	cl.places.mu.Lock()
	defer cl.places.mu.Unlock()
	cl.places.hosts = map[types.ManagedObjectReference]bool{}
	for _, ref := range refs {
		cl.places.hosts[ref] = true
	}
}

// machineAt reads properties of a VM.
func (cl *client) machineAt(ctx context.Context, ref types.ManagedObjectReference, paths ...string) (*mo.VirtualMachine, error) {
	content, err := cl.reads.object(ctx, ref, append([]string{"name"}, paths...))
	if err != nil {
		return &mo.VirtualMachine{}, err
	}
	return machineOf(content)
}

func machineOf(content types.ObjectContent) (*mo.VirtualMachine, error) {
	var vm mo.VirtualMachine
	err := mo.LoadObjectContent([]types.ObjectContent{content}, &vm)
	vm.Name = plainName(vm.Name)
	return &vm, err
}

// settled reads properties of a VM after what an earlier call left running on it ended.
func (cl *client) settled(ctx context.Context, uuid string, paths ...string) (*mo.VirtualMachine, error) {
	var running []runningTask
	vm, err := cl.find(ctx, uuid, func(ref types.ManagedObjectReference) (*mo.VirtualMachine, error) {
		content, tasks, err := cl.reads.withTasks(ctx, ref, []string{"name", "runtime.host", "config.instanceUuid"})
		if err != nil {
			return nil, err
		}
		running = tasks
		return machineOf(content)
	})
	if err != nil {
		return nil, err
	}
	if vm == nil {
		return nil, noMachine(uuid)
	}
	if len(running) > 0 {
		if err := cl.settleEntity(ctx, vm.Self); err != nil {
			return nil, err
		}
	}
	// Only now: a task that had just ended may have changed what was read with it.
	return cl.machineAt(ctx, vm.Self, paths...)
}

// reconfigure changes a VM's configuration in one call.
func (cl *client) reconfigure(ctx context.Context, vm types.ManagedObjectReference, spec types.VirtualMachineConfigSpec, progress func(drivers.Progress), message string) error {
	response, err := methods.ReconfigVM_Task(ctx, cl.vim, &types.ReconfigVM_Task{This: vm, Spec: spec})
	if err != nil {
		return err
	}
	_, err = cl.await(ctx, response.Returnval, progress, message)
	return err
}

// devices gives a VM's devices; vm must have been read with config.hardware.device.
func devices(vm *mo.VirtualMachine) object.VirtualDeviceList {
	if vm.Config == nil {
		return nil
	}
	return vm.Config.Hardware.Device
}

// powerText gives a power state in the contract's words.
func powerText(state types.VirtualMachinePowerState) string {
	switch state {
	case types.VirtualMachinePowerStatePoweredOn:
		return drivers.On
	case types.VirtualMachinePowerStateSuspended:
		return drivers.Suspended
	default:
		return drivers.Off
	}
}
