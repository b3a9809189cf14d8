package vsphere

import (
	"context"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// machine reads properties of the VM with an instance UUID. One that does not exist is an
// error of kind NotFound.
func (cl *client) machine(ctx context.Context, uuid string, paths ...string) (*mo.VirtualMachine, error) {
	ref, err := cl.findVM(ctx, uuid)
	if err != nil {
		return nil, err
	}
	if ref == nil {
		return nil, notFound("find VM", uuid, "check that the VM was not removed", "vCenter has no VM with this instance UUID")
	}
	return cl.machineAt(ctx, *ref, paths...)
}

func (cl *client) machineAt(ctx context.Context, ref types.ManagedObjectReference, paths ...string) (*mo.VirtualMachine, error) {
	var vm mo.VirtualMachine
	err := retrieveOne(ctx, cl.vim, ref, append([]string{"name"}, paths...), &vm)
	return &vm, err
}

// settled reads properties of a VM after what an earlier call left running on it ended.
func (cl *client) settled(ctx context.Context, uuid string, paths ...string) (*mo.VirtualMachine, error) {
	vm, err := cl.machine(ctx, uuid)
	if err != nil {
		return nil, err
	}
	if err := cl.settleEntity(ctx, vm.Self); err != nil {
		return nil, err
	}
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
