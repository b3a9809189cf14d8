package vsphere

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// places are the objects that the configuration names. They keep their ids while their
// names may change.
type places struct {
	datacenter     *object.Datacenter
	vmFolder       types.ManagedObjectReference // the datacenter's root of VMs
	vmFolderPath   string
	compute        types.ManagedObjectReference
	pool           types.ManagedObjectReference
	volumes        types.ManagedObjectReference
	movesVMs       bool
	mu             sync.Mutex
	ourFolder      *types.ManagedObjectReference
	datastoreNames map[string]types.ManagedObjectReference
	hosts          map[types.ManagedObjectReference]bool // of the cluster, when last read
}

// findPlaces resolves the configuration's names; its errors name the attribute.
func (cl *client) findPlaces(ctx context.Context) error {
	finder := find.NewFinder(cl.vim, false)
	s, p := cl.settings, &cl.places
	var err error
	if p.datacenter, err = finder.DatacenterOrDefault(ctx, s.datacenter); err != nil {
		return cl.placeError("datacenter", s.datacenter, err)
	}
	finder.SetDatacenter(p.datacenter)
	folders, err := p.datacenter.Folders(ctx)
	if err != nil {
		return err
	}
	p.vmFolder, p.vmFolderPath = folders.VmFolder.Reference(), folders.VmFolder.InventoryPath
	compute, err := finder.ComputeResourceOrDefault(ctx, s.compute)
	if err != nil {
		return cl.placeError("compute", s.compute, err)
	}
	p.compute = compute.Reference()
	datastore, err := finder.Datastore(ctx, s.volumes)
	if err != nil {
		return cl.placeError("volumes_datastore", s.volumes, err)
	}
	p.volumes = datastore.Reference()
	return cl.readCompute(ctx)
}

// readCompute finds the cluster's pool, and whether DRS moves its VMs.
func (cl *client) readCompute(ctx context.Context) error {
	p := &cl.places
	paths := []string{"resourcePool"}
	if p.compute.Type != "ClusterComputeResource" {
		var compute mo.ComputeResource
		if err := retrieveOne(ctx, cl.vim, p.compute, paths, &compute); err != nil {
			return err
		}
		p.pool = *compute.ResourcePool
		return nil
	}
	var cluster mo.ClusterComputeResource
	if err := retrieveOne(ctx, cl.vim, p.compute, append(paths, "configurationEx"), &cluster); err != nil {
		return err
	}
	p.pool = *cluster.ResourcePool
	if config, ok := cluster.ConfigurationEx.(*types.ClusterConfigInfoEx); ok {
		drs := config.DrsConfig
		p.movesVMs = drs.Enabled != nil && *drs.Enabled && drs.DefaultVmBehavior == types.DrsBehaviorFullyAutomated
	}
	return nil
}

// placeError tells a name that does not exist from a site that does not answer.
func (cl *client) placeError(attribute, name string, err error) error {
	switch err.(type) {
	case *find.NotFoundError, *find.DefaultNotFoundError:
		return drivers.InvalidAttribute(attribute, fmt.Sprintf("vCenter has no %q, or the account may not see it", name))
	case *find.MultipleFoundError, *find.DefaultMultipleFoundError:
		return drivers.InvalidAttribute(attribute, fmt.Sprintf("vCenter has more than one %q: name one, with its path", name))
	default:
		return err
	}
}

// findVMs gives the VMs with an instance UUID. None is sure: it is said only by a session
// that is alive. More than one is a fault of the site's, which vCenter does not prevent.
func (cl *client) findVMs(ctx context.Context, uuid string) ([]types.ManagedObjectReference, error) {
	datacenter := cl.places.datacenter.Reference()
	defer cl.uuids.searched(cl.vim, datacenter)()
	found, err := sure(ctx, cl, func() (*[]types.ManagedObjectReference, error) {
		response, err := methods.FindAllByUuid(ctx, cl.vim, &types.FindAllByUuid{
			This: *cl.vim.ServiceContent.SearchIndex, Datacenter: &datacenter,
			Uuid: strings.ToLower(uuid), VmSearch: true, InstanceUuid: types.NewBool(true),
		})
		if err != nil || len(response.Returnval) == 0 {
			return nil, err
		}
		return &response.Returnval, nil
	})
	if err != nil || found == nil {
		return nil, err
	}
	return *found, nil
}

// sure repeats a search that found nothing, where the session turns out to have expired.
func sure[T any](ctx context.Context, cl *client, search func() (*T, error)) (*T, error) {
	epoch := cl.session.loggedIn()
	found, err := search()
	if found != nil || err != nil {
		return found, err
	}
	if err := cl.session.verify(ctx); err != nil {
		return nil, err
	}
	if cl.session.loggedIn() == epoch {
		return nil, nil
	}
	return search()
}

