package vsphere

import (
	"context"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// findDatastore gives the datastore of that name.
func (cl *client) findDatastore(ctx context.Context, name string) (types.ManagedObjectReference, error) {
	cl.places.mu.Lock()
	defer cl.places.mu.Unlock()
	if ref, ok := cl.places.datastoreNames[name]; ok {
		return ref, nil
	}
	var datacenter mo.Datacenter
	if err := retrieveOne(ctx, cl.vim, cl.places.datacenter.Reference(), []string{"datastore"}, &datacenter); err != nil {
		return types.ManagedObjectReference{}, err
	}
	var datastores []mo.Datastore
	if err := retrieveMany(ctx, cl.vim, datacenter.Datastore, []string{"name"}, &datastores); err != nil {
		return types.ManagedObjectReference{}, err
	}
	cl.places.datastoreNames = map[string]types.ManagedObjectReference{}
	for _, d := range datastores {
		cl.places.datastoreNames[d.Name] = d.Self
	}
	ref, ok := cl.places.datastoreNames[name]
	if !ok {
		return ref, drivers.NotFoundf("find datastore", name, "check the datastore's name, and that it is mounted", "the datacenter has no such datastore")
	}
	return ref, nil
}

// forgetDatastore has the next search for a name ask vCenter.
func (cl *client) forgetDatastore(name string) {
	cl.places.mu.Lock()
	defer cl.places.mu.Unlock()
	delete(cl.places.datastoreNames, name)
}

// readDatastore reads properties of the datastore of that name, which may have been
// unmounted, or mounted anew, since it was looked up last.
func (cl *client) readDatastore(ctx context.Context, name string, paths []string, dst *mo.Datastore) error {
	ref, err := cl.findDatastore(ctx, name)
	if err != nil {
		return err
	}
	if err = retrieveOne(ctx, cl.vim, ref, paths, dst); !isGone(err) {
		return err
	}
	cl.forgetDatastore(name)
	if ref, err = cl.findDatastore(ctx, name); err != nil {
		return err
	}
	return retrieveOne(ctx, cl.vim, ref, paths, dst)
}
