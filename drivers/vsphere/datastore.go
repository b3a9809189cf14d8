package vsphere

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// datastoreOf is whether the cluster's hosts have one datastore mounted. It is present
// while any of them has.
type datastoreOf struct {
	*client
	name string
}

func (d datastoreOf) observe(ctx context.Context) (drivers.Value, error) {
	_, value, err := d.look(ctx)
	return value, err
}

// look reads the datastore, nil where vCenter has none of that name, and its value.
func (d datastoreOf) look(ctx context.Context) (*mo.Datastore, drivers.Value, error) {
	absent := drivers.Value{Text: drivers.Absent}
	hosts, err := d.mounters(ctx)
	if err != nil {
		return nil, absent, err
	}
	store, err := d.read(ctx)
	if err != nil || store == nil {
		return nil, absent, err
	}
	rest := datastoreRest{V: 1, Type: store.Summary.Type, Mounts: map[string]mount{}}
	if nas, ok := store.Info.(*types.NasDatastoreInfo); ok && nas.Nas != nil {
		rest.Server, rest.Path, rest.Security = nas.Nas.RemoteHost, nas.Nas.RemotePath, nas.Nas.SecurityType
		if len(nas.Nas.RemoteHostNames) > 1 {
			rest.Servers = nas.Nas.RemoteHostNames
		}
	}
	for name, host := range hosts {
		at := slices.IndexFunc(store.Host, func(m types.DatastoreHostMount) bool { return m.Key == host.Self })
		if at < 0 {
			continue
		}
		info := store.Host[at].MountInfo
		if info.Mounted == nil || *info.Mounted {
			rest.Mounts[name] = mount{Mode: info.AccessMode, VMKNIC: boundTo(info), Connections: info.NumTcpConnections}
		}
	}
	if len(rest.Mounts) == 0 {
		return store, absent, nil
	}
	return store, drivers.Value{Text: drivers.Present, Rest: restorepoint.Encode(rest)}, nil
}

// read gives the datastore of the name, or nil. Nil is sure, for the session is alive.
func (d datastoreOf) read(ctx context.Context) (*mo.Datastore, error) {
	if err := d.session.verify(ctx); err != nil {
		return nil, err
	}
	d.forgetDatastore(d.name) // somebody may have given the name to another one
	var store mo.Datastore
	err := d.readDatastore(ctx, d.name, []string{"name", "summary.type", "info", "host", "vm"}, &store)
	if drivers.KindOf(err) == drivers.NotFound || isGone(err) {
		return nil, nil
	}
	return &store, err
}

// mounters gives the cluster's hosts by name, with what mounts datastores on them.
func (d datastoreOf) mounters(ctx context.Context) (map[string]mo.HostSystem, error) {
	var hosts []mo.HostSystem
	if err := retrieveBelow(ctx, d.vim, d.places.compute, "HostSystem", []string{"name", "configManager.datastoreSystem"}, &hosts); err != nil {
		return nil, err
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("vCenter lists no host in the cluster")
	}
	named := map[string]mo.HostSystem{}
	for _, host := range hosts {
		named[host.Name] = host
	}
	return named, nil
}

func (d datastoreOf) apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	op, object := "mount", "datastore "+d.name
	switch c.Goal.Text {
	case drivers.Present:
	case drivers.Absent:
		op = "unmount"
	default:
		return drivers.Value{}, drivers.Invalidf("set presence of", object, "%q is neither present nor absent", c.Goal.Text)
	}
	hosts, err := d.mounters(ctx)
	if err != nil {
		return drivers.Value{}, err
	}
	if err := d.settleMounts(ctx, hosts); err != nil {
		return drivers.Value{}, err
	}
	store, found, err := d.look(ctx)
	if err != nil || sameDatastore(found, c.Goal) {
		return found, err
	}
	if !halfMounted(c, found) {
		if err := c.CheckExpected(op, object, found, sameDatastore); err != nil {
			return drivers.Value{}, err
		}
	}
	if c.Goal.Text == drivers.Absent {
		err = d.unmount(ctx, store, found, hosts, nil, progress)
	} else {
		err = d.mount(ctx, c, store, found, hosts, progress)
	}
	if err != nil {
		return drivers.Value{}, fail(op, object, err)
	}
	// What the hosts said is not proof; what vCenter shows is.
	value, err := d.observe(ctx)
	if err == nil && !sameDatastore(value, c.Goal) {
		err = fmt.Errorf("the hosts reported success, but it is %s %s", value.Text, value.Rest)
	}
	return value, fail(op, object, err)
}

