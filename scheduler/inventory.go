package scheduler

import (
	"errors"
	"fmt"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// Inventory is what the drivers listed, by cluster. It is not changed after it was made.
type Inventory map[string]*ClusterInventory

// ClusterInventory is one cluster's, as of one time.
type ClusterInventory struct {
	At         time.Time                        `json:"at"`
	Hosts      map[string]drivers.HostItem      `json:"hosts"`
	VMs        map[string]drivers.VMItem        `json:"vms"` // by [drivers.VMItem.ID]
	Networks   map[string]bool                  `json:"networks"`
	Datastores map[string]drivers.DatastoreItem `json:"datastores"`
	Replicas   map[string]drivers.ReplicaItem   `json:"replicas"` // by path
	names      map[string][]string              // VM and template names to ids
}

// NewClusterInventory puts items in order. It refuses an empty inventory and one that
// lists a VM twice: both are faults of the source, never news about the site.
func NewClusterInventory(at time.Time, items []drivers.Item) (*ClusterInventory, error) {
	c := &ClusterInventory{
		At: at, Hosts: map[string]drivers.HostItem{}, VMs: map[string]drivers.VMItem{},
		Networks: map[string]bool{}, Datastores: map[string]drivers.DatastoreItem{},
		Replicas: map[string]drivers.ReplicaItem{},
	}
	for _, item := range items {
		switch {
		case item.Host != nil:
			c.Hosts[item.Host.Name] = *item.Host
		case item.VM != nil:
			if _, twice := c.VMs[item.VM.ID]; twice {
				return nil, fmt.Errorf("the inventory lists VM %s (%s) twice", item.VM.ID, item.VM.Name)
			}
			c.VMs[item.VM.ID] = *item.VM
		case item.Network != nil:
			c.Networks[item.Network.Name] = true
		case item.Datastore != nil:
			c.Datastores[item.Datastore.Name] = *item.Datastore
		case item.Replica != nil:
			c.Replicas[item.Replica.Path] = *item.Replica
		}
	}
	if len(c.Hosts) == 0 {
		return nil, fmt.Errorf("the inventory has no host; an empty inventory is a fault, never news")
	}
	c.index()
	return c, nil
}

func (c *ClusterInventory) index() {
	c.names = make(map[string][]string, len(c.VMs))
	for id, vm := range c.VMs {
		c.names[vm.Name] = append(c.names[vm.Name], id)
	}
}

// Named finds the one VM, or the one template, of this name.
func (c *ClusterInventory) Named(name string, template bool) (drivers.VMItem, error) {
	if c.names == nil {
		c.index()
	}
	var found []drivers.VMItem
	for _, id := range c.names[name] {
		if vm, listed := c.VMs[id]; listed && vm.Template == template {
			found = append(found, vm)
		}
	}
	what := "VM"
	if template {
		what = "template"
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return drivers.VMItem{}, fmt.Errorf("the site has no %s %q; check its name in the configuration", what, name)
	default:
		return drivers.VMItem{}, fmt.Errorf("the site has %d of %s %q; give its uuid in the configuration", len(found), what, name)
	}
}

// Standby resolves a standby VM of the configuration to the machine at the site.
func (inv Inventory) Standby(vm *StandbyVM) (drivers.VMItem, error) {
	cluster := inv[vm.Cluster]
	if cluster == nil {
		return drivers.VMItem{}, fmt.Errorf("no inventory of cluster %q was ever read; check its driver with: hotspare driver check %s", vm.Cluster, vm.Cluster)
	}
	if vm.UUID != "" {
		if item, ok := cluster.VMs[vm.UUID]; ok {
			return item, nil
		}
		return drivers.VMItem{}, fmt.Errorf("the site has no VM with uuid %s (%s)", vm.UUID, vm.Name)
	}
	return cluster.Named(vm.Name, false)
}

// Unreadable says which replica of a group cannot be read, why, and what to do; nil where
// none was told to be so.
func (inv Inventory) Unreadable(g *Group) error {
	for _, replica := range g.Replicas {
		cluster := inv[replica.Cluster]
		if cluster == nil {
			continue
		}
		if problem := cluster.Replicas[replica.Path].Problem; problem != "" {
			return errors.New(problem)
		}
	}
	return nil
}

// Power names the power of a VM at a cluster.
func Power(cluster, id string) drivers.Property {
	return drivers.Property{Cluster: cluster, Kind: drivers.VM, Target: id, Name: drivers.Power}
}