// findInFolder gives the VM of that name in our folder, or nil.
func (cl *client) findInFolder(ctx context.Context, name string) (*types.ManagedObjectReference, error) {
	inventoryPath := path.Join(cl.places.vmFolderPath, cl.settings.folder, listedName(name))
	return sure(ctx, cl, func() (*types.ManagedObjectReference, error) {
		response, err := methods.FindByInventoryPath(ctx, cl.vim, &types.FindByInventoryPath{
			This: *cl.vim.ServiceContent.SearchIndex, InventoryPath: strings.TrimPrefix(inventoryPath, "/"),
		})
		if err != nil || response.Returnval == nil || response.Returnval.Type != "VirtualMachine" {
			return nil, err
		}
		return response.Returnval, nil
	})
}

// folder gives the VM folder for what we make, and makes it where it does not exist.
func (cl *client) folder(ctx context.Context) (types.ManagedObjectReference, error) {
	cl.places.mu.Lock()
	defer cl.places.mu.Unlock()
	if cl.places.ourFolder != nil {
		return *cl.places.ourFolder, nil
	}
	at := cl.places.vmFolder
	for _, name := range strings.Split(cl.settings.folder, "/") {
		next, err := cl.childFolder(ctx, at, name)
		if err != nil {
			return at, err
		}
		at = next
	}
	cl.places.ourFolder = &at
	return at, nil
}

func (cl *client) childFolder(ctx context.Context, parent types.ManagedObjectReference, name string) (types.ManagedObjectReference, error) {
	search := func() (*types.ManagedObjectReference, error) {
		response, err := methods.FindChild(ctx, cl.vim, &types.FindChild{
			This: *cl.vim.ServiceContent.SearchIndex, Entity: parent, Name: name,
		})
		if err != nil {
			return nil, err
		}
		return response.Returnval, nil
	}
	found, err := sure(ctx, cl, search)
	if err != nil {
		return parent, err
	}
	if found != nil && found.Type == "Folder" {
		return *found, nil
	}
	if found != nil {
		return parent, drivers.InvalidAttribute("folder", fmt.Sprintf("%q is no folder but a %s", name, found.Type))
	}
	response, err := methods.CreateFolder(ctx, cl.vim, &types.CreateFolder{This: parent, Name: name})
	if duplicate, ok := vimFault(err).(*types.DuplicateName); ok {
		return duplicate.Object, nil
	}
	if err != nil {
		return parent, err
	}
	return response.Returnval, nil
}

// findHost gives the host of that name in the cluster.
func (cl *client) findHost(ctx context.Context, name string) (*mo.HostSystem, error) {
	var hosts []mo.HostSystem
	paths := []string{"name", "parent", "datastore", "network", "runtime.connectionState", "runtime.inMaintenanceMode"}
	if err := retrieveBelow(ctx, cl.vim, cl.places.compute, "HostSystem", paths, &hosts); err != nil {
		return nil, err
	}
	for i := range hosts {
		if hosts[i].Name == name {
			return &hosts[i], nil
		}
	}
	return nil, drivers.NotFoundf("find host", name, "check the host's name, and that it is in the cluster", "the cluster has no such host")
}

// isTemplate reports whether a template is so called, by its name or its instance UUID.
func isTemplate(vm mo.VirtualMachine, called string) bool {
	return plainName(vm.Name) == called || strings.EqualFold(vm.Summary.Config.InstanceUuid, called)
}

// findTemplate gives the template by its name or its instance UUID.
func (cl *client) findTemplate(ctx context.Context, name string) (*mo.VirtualMachine, error) {
	var machines []mo.VirtualMachine
	paths := []string{"name", "summary.config.template", "summary.config.instanceUuid"}
	if err := retrieveBelow(ctx, cl.vim, cl.places.datacenter.Reference(), "VirtualMachine", paths, &machines); err != nil {
		return nil, err
	}
	machines = slices.DeleteFunc(machines, func(m mo.VirtualMachine) bool {
		return !m.Summary.Config.Template || !isTemplate(m, name)
	})
	switch len(machines) {
	case 0:
		return nil, drivers.NotFoundf("find template", name, "check the template's name, and that it is marked as a template", "the datacenter has no such template")
	case 1:
	default:
		var all []string
		for _, m := range machines {
			all = append(all, m.Summary.Config.InstanceUuid)
		}
		slices.Sort(all)
		return nil, drivers.Refusef("find template", name, "rename all but one of them, or name it by its instance UUID",
			"the datacenter has %d templates of this name: %s", len(all), strings.Join(all, ", "))
	}
	var template mo.VirtualMachine
	err := retrieveOne(ctx, cl.vim, machines[0].Self, []string{"name", "config.hardware.device", "snapshot"}, &template)
	return &template, err
}
