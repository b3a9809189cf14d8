package sim

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/hotspare/hotspare/drivers"
)

// Inventory lists the site, as [drivers.Driver] says.
func (d *Driver) Inventory(ctx context.Context, request drivers.InventoryRequest, item func(drivers.Item) error) error {
	fail := failure{"list the inventory of", "simulated site"}
	if err := ctx.Err(); err != nil {
		return err
	}
	site, config, err := d.ready(fail.op)
	if err != nil {
		return err
	}
	if err := d.login(ctx, site); err != nil {
		return fail.wrap(err, ctx.Err())
	}
	if _, err := d.meet(ctx, site, fail, OpInventory, drivers.Property{Cluster: config.Cluster}, drivers.Value{}); err != nil {
		return err
	}
	var items []drivers.Item
	var wait Latency
	err = site.read(func(st *state) error {
		wait = st.Latency
		items, err = st.items(fail, request)
		return err
	})
	if err == nil {
		err = sleep(ctx, wait.Inventory)
	}
	if err != nil {
		return fail.wrap(err, ctx.Err())
	}
	for _, i := range items {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := item(i); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) items(fail failure, request drivers.InventoryRequest) ([]drivers.Item, error) {
	if len(s.Hosts) == 0 || s.Unlisted {
		return nil, fail.of(drivers.Unavailable, "look at the site", "%w", errors.New("the site lists no hosts"))
	}
	items := make([]drivers.Item, 0, len(s.Hosts)+len(s.VMs)+len(s.Networks)+len(s.Datastores)+len(request.Replicas))
	for _, name := range sorted(s.Hosts) {
		items = append(items, drivers.Item{Host: s.hostItem(s.Hosts[name])})
	}
	for _, id := range sorted(s.VMs) {
		items = append(items, drivers.Item{VM: vmItem(s.VMs[id])})
	}
	for _, name := range sorted(s.Networks) {
		items = append(items, drivers.Item{Network: &drivers.NetworkItem{Name: name}})
	}
	for _, name := range sorted(s.Datastores) {
		ds := s.Datastores[name]
		items = append(items, drivers.Item{Datastore: &drivers.DatastoreItem{
			Name: name, CapacityMiB: ds.CapacityMiB, FreeMiB: ds.CapacityMiB - s.index.stored[name],
		}})
	}
	for _, path := range request.Replicas {
		items = append(items, drivers.Item{Replica: s.replicaItem(path)})
	}
	return items, nil
}

func (s *state) replicaItem(path string) *drivers.ReplicaItem {
	r, err := s.readable(failure{"read", "replica " + path}, path)
	if err != nil {
		return drivers.Unreadable(path, err)
	}
	item := &drivers.ReplicaItem{Path: path, Role: r.Role, RestorePoints: make([]drivers.RestorePoint, 0, len(r.RestorePoints))}
	for _, p := range r.RestorePoints {
		p.Volumes = maps.Clone(p.Volumes)
		item.RestorePoints = append(item.RestorePoints, p)
	}
	return item
}

func (s *state) hostItem(h *Host) *drivers.HostItem {
	item := &drivers.HostItem{
		Name: h.Name, CPUs: h.CPUs, MemoryMiB: h.MemoryMiB, Maintenance: h.Maintenance, Connected: !h.Disconnected,
		Networks: slices.Sorted(slices.Values(h.Networks)), Datastores: []string{},
	}
	for _, name := range sorted(s.Datastores) {
		if contains(s.Datastores[name].Hosts, h.Name) {
			item.Datastores = append(item.Datastores, name)
		}
	}
	return item
}

func vmItem(vm *VM) *drivers.VMItem {
	item := &drivers.VMItem{
		ID: vm.ID, Name: vm.Name, Host: vm.Host, Power: vm.Power, CPUs: vm.CPUs, MemoryMiB: vm.MemoryMiB,
		Disks: map[string]string{}, NICs: map[string]string{}, Template: vm.Template, Snapshots: vm.Snapshots, Owner: vm.Owner,
	}
	for slot, d := range vm.Disks {
		item.Disks[slot] = d.Endpoint
	}
	for slot, n := range vm.NICs {
		item.NICs[slot] = n.Network
	}
	return item
}
