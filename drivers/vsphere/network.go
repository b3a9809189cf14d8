package vsphere

import (
	"context"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// network is one network of the datacenter.
type network struct {
	ref       types.ManagedObjectReference
	name      string
	key       string // of a distributed port group
	dvsUUID   string
	uplink    bool
	standard  bool
	reachable []types.ManagedObjectReference // the hosts that have it
}

func (n network) backing() types.BaseVirtualDeviceBackingInfo {
	if n.standard {
		return &types.VirtualEthernetCardNetworkBackingInfo{
			VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: n.name},
		}
	}
	return &types.VirtualEthernetCardDistributedVirtualPortBackingInfo{
		Port: types.DistributedVirtualSwitchPortConnection{SwitchUuid: n.dvsUUID, PortgroupKey: n.key},
	}
}

// networks lists the datacenter's networks that a NIC can be on.
func (cl *client) networks(ctx context.Context) ([]network, error) {
	var datacenter mo.Datacenter
	if err := retrieveOne(ctx, cl.vim, cl.places.datacenter.Reference(), []string{"network"}, &datacenter); err != nil {
		return nil, err
	}
	var standard, distributed []types.ManagedObjectReference
	for _, ref := range datacenter.Network {
		switch ref.Type {
		case "Network":
			standard = append(standard, ref)
		case "DistributedVirtualPortgroup":
			distributed = append(distributed, ref)
		}
	}
	var plain []mo.Network
	if err := retrieveMany(ctx, cl.vim, standard, []string{"name", "host"}, &plain); err != nil {
		return nil, err
	}
	var groups []mo.DistributedVirtualPortgroup
	if err := retrieveMany(ctx, cl.vim, distributed, []string{"name", "host", "key", "config.distributedVirtualSwitch", "config.uplink"}, &groups); err != nil {
		return nil, err
	}
	uuids, err := cl.switchUUIDs(ctx, groups)
	if err != nil {
		return nil, err
	}
	var networks []network
	for _, n := range plain {
		networks = append(networks, network{ref: n.Self, name: plainName(n.Name), standard: true, reachable: n.Host})
	}
	for _, g := range groups {
		n := network{ref: g.Self, name: plainName(g.Name), key: g.Key, reachable: g.Host, uplink: g.Config.Uplink != nil && *g.Config.Uplink}
		if dvs := g.Config.DistributedVirtualSwitch; dvs != nil {
			n.dvsUUID = uuids[*dvs]
		}
		networks = append(networks, n)
	}
	return networks, nil
}

func (cl *client) switchUUIDs(ctx context.Context, groups []mo.DistributedVirtualPortgroup) (map[types.ManagedObjectReference]string, error) {
	uuids := map[types.ManagedObjectReference]string{}
	var refs []types.ManagedObjectReference
	for _, g := range groups {
		dvs := g.Config.DistributedVirtualSwitch
		if _, known := uuids[valueOf(dvs)]; dvs != nil && !known {
			uuids[*dvs] = ""
			refs = append(refs, *dvs)
		}
	}
	var switches []mo.DistributedVirtualSwitch
	if err := retrieveMany(ctx, cl.vim, refs, []string{"uuid"}, &switches); err != nil {
		return nil, err
	}
	for _, s := range switches {
		uuids[s.Self] = s.Uuid
	}
	return uuids, nil
}

func valueOf(ref *types.ManagedObjectReference) types.ManagedObjectReference {
	if ref == nil {
		return types.ManagedObjectReference{}
	}
	return *ref
}

// pickNetwork finds the network of a name; where several have it, the one with the key.
func pickNetwork(networks []network, name, key string) (network, error) {
	var found []network
	for _, n := range networks {
		if n.name == name && !n.uplink {
			if key != "" && n.key == key {
				return n, nil
			}
			found = append(found, n)
		}
	}
	switch len(found) {
	case 0:
		return network{}, drivers.NotFoundf("find network", name, "check the port group's name", "the datacenter has no such network")
	case 1:
		return found[0], nil
	}
	return network{}, drivers.Refusef("find network", name, "rename all but one of them", "the datacenter has %d networks of this name", len(found))
}