// settleMounts waits for what an earlier call left running: mounting has no task of its
// own to wait for, but vCenter shows one on the host.
func (d datastoreOf) settleMounts(ctx context.Context, hosts map[string]mo.HostSystem) error {
	ours := map[types.ManagedObjectReference]bool{}
	for _, host := range hosts {
		ours[host.Self] = true
		if system := host.ConfigManager.DatastoreSystem; system != nil {
			ours[*system] = true
		}
	}
	return d.settle(ctx, func(t runningTask) bool {
		return ours[t.entity] && strings.Contains(strings.ToLower(t.name), "datastore")
	})
}

// unmount takes the datastore off every host but those to keep. The files on it stay.
func (d datastoreOf) unmount(ctx context.Context, store *mo.Datastore, found drivers.Value, hosts map[string]mo.HostSystem, keep map[string]mount, progress func(drivers.Progress)) error {
	rest, _ := readDatastoreRest(found)
	if err := d.mayUnmount(ctx, store, rest, hosts); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(rest.Mounts)) {
		if m, kept := keep[name]; kept && m == rest.Mounts[name] {
			continue
		}
		progress(drivers.Progress{Message: "unmounting " + d.name + " on " + name})
		_, err := methods.RemoveDatastore(ctx, d.vim, &types.RemoveDatastore{
			This: valueOf(hosts[name].ConfigManager.DatastoreSystem), Datastore: store.Self,
		})
		if err != nil && !isGone(err) {
			return fmt.Errorf("on host %s: %w", name, err)
		}
	}
	return nil
}

// mayUnmount refuses to take a datastore from what needs it. vCenter refuses it for VMs
// only.
func (d datastoreOf) mayUnmount(ctx context.Context, store *mo.Datastore, rest datastoreRest, hosts map[string]mo.HostSystem) error {
	object := "datastore " + d.name
	if err := mountable(object, rest); err != nil {
		return err
	}
	if store.Self == d.places.volumes {
		return drivers.Refusef("unmount", object, "configure another volumes_datastore first", "the volumes that hotspare makes lie on it")
	}
	ours := map[types.ManagedObjectReference]bool{}
	for _, host := range hosts {
		ours[host.Self] = true
	}
	var machines []mo.VirtualMachine
	if err := retrieveMany(ctx, d.vim, store.Vm, []string{"name", "runtime.host"}, &machines); err != nil {
		return err
	}
	for _, vm := range machines {
		if vm.Runtime.Host == nil || ours[*vm.Runtime.Host] {
			return drivers.Refusef("unmount", object, "move that VM's files away, or give it other disks",
				"VM %s has its configuration, a disk or a medium on it", plainName(vm.Name))
		}
	}
	return nil
}

// mount mounts the datastore as the goal's rest says, on each of its hosts that has not.
func (d datastoreOf) mount(ctx context.Context, c drivers.Change, store *mo.Datastore, found drivers.Value, hosts map[string]mo.HostSystem, progress func(drivers.Progress)) error {
	object := "datastore " + d.name
	want, ok := readDatastoreRest(c.Goal)
	if !ok {
		return drivers.Invalidf("mount", object, "the goal does not say which export: it needs the rest of a value that was observed while it was mounted")
	}
	if err := mountable(object, want); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(want.Mounts)) {
		if _, in := hosts[name]; !in {
			return drivers.NotFoundf("mount", object, "bring the host back, or mount it in vCenter", "the cluster has no host %s, which had it mounted", name)
		}
	}
	now, mounted := readDatastoreRest(found)
	if mounted && !now.sameExport(want) {
		return drivers.Drifted("mount", object, found, "another export, %s:%s, has this name", now.Server, now.Path)
	}
	if mounted && !now.within(want) {
		if err := d.unmount(ctx, store, found, hosts, want.Mounts, progress); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want.Mounts)) {
		m := want.Mounts[name]
		if has, is := now.Mounts[name]; is && has == m {
			continue
		}
		progress(drivers.Progress{Message: "mounting " + d.name + " on " + name})
		if err := d.mountOn(ctx, hosts[name], want, m); err != nil {
			return fmt.Errorf("on host %s: %w", name, err)
		}
	}
	return nil
}

func (d datastoreOf) mountOn(ctx context.Context, host mo.HostSystem, want datastoreRest, m mount) error {
	spec := types.HostNasVolumeSpec{
		RemoteHost: want.Server, RemotePath: want.Path, LocalPath: d.name, Type: want.Type, AccessMode: m.Mode,
		RemoteHostNames: want.Servers, SecurityType: want.Security, VmknicToBind: m.VMKNIC, Connections: m.Connections,
	}
	if m.VMKNIC != "" {
		spec.VmknicBound = types.NewBool(true)
	}
	_, err := methods.CreateNasDatastore(ctx, d.vim, &types.CreateNasDatastore{This: valueOf(host.ConfigManager.DatastoreSystem), Spec: spec})
	return err
}
