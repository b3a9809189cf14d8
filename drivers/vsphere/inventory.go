package vsphere

import (
	"context"
	"errors"
	"time"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
	"golang.org/x/sync/errgroup"

	"github.com/hotspare/hotspare/drivers"
)

// ownerPath reads one key of a VM's extraConfig, which as a whole is large.
const ownerPath = `config.extraConfig["` + ownerKey + `"]`

var inventoryPaths = []string{
	"name", "summary.config", "runtime.host", "runtime.powerState", "config.hardware.device", "snapshot",
	"guest.net", "guest.ipAddress", ownerPath,
}

// Inventory reads the cluster in bulk: some ten calls, however many VMs there are.
func (d *driver) Inventory(ctx context.Context, request drivers.InventoryRequest, item func(drivers.Item) error) error {
	cl, err := d.ready("read the inventory")
	if err != nil {
		return err
	}
	return fail("read the inventory of", cl.settings.url.Host, cl.inventory(ctx, request, item))
}

func (cl *client) inventory(ctx context.Context, request drivers.InventoryRequest, item func(drivers.Item) error) error {
	if err := cl.session.verify(ctx); err != nil {
		return err
	}
	networks, err := cl.networks(ctx)
	if err != nil {
		return err
	}
	for _, n := range networks {
		if n.uplink {
			continue
		}
		if err := item(drivers.Item{Network: &drivers.NetworkItem{Name: n.name}}); err != nil {
			return err
		}
	}
	var hosts []mo.HostSystem
	paths := []string{"name", "summary.hardware", "runtime.inMaintenanceMode", "runtime.connectionState", "network", "datastore"}
	if err := retrieveBelow(ctx, cl.vim, cl.places.compute, "HostSystem", paths, &hosts); err != nil {
		return err
	}
	if len(hosts) == 0 {
		return errors.New("vCenter lists no host in the cluster")
	}
	datastores, err := cl.datastores(ctx, hosts)
	if err != nil {
		return err
	}
	for _, store := range datastores {
		const mib = 1 << 20
		s := store.Summary
		if err := item(drivers.Item{Datastore: &drivers.DatastoreItem{Name: store.Name, CapacityMiB: s.Capacity / mib, FreeMiB: s.FreeSpace / mib}}); err != nil {
			return err
		}
	}
	hostNames := map[types.ManagedObjectReference]string{}
	refs := make([]types.ManagedObjectReference, 0, len(hosts))
	for i := range hosts {
		refs = append(refs, hosts[i].Self)
		hostNames[hosts[i].Self] = hosts[i].Name
		if err := item(drivers.Item{Host: hostItem(&hosts[i], networks, datastores)}); err != nil {
			return err
		}
	}
	cl.noteHosts(refs)
	if err := cl.inventoryVMs(ctx, networks, hostNames, item); err != nil {
		return err
	}
	return cl.inventoryReplicas(ctx, request.Replicas, item)
}

// datastores reads the datastores that any of the hosts has.
func (cl *client) datastores(ctx context.Context, hosts []mo.HostSystem) ([]mo.Datastore, error) {
	var refs []types.ManagedObjectReference
	seen := map[types.ManagedObjectReference]bool{}
	for _, host := range hosts {
		for _, ref := range host.Datastore {
			if !seen[ref] {
				seen[ref] = true
				refs = append(refs, ref)
			}
		}
	}
	var datastores []mo.Datastore
	err := retrieveMany(ctx, cl.vim, refs, []string{"name", "summary"}, &datastores)
	return datastores, err
}

func hostItem(host *mo.HostSystem, networks []network, datastores []mo.Datastore) *drivers.HostItem {
	h := &drivers.HostItem{
		Name:        host.Name,
		Maintenance: host.Runtime.InMaintenanceMode,
		Connected:   host.Runtime.ConnectionState == types.HostSystemConnectionStateConnected,
		Networks:    []string{},
		Datastores:  []string{},
	}
	if hardware := host.Summary.Hardware; hardware != nil {
		h.CPUs, h.MemoryMiB = int(hardware.NumCpuThreads), hardware.MemorySize>>20
	}
	has := map[types.ManagedObjectReference]bool{}
	for _, ref := range append(host.Network, host.Datastore...) {
		has[ref] = true
	}
	for _, n := range networks {
		if has[n.ref] && !n.uplink {
			h.Networks = append(h.Networks, n.name)
		}
	}
	for _, d := range datastores {
		if has[d.Self] {
			h.Datastores = append(h.Datastores, d.Name)
		}
	}
	return h
}

// inventoryVMs lists the VMs on the cluster's hosts, and the datacenter's templates,
// wherever they are registered.
func (cl *client) inventoryVMs(ctx context.Context, networks []network, hosts map[types.ManagedObjectReference]string, item func(drivers.Item) error) error {
	var content []types.ObjectContent
	if err := retrieveBelow(ctx, cl.vim, cl.places.datacenter.Reference(), "VirtualMachine", inventoryPaths, &content); err != nil {
		return err
	}
	if len(content) == 0 {
		return errors.New("vCenter lists no VM at all")
	}
	told := told{}
	for _, c := range content {
		vm, owner, err := inventoryVM(c)
		if err != nil {
			return err
		}
		host := hosts[valueOf(vm.Runtime.Host)]
		if host == "" && !vm.Summary.Config.Template {
			continue
		}
		again, err := told.before(vm)
		if err != nil {
			return err
		}
		if again {
			continue
		}
		if err := item(drivers.Item{VM: vmItem(vm, owner, host, networks)}); err != nil {
			return err
		}
	}
	return nil
}

// inventoryReplicas lists every replica, also those that cannot be read.
func (cl *client) inventoryReplicas(ctx context.Context, replicas []string, item func(drivers.Item) error) error {
	items := make([]*drivers.ReplicaItem, len(replicas))
	reads, readCtx := errgroup.WithContext(ctx)
	reads.SetLimit(replicaReads)
	for i, path := range replicas {
		reads.Go(func() (err error) {
			items[i], err = cl.replicaItem(readCtx, path)
			return err
		})
	}
	if err := reads.Wait(); err != nil {
		return err
	}
	for _, replica := range items {
		if err := item(drivers.Item{Replica: replica}); err != nil {
			return err
		}
	}
	return nil
}

// replicaLimit is how long the reading of one replica may take, and replicaReads how many are
// read at once: a datastore that hangs must not hold up the others.
const (
	replicaLimit = 10 * time.Second
	replicaReads = 16
)

// replicaItem reads one replica. What fails while vCenter answers is the replica's problem;
// an error is that vCenter does not, or that ctx is over.
func (cl *client) replicaItem(ctx context.Context, path string) (*drivers.ReplicaItem, error) {
	bounded, cancel := limited(ctx, replicaLimit)
	defer cancel()
	item, err := cl.readReplica(bounded, path)
	if err == nil {
		return item, nil
	}
	err = honest(ctx, bounded, err)
	if gone := cl.session.verify(ctx); gone != nil {
		return nil, gone
	}
	return drivers.Unreadable(path, fail("read", "replica "+path, err)), nil
}

func (cl *client) readReplica(ctx context.Context, path string) (*drivers.ReplicaItem, error) {
	points, err := cl.readManifest(ctx, path)
	if err != nil {
		return nil, err
	}
	m, err := cl.readMarker(ctx, path)
	if err != nil {
		return nil, err
	}
	role := drivers.Secondary
	if m != nil {
		role = drivers.Primary
	}
	return &drivers.ReplicaItem{Path: path, Role: role, RestorePoints: points}, nil
}
