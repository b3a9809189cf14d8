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
// It is an object of the simulator's, which takes the calls to shut guests down.
type guests struct {
	mo.SearchIndex // every object of the simulator's must be of some type of vSphere's

	model *simulator.Model
	delay time.Duration
	// stubborn are patterns of VM names whose guests ignore the request.
	stubborn []string
}

var guestsRef = types.ManagedObjectReference{Type: "SearchIndex", Value: "guests"}

// install has every ShutdownGuest go to g, every mount to e, and every search by name to a
// finder; other calls go their way, and find the datastores' lists of VMs true.
func (g *guests) install(e *exports) {
	g.Self, e.Self = guestsRef, exportsRef
	g.model.Map().Put(g)
	g.model.Map().Put(e)
	f := &finder{model: g.model}
	f.Self = finderRef
	g.model.Map().Put(f)
	g.model.Map().Handler = func(ctx *simulator.Context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
		switch method.Name { // the request itself still names the VM, or the host's system
		case "ShutdownGuest":
			method.This = guestsRef
		case "CreateNasDatastore", "RemoveDatastore":
			method.This = exportsRef
		case "FindByInventoryPath", "FindChild":
			method.This = finderRef
		default:
			trueUsers(ctx, method)
		}
		return nil, nil
	}
}

// ShutdownGuest asks a guest to go down, which takes it a while.
func (g *guests) ShutdownGuest(ctx *simulator.Context, request *types.ShutdownGuest) soap.HasFault {
	vm, ok := ctx.Map.Get(request.This).(*simulator.VirtualMachine)
	if !ok {
		return &methods.ShutdownGuestBody{Fault_: simulator.Fault("", &types.ManagedObjectNotFound{Obj: request.This})}
	}
	body := &methods.ShutdownGuestBody{Res: &types.ShutdownGuestResponse{}}
	ctx.WithLock(vm, func() {
		switch {
		case vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn:
			body = &methods.ShutdownGuestBody{Fault_: simulator.Fault("", &types.InvalidPowerState{
				RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: vm.Runtime.PowerState,
			})}
		case option(vm, guestKey) == withoutTools:
			body = &methods.ShutdownGuestBody{Fault_: simulator.Fault("", &types.ToolsUnavailable{})}
		case !g.ignores(vm):
			go g.down(vm, vm.Summary.Runtime.BootTime)
		}
	})
	return body
}

// ignores reports whether this VM's guest does not listen.
func (g *guests) ignores(vm *simulator.VirtualMachine) bool {
	if option(vm, guestKey) == ignoresShutdown {
		return true
	}
	for _, name := range []string{vm.Name, option(vm, "hotspare.template")} {
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

// option gives one value of a VM's extraConfig.
func option(vm *simulator.VirtualMachine, key string) string {
	for _, option := range vm.Config.ExtraConfig {
		if o := option.GetOptionValue(); o.Key == key {
			text, _ := o.Value.(string)
			return text
		}
	}
	return ""
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
