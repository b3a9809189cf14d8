package devsite

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// exports makes hosts mount NFS exports as real ones do: the simulator's own take a
// directory of this machine for the datastore's name, and cannot unmount. Every export
// exists, and is a directory below dir. It is an object of the simulator's, which takes
// the calls to mount and unmount.
type exports struct {
	mo.SearchIndex // every object of the simulator's must be of some type of vSphere's

	dir string
}

var exportsRef = types.ManagedObjectReference{Type: "SearchIndex", Value: "exports"}

// CreateNasDatastore mounts an export on one host.
func (e *exports) CreateNasDatastore(ctx *simulator.Context, request *types.CreateNasDatastore) soap.HasFault {
	system, ok := ctx.Map.Get(request.This).(*simulator.HostDatastoreSystem)
	if !ok {
		return &methods.CreateNasDatastoreBody{Fault_: simulator.Fault("", &types.ManagedObjectNotFound{Obj: request.This})}
	}
	name := request.Spec.LocalPath
	if name == "" || strings.ContainsAny(name, "/\\") || strings.HasPrefix(name, ".") {
		return &methods.CreateNasDatastoreBody{Fault_: simulator.Fault("", &types.InvalidName{Name: name})}
	}
	export := sha256.Sum256([]byte(request.Spec.RemoteHost + ":" + request.Spec.RemotePath))
	dir := filepath.Join(e.dir, fmt.Sprintf("%x", export[:8]), name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return &methods.CreateNasDatastoreBody{Fault_: simulator.Fault(err.Error(), &types.HostConfigFault{})}
	}
	inner := *request
	inner.Spec.LocalPath = dir
	var answer soap.HasFault
	ctx.WithLock(system, func() { answer = system.CreateNasDatastore(ctx, &inner) })
	body, ok := answer.(*methods.CreateNasDatastoreBody)
	if !ok || body.Res == nil {
		return answer
	}
	// The simulator names a new object even where the datastore existed.
	for _, ref := range system.Datastore {
		if store, ok := ctx.Map.Get(ref).(*simulator.Datastore); ok && store.Name == name {
			body.Res.Returnval = ref
			ctx.WithLock(store, func() { finish(ctx, store, system.Host.Self, request.Spec) })
		}
	}
	return body
}

// finish notes what the simulator leaves out.
func finish(ctx *simulator.Context, store *simulator.Datastore, host types.ManagedObjectReference, spec types.HostNasVolumeSpec) {
	for i := range store.Host {
		if store.Host[i].Key == host {
			store.Host[i].MountInfo.AccessMode = spec.AccessMode
			store.Host[i].MountInfo.Path = "/vmfs/volumes/" + store.Name
		}
	}
	if info, ok := store.Info.(*types.NasDatastoreInfo); ok {
		info.Nas.Name, info.Nas.SecurityType, info.Nas.RemoteHostNames = store.Name, spec.SecurityType, []string{spec.RemoteHost}
	}
	ctx.Update(store, []types.PropertyChange{
		{Name: "summary.capacity", Val: storeCapacity}, {Name: "summary.freeSpace", Val: storeCapacity},
	})
}

// RemoveDatastore unmounts a datastore from one host; after the last one it is gone.
func (e *exports) RemoveDatastore(ctx *simulator.Context, request *types.RemoveDatastore) soap.HasFault {
	body := &methods.RemoveDatastoreBody{Res: &types.RemoveDatastoreResponse{}}
	system, ok := ctx.Map.Get(request.This).(*simulator.HostDatastoreSystem)
	store, found := ctx.Map.Get(request.Datastore).(*simulator.Datastore)
	if !ok || !found || !slices.Contains(system.Datastore, store.Self) {
		return &methods.RemoveDatastoreBody{Fault_: simulator.Fault("", &types.ManagedObjectNotFound{Obj: request.Datastore})}
	}
	for _, ref := range store.Vm {
		if vm, ok := ctx.Map.Get(ref).(*simulator.VirtualMachine); ok && *vm.Runtime.Host == system.Host.Self {
			return &methods.RemoveDatastoreBody{Fault_: simulator.Fault("", &types.ResourceInUse{Type: "Datastore", Name: store.Name})}
		}
	}
	without := func(refs []types.ManagedObjectReference) []types.ManagedObjectReference {
		return slices.DeleteFunc(slices.Clone(refs), func(ref types.ManagedObjectReference) bool { return ref == store.Self })
	}
	ctx.WithLock(system, func() { system.Datastore = without(system.Datastore) })
	ctx.WithLock(system.Host, func() { system.Host.Datastore = without(system.Host.Datastore) })
	left := 0
	ctx.WithLock(store, func() {
		store.Host = slices.DeleteFunc(slices.Clone(store.Host), func(m types.DatastoreHostMount) bool { return m.Key == system.Host.Self })
		left = len(store.Host)
	})
	if left > 0 {
		return body
	}
	if cluster, ok := ctx.Map.Get(*system.Host.Parent).(*simulator.ClusterComputeResource); ok {
		ctx.WithLock(cluster, func() { cluster.Datastore = without(cluster.Datastore) })
	}
	forgetStore(ctx, store)
	// Until its task has ended, a mount of the same name would find the datastore.
	answer, ok := store.DestroyTask(ctx, &types.Destroy_Task{This: store.Self}).(*methods.Destroy_TaskBody)
	if task, is := ctx.Map.Get(answer.Res.Returnval).(*simulator.Task); ok && is {
		task.Wait()
	}
	return body
}

// forgetStore has the VMs that once had files on a datastore forget it: the simulator
// remembers it, and dies when it looks for it.
func forgetStore(ctx *simulator.Context, store *simulator.Datastore) {
	for _, entity := range ctx.Map.All("VirtualMachine") {
		vm, ok := entity.(*simulator.VirtualMachine)
		if !ok {
			continue
		}
		ctx.WithLock(vm, func() {
			vm.Datastore = slices.DeleteFunc(slices.Clone(vm.Datastore), func(ref types.ManagedObjectReference) bool { return ref == store.Self })
			if vm.LayoutEx != nil {
				vm.LayoutEx.File = slices.DeleteFunc(slices.Clone(vm.LayoutEx.File), func(f types.VirtualMachineFileLayoutExFileInfo) bool {
					return strings.HasPrefix(f.Name, "["+store.Name+"]")
				})
			}
		})
	}
}
