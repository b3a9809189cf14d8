package vsphere

import (
	"context"
	"encoding/json"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// hostOf is the host that one VM is registered on.
type hostOf struct {
	*client
	uuid string
}

// hostRest is what the host property has beside its text.
type hostRest struct {
	V    int    `json:"v"`
	Pool string `json:"pool,omitempty"` // id of the resource pool, which keeps its id
}

func (h hostOf) observe(ctx context.Context) (drivers.Value, error) {
	vm, err := h.machine(ctx, h.uuid, "runtime.host", "resourcePool")
	if err != nil {
		return drivers.Value{}, err
	}
	return h.value(ctx, vm)
}

func (h hostOf) value(ctx context.Context, vm *mo.VirtualMachine) (drivers.Value, error) {
	var host mo.HostSystem
	if err := retrieveOne(ctx, h.vim, *vm.Runtime.Host, []string{"name"}, &host); err != nil {
		return drivers.Value{}, err
	}
	rest := hostRest{V: 1}
	if vm.ResourcePool != nil {
		rest.Pool = vm.ResourcePool.Value
	}
	return drivers.Value{Text: host.Name, Rest: restorepoint.Encode(rest)}, nil
}

func (h hostOf) apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	vm, err := h.settled(ctx, h.uuid, "runtime.host", "runtime.powerState", "resourcePool")
	if err != nil {
		return drivers.Value{}, err
	}
	found, err := h.value(ctx, vm)
	if err != nil {
		return drivers.Value{}, err
	}
	if drivers.SameText(found, c.Goal) {
		return found, nil
	}
	// Where DRS moves VMs, no host is drift.
	if !h.places.movesVMs {
		if err := c.CheckExpected("move", vm.Name, found, drivers.SameText); err != nil {
			return drivers.Value{}, err
		}
	}
	if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff {
		return drivers.Value{}, drivers.Refusef("move", vm.Name, "power it off first", "the VM is %s; its host is changed while it is off", powerText(vm.Runtime.PowerState))
	}
	host, err := h.findHost(ctx, c.Goal.Text)
	if err != nil {
		return drivers.Value{}, err
	}
	spec := types.VirtualMachineRelocateSpec{Host: &host.Self}
	var rest hostRest
	_ = json.Unmarshal(c.Goal.Rest, &rest) // without it the VM stays in its pool
	if vm.ResourcePool != nil && rest.Pool != "" && rest.Pool != vm.ResourcePool.Value {
		spec.Pool = &types.ManagedObjectReference{Type: vm.ResourcePool.Type, Value: rest.Pool}
	}
	response, err := methods.RelocateVM_Task(ctx, h.vim, &types.RelocateVM_Task{This: vm.Self, Spec: spec})
	if err != nil {
		return drivers.Value{}, fail("move", vm.Name, err)
	}
	if _, err := h.await(ctx, response.Returnval, progress, "moving to "+c.Goal.Text); err != nil {
		return drivers.Value{}, fail("move", vm.Name, err)
	}
	return h.observe(ctx)
}
