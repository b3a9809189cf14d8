package devsite

import (
	"slices"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// trueUsers makes the datastores' lists of VMs true before somebody reads them: the
// simulator lists a VM where its configuration lies only, vCenter where its disks lie too.
func trueUsers(ctx *simulator.Context, method *simulator.Method) {
	request, ok := method.Body.(*types.RetrievePropertiesEx)
	if !ok {
		return
	}
	for _, set := range request.SpecSet {
		asks := slices.ContainsFunc(set.PropSet, func(p types.PropertySpec) bool { return slices.Contains(p.PathSet, "vm") })
		for _, o := range set.ObjectSet {
			if store, ok := ctx.Map.Get(o.Obj).(*simulator.Datastore); ok && asks {
				users := usersOf(ctx, store.Name)
				ctx.WithLock(store, func() { store.Vm = users })
			}
		}
	}
}

func usersOf(ctx *simulator.Context, store string) []types.ManagedObjectReference {
	var users []types.ManagedObjectReference
	for _, entity := range ctx.Map.All("VirtualMachine") {
		vm, ok := entity.(*simulator.VirtualMachine)
		if !ok {
			continue
		}
		ctx.WithLock(vm, func() {
			if vm.Config != nil && uses(vm, store) {
				users = append(users, vm.Self)
			}
		})
	}
	return users
}

func uses(vm *simulator.VirtualMachine, store string) bool {
	in := func(file string) bool {
		var at object.DatastorePath
		return at.FromString(strings.TrimSpace(file)) && at.Datastore == store
	}
	if in(vm.Config.Files.VmPathName) {
		return true
	}
	for _, device := range vm.Config.Hardware.Device {
		if b, ok := device.GetVirtualDevice().Backing.(types.BaseVirtualDeviceFileBackingInfo); ok && in(b.GetVirtualDeviceFileBackingInfo().FileName) {
			return true
		}
	}
	return false
}
