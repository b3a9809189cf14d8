package vsphere

import (
	"context"
	"slices"
	"sync"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// attachment is a VM that has a disk, or one that hangs on it.
type attachment struct {
	ref    types.ManagedObjectReference
	name   string
	on     bool // or suspended: its disks are in use
	own    bool // it has the disk itself, not only a child of it
	shared bool // for several writers at once
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
		machines, err := cl.attached.read(ctx, cl, store)
		if err != nil {
			return nil, err
		}
		for _, vm := range machines {
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

// attachedReads are the bulk reads of all VMs of a datastore. Many changes at once share
// one read, but only one that began after they asked: what it says may not be older.
type attachedReads struct {
	mu    sync.Mutex
	next  map[string]*attachedRead // not begun yet, by datastore
	going map[string]chan struct{} // closed at the end of the read that goes on
}

type attachedRead struct {
	done     chan struct{}
	machines []mo.VirtualMachine
	err      error
}

func (a *attachedReads) read(ctx context.Context, cl *client, datastore string) ([]mo.VirtualMachine, error) {
	a.mu.Lock()
	if a.next == nil {
		a.next, a.going = map[string]*attachedRead{}, map[string]chan struct{}{}
	}
	r := a.next[datastore]
	if r == nil {
		r = &attachedRead{done: make(chan struct{})}
		a.next[datastore] = r
		go a.run(cl, datastore, r, a.going[datastore])
	}
	a.mu.Unlock()
	select {
	case <-r.done:
		return r.machines, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run reads once the read before has ended.
func (a *attachedReads) run(cl *client, datastore string, r *attachedRead, before chan struct{}) {
	if before != nil {
		<-before
	}
	a.mu.Lock()
	delete(a.next, datastore)
	a.going[datastore] = r.done
	a.mu.Unlock()
	// The read is for many callers: the end of one of them must not end it.
	ctx, cancel := context.WithTimeout(context.Background(), 2*callLimit)
	defer cancel()
	r.machines, r.err = cl.machinesOn(ctx, datastore)
	close(r.done)
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
