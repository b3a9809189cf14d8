package vsphere

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	// uuidsFor is how long a read of all VMs' UUIDs is used: for as long, a second VM that
	// is given the UUID of another one goes unnoticed.
	uuidsFor = 3 * time.Second
	// uuidsFrom is how many searches at once make it worth to read the UUIDs of all VMs.
	uuidsFrom = 8
)

// uuids knows for some seconds which VM has an instance UUID, while many are looked for at
// once. It only points: who uses it must read the UUID of the VM that it names, and search
// vCenter where that is another one.
type uuids struct {
	mu        sync.Mutex
	searching int       // how many search vCenter now
	began     time.Time // the last read of all
	next      time.Time // not read again before
	only      map[string]types.ManagedObjectReference
}

// get gives the VM that alone had this UUID some seconds ago.
func (u *uuids) get(uuid string) (types.ManagedObjectReference, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if time.Since(u.began) > uuidsFor {
		return types.ManagedObjectReference{}, false
	}
	ref, ok := u.only[strings.ToLower(uuid)]
	return ref, ok
}

// forget drops all: something does not fit any more.
func (u *uuids) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.only = nil
}

// searched counts a search, until the function that it gives is called. One of many has all
// VMs read meanwhile, for those that come later; where that fails, they search.
func (u *uuids) searched(vim *vim25.Client, datacenter types.ManagedObjectReference) (end func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.searching++
	if u.searching >= uuidsFrom && time.Now().After(u.next) {
		u.began, u.only = time.Now(), nil
		u.next = u.began.Add(uuidsFor)
		go u.fill(vim, datacenter, u.began)
	}
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.searching--
	}
}

// fill reads the UUIDs of all VMs, and keeps those that one VM has.
func (u *uuids) fill(vim *vim25.Client, datacenter types.ManagedObjectReference, began time.Time) {
	ctx, cancel := limited(context.Background(), uuidsFor)
	defer cancel()
	defer func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.next = began.Add(max(uuidsFor, 10*time.Since(began))) // a large site is not read all the time
	}()
	var machines []mo.VirtualMachine
	if err := retrieveBelow(ctx, vim, datacenter, "VirtualMachine", []string{"config.instanceUuid"}, &machines); err != nil {
		return
	}
	having := map[string][]types.ManagedObjectReference{}
	for _, vm := range machines {
		if vm.Config != nil {
			uuid := strings.ToLower(vm.Config.InstanceUuid)
			if !slices.Contains(having[uuid], vm.Self) {
				having[uuid] = append(having[uuid], vm.Self)
			}
		}
	}
	only := map[string]types.ManagedObjectReference{}
	for uuid, refs := range having {
		if len(refs) == 1 {
			only[uuid] = refs[0]
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.began.Equal(began) {
		u.only = only
	}
}
