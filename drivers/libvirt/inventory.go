package libvirt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"libvirt.org/go/libvirt"

	"github.com/hotspare/hotspare/drivers"
)

// Inventory reads all hosts at once. A host that does not answer for some seconds is listed
// as not connected, and otherwise, with its VMs, as it was last seen: it must not stop a reclaim on the
// others. Where no host answers, it is an error.
func (d *driver) Inventory(ctx context.Context, request drivers.InventoryRequest, item func(drivers.Item) error) error {
	cl, err := d.ready("read the inventory")
	if err != nil {
		return err
	}
	type read struct {
		hosts    []*hostRead
		replicas []drivers.ReplicaItem
	}
	all, err := abandon(ctx, func() (read, error) {
		hosts, err := cl.readHosts(ctx)
		if err != nil {
			return read{}, err
		}
		replicas, err := cl.readReplicas(ctx, request.Replicas)
		return read{hosts, replicas}, err
	})
	if err == nil {
		err = cl.tell(all.hosts, item)
	}
	for i := 0; err == nil && i < len(all.replicas); i++ {
		err = item(drivers.Item{Replica: &all.replicas[i]})
	}
	return fail("read the inventory of", "cluster "+cl.settings.cluster, err)
}

// hostRead is what was read of one host.
type hostRead struct {
	host     *host
	silent   error // it does not answer, and the listing is the last one
	listing  *listing
	info     libvirt.NodeInfo
	networks []string
	pools    []pool
}

func (cl *cluster) readHosts(ctx context.Context) ([]*hostRead, error) {
	answers := onAll(ctx, cl.hosts, cl.readHost)
	var all []*hostRead
	var failed []error
	silent := 0
	for _, a := range answers {
		if a.err != nil {
			failed = append(failed, a.err)
			continue
		}
		all = append(all, a.value)
		if a.value.silent != nil {
			silent++
			failed = append(failed, a.value.silent)
		}
	}
	if len(all) < len(cl.hosts) || silent == len(all) {
		return nil, errors.Join(failed...)
	}
	return all, nil
}

func (cl *cluster) readHost(ctx context.Context, h *host) (*hostRead, error) {
	r := &hostRead{host: h}
	err := cl.readAll(ctx, r)
	var gone *goneError
	h.mu.Lock()
	defer h.mu.Unlock()
	if errors.As(err, &gone) {
		r = &hostRead{host: h}
		if h.last != nil {
			*r = *h.last
		}
		r.silent, r.listing = err, h.seen
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", h.name, err)
	}
	h.last = r
	return r, nil
}

func (cl *cluster) readAll(ctx context.Context, r *hostRead) (err error) {
	info, err := read(ctx, r.host, func(conn *libvirt.Connect) (*libvirt.NodeInfo, error) { return conn.GetNodeInfo() })
	if err != nil {
		return err
	}
	r.info = *info
	if r.networks, err = cl.networks(ctx, r.host); err != nil {
		return err
	}
	if r.pools, err = pools(ctx, r.host); err != nil {
		return err
	}
	if r.listing, err = r.host.list(ctx); err != nil {
		return err
	}
	r.host.addresses.read(ctx, r.host, r.listing.machines)
	return nil
}

// tell gives the items of all hosts: networks and datastores once, and each VM once.
func (cl *cluster) tell(all []*hostRead, item func(drivers.Item) error) error {
	networks, stores := map[string]bool{}, map[string]drivers.DatastoreItem{}
	for _, r := range all {
		for _, n := range r.networks {
			networks[n] = true
		}
		for _, p := range r.pools {
			stores[p.Name] = p.DatastoreItem
		}
	}
	vms, err := cl.vms(all)
	if err != nil {
		return err
	}
	for _, vm := range vms {
		for _, network := range vm.NICs {
			networks[network] = true
		}
	}
	var items []drivers.Item
	for _, name := range slices.Sorted(maps.Keys(networks)) {
		items = append(items, drivers.Item{Network: &drivers.NetworkItem{Name: name}})
	}
	for _, name := range slices.Sorted(maps.Keys(stores)) {
		store := stores[name]
		items = append(items, drivers.Item{Datastore: &store})
	}
	for _, r := range all {
		items = append(items, drivers.Item{Host: r.item()})
	}
	for i := range vms {
		items = append(items, drivers.Item{VM: &vms[i]})
	}
	for _, i := range items {
		if err := item(i); err != nil {
			return err
		}
	}
	return nil
}

