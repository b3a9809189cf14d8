package devsite

import (
	"context"
	"path"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// guests makes the guests behave: the simulator's own go down at once and never refuse.
type guests struct {
	model *simulator.Model
	delay time.Duration
	// stubborn are patterns of VM names whose guests ignore the request.
	stubborn []string
}

// handle gives ShutdownGuest to this package; every other call goes its way.
func (g *guests) handle(ctx *simulator.Context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if method.Name != "ShutdownGuest" {
		return nil, nil
	}
	if vm, ok := ctx.Map.Get(method.This).(*simulator.VirtualMachine); ok {
		return &guest{vm, g}, nil
	}
	return nil, nil
}

// guest is one VM, for this one call.
type guest struct {
	*simulator.VirtualMachine
	guests *guests
}

// ShutdownGuest asks the guest to go down, which takes it a while.
func (g *guest) ShutdownGuest(ctx *simulator.Context, _ *types.ShutdownGuest) soap.HasFault {
	vm := g.VirtualMachine
	if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
		return &methods.ShutdownGuestBody{Fault_: simulator.Fault("", &types.InvalidPowerState{
			RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: vm.Runtime.PowerState,
		})}
	}
	if !g.guests.ignores(vm) {
		boot := vm.Summary.Runtime.BootTime
		go g.guests.down(vm, boot)
	}
	return &methods.ShutdownGuestBody{Res: &types.ShutdownGuestResponse{}}
}

// ignores reports whether this VM's guest does not listen.
func (g *guests) ignores(vm *simulator.VirtualMachine) bool {
	names := []string{vm.Name}
	for _, option := range vm.Config.ExtraConfig {
		o := option.GetOptionValue()
		text, _ := o.Value.(string)
		switch o.Key {
		case stubbornKey:
			if text == stubbornValue {
				return true
			}
		case "hotspare.template":
			names = append(names, text)
		}
	}
	for _, name := range names {
		if name == stubbornName {
			return true
		}
		for _, pattern := range g.stubborn {
			if ok, err := path.Match(pattern, name); err == nil && ok {
				return true
			}
		}
	}
	return false
}

// down powers the VM off after the guest's while, unless it has been powered off or
// booted again meanwhile.
func (g *guests) down(vm *simulator.VirtualMachine, boot *time.Time) {
	time.Sleep(g.delay)
	ctx := ownContext(g.model)
	ctx.WithLock(vm, func() {
		now := vm.Summary.Runtime.BootTime
		same := (now == nil) == (boot == nil) && (now == nil || now.Equal(*boot))
		if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn || !same {
			return
		}
		ctx.Update(vm, []types.PropertyChange{
			{Name: "runtime.powerState", Val: types.VirtualMachinePowerStatePoweredOff},
			{Name: "summary.runtime.powerState", Val: types.VirtualMachinePowerStatePoweredOff},
			{Name: "summary.runtime.bootTime", Val: nil},
			{Name: "config.hardware.device", Val: disconnected(vm.Config.Hardware.Device)},
		})
	})
}

// disconnected gives the devices with the NICs disconnected, as those of a VM that is off.
func disconnected(devices []types.BaseVirtualDevice) []types.BaseVirtualDevice {
	list := make([]types.BaseVirtualDevice, len(devices))
	for i, device := range devices {
		list[i] = device
		nic, ok := device.(*types.VirtualVmxnet3)
		if !ok || nic.Connectable == nil {
			continue
		}
		copied, connectable := *nic, *nic.Connectable
		connectable.Connected = false
		copied.Connectable = &connectable
		list[i] = &copied
	}
	return list
}

// replicaOf reports whether a file is a disk of this group's restore point for the volume.
func replicaOf(g group, volume, file string) bool {
	return strings.HasPrefix(file, g.replica()+"/") && path.Base(file) == volume+".vmdk" && file != g.basePath(volume)
}

// ownContext makes a context of the simulator's. Its locks belong to a context, so every
// goroutine needs one of its own.
func ownContext(model *simulator.Model) *simulator.Context {
	service := model.Service.Context
	return &simulator.Context{Context: context.Background(), Map: service.Map, Session: service.Session}
}