func (r *hostRead) item() *drivers.HostItem {
	h := &drivers.HostItem{
		Name: r.host.name, CPUs: int(r.info.Cpus), MemoryMiB: int64(r.info.Memory >> 10), Connected: r.silent == nil,
		Networks: r.networks, Datastores: []string{},
	}
	if h.Networks == nil {
		h.Networks = []string{}
	}
	for _, p := range r.pools {
		h.Datastores = append(h.Datastores, p.Name)
	}
	slices.Sort(h.Datastores)
	return h
}

// vms gives each VM once, also one whose move has not ended. Of a VM that a host has which
// does not answer, and another one that does, the second counts.
func (cl *cluster) vms(all []*hostRead) ([]drivers.VMItem, error) {
	found, last := map[string][]*machine{}, map[string]*machine{}
	for _, r := range all {
		if r.listing == nil {
			continue
		}
		for _, m := range r.listing.machines {
			if r.silent != nil {
				last[m.uuid] = m
			} else {
				found[m.uuid] = append(found[m.uuid], m)
			}
		}
	}
	var items []drivers.VMItem
	for _, uuid := range slices.Sorted(maps.Keys(found)) {
		m, err := cl.pick(uuid, found[uuid], nil)
		if err != nil {
			return nil, err
		}
		items = append(items, m.item())
	}
	for _, uuid := range slices.Sorted(maps.Keys(last)) {
		if found[uuid] == nil {
			items = append(items, last[uuid].item())
		}
	}
	return items, nil
}

// item is the VM as the inventory tells of it.
func (m *machine) item() drivers.VMItem {
	vm := drivers.VMItem{
		ID: m.uuid, Name: m.name, Host: m.host.name, Power: m.power(),
		CPUs: number(m.tree.kid("vcpu")), MemoryMiB: memoryMiB(m.tree.kid("memory")),
		Disks: map[string]string{}, NICs: map[string]string{},
		Template: m.mark.Template, Snapshots: m.snapshots, Owner: m.mark.Owner,
		Addresses: m.host.addresses.of(m),
	}
	for _, disk := range disks(m.tree) {
		vm.Disks[disk.kid("target").attr("dev")] = endpointOf(disk)
	}
	for _, nic := range m.tree.all("devices", "interface") {
		if slot := nicSlot(nic); slot != "" {
			vm.NICs[slot] = networkOf(nic)
			if live := findNIC(m.live, slot); live != nil {
				vm.NICs[slot] = networkOf(live)
			}
		}
	}
	return vm
}

// replicaLimit is how long the reading of one replica may take: a mount that hangs must not
// hold up the others.
const replicaLimit = 5 * time.Second

// readReplicas reads every replica, and tells of those that cannot be read why. It is an
// error only where ctx is over.
func (cl *cluster) readReplicas(ctx context.Context, paths []string) ([]drivers.ReplicaItem, error) {
	list := make([]drivers.ReplicaItem, len(paths))
	var wait sync.WaitGroup
	for i, path := range paths {
		wait.Go(func() { list[i] = cl.replicaItem(ctx, path) })
	}
	wait.Wait()
	return list, ctx.Err()
}

func (cl *cluster) replicaItem(ctx context.Context, path string) drivers.ReplicaItem {
	bounded, cancel := context.WithTimeout(ctx, replicaLimit)
	defer cancel()
	item, err := cl.replica(path).read(bounded, func(context.Context) (drivers.ReplicaItem, error) { return readReplica(path) })
	if errors.Is(err, context.DeadlineExceeded) {
		err = drivers.Unavailablef("read", "replica "+path, "look whether its storage answers this machine", "its folder gave no answer within %s", replicaLimit)
	}
	if err != nil {
		return *drivers.Unreadable(path, fail("read", "replica "+path, err))
	}
	return item
}

// replica gives what the reads of a replica share: in a folder that hangs there is one, and
// one more that waits.
func (cl *cluster) replica(path string) *sharedRead[drivers.ReplicaItem] {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.replicas == nil {
		cl.replicas = map[string]*sharedRead[drivers.ReplicaItem]{}
	}
	if cl.replicas[path] == nil {
		cl.replicas[path] = &sharedRead[drivers.ReplicaItem]{}
	}
	return cl.replicas[path]
}

func readReplica(path string) (drivers.ReplicaItem, error) {
	points, err := readManifest(path)
	if err != nil {
		return drivers.ReplicaItem{}, err
	}
	m, err := readMarker(path)
	if err != nil {
		return drivers.ReplicaItem{}, err
	}
	role := drivers.Secondary
	if m != nil {
		role = drivers.Primary
	}
	return drivers.ReplicaItem{Path: path, Role: role, RestorePoints: points}, nil
}
