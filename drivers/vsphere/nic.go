package vsphere

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// firstNIC is the device key of the first NIC.
const firstNIC = 4000

// nicOf is the NIC in one slot of one VM.
type nicOf struct {
	*client
	uuid string
	slot string
}

// nicRest is what a NIC has beside its network, and what is compared with it. Never the
// port's key or cookie: they change at each connection.
type nicRest struct {
	V           int    `json:"v"`
	Model       string `json:"model"` // "vmxnet3"
	MAC         string `json:"mac"`
	AddressType string `json:"addressType,omitempty"`
	Switch      string `json:"switch,omitempty"`    // UUID, of a distributed one
	PortGroup   string `json:"portGroup,omitempty"` // key, of a distributed one
	// StartConnected: connected when the VM is powered on.
	StartConnected bool `json:"startConnected"`
}

func (n nicOf) observe(ctx context.Context) (drivers.Value, error) {
	vm, err := n.machine(ctx, n.uuid, "config.hardware.device")
	if err != nil {
		return drivers.Value{}, err
	}
	nic, err := n.find(vm)
	if err != nil {
		return drivers.Value{}, err
	}
	networks, err := n.networks(ctx)
	if err != nil {
		return drivers.Value{}, err
	}
	return nicValue(nic, networks), nil
}

func (n nicOf) find(vm *mo.VirtualMachine) (types.BaseVirtualEthernetCard, error) {
	for _, device := range devices(vm) {
		if nic, ok := device.(types.BaseVirtualEthernetCard); ok && nicSlot(nic) == n.slot {
			return nic, nil
		}
	}
	return nil, notFound("find NIC "+n.slot+" of", vm.Name, "check that nobody removed the NIC", "the VM has no NIC in this slot")
}

func nicSlot(nic types.BaseVirtualEthernetCard) string {
	return "ethernet" + strconv.Itoa(int(nic.GetVirtualEthernetCard().Key-firstNIC))
}

func nicValue(nic types.BaseVirtualEthernetCard, networks []network) drivers.Value {
	card := nic.GetVirtualEthernetCard()
	rest := nicRest{
		V: 1, MAC: strings.ToLower(card.MacAddress), AddressType: card.AddressType,
		Model: strings.ToLower(strings.TrimPrefix(object.VirtualDeviceList{}.TypeName(nic.(types.BaseVirtualDevice)), "Virtual")),
	}
	if card.Connectable != nil {
		rest.StartConnected = card.Connectable.StartConnected
	}
	if b, ok := card.Backing.(*types.VirtualEthernetCardDistributedVirtualPortBackingInfo); ok {
		rest.Switch, rest.PortGroup = b.Port.SwitchUuid, b.Port.PortgroupKey
	}
	return drivers.Value{Text: networkOf(card, networks), Rest: encode(rest)}
}

// networkOf names the network that a NIC is on; one that does not exist any more by its key.
func networkOf(card *types.VirtualEthernetCard, networks []network) string {
	switch b := card.Backing.(type) {
	case *types.VirtualEthernetCardNetworkBackingInfo:
		return b.DeviceName
	case *types.VirtualEthernetCardDistributedVirtualPortBackingInfo:
		for _, net := range networks {
			if net.key != "" && net.key == b.Port.PortgroupKey {
				return net.name
			}
		}
		return b.Port.PortgroupKey
	case *types.VirtualEthernetCardOpaqueNetworkBackingInfo:
		return b.OpaqueNetworkId
	}
	return ""
}

func (n nicOf) apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	vm, err := n.settled(ctx, n.uuid, "config.hardware.device", "runtime.powerState", "runtime.host")
	if err != nil {
		return drivers.Value{}, err
	}
	op := "connect NIC " + n.slot + " of"
	nic, err := n.find(vm)
	if err != nil {
		return drivers.Value{}, err
	}
	networks, err := n.networks(ctx)
	if err != nil {
		return drivers.Value{}, err
	}
	found := nicValue(nic, networks)
	if sameNIC(found, c.Goal) {
		return found, nil
	}
	if err := expected(c, op, vm.Name, found, sameNIC); err != nil {
		return drivers.Value{}, err
	}
	var rest nicRest
	if len(c.Goal.Rest) > 0 {
		if err := json.Unmarshal(c.Goal.Rest, &rest); err != nil || rest.V != 1 {
			return drivers.Value{}, invalid(op, vm.Name, "the goal's rest is not of this driver's form")
		}
	}
	target, err := pickNetwork(networks, c.Goal.Text, rest.PortGroup)
	if err != nil {
		return drivers.Value{}, err
	}
	card := nic.GetVirtualEthernetCard()
	card.Backing = target.backing()
	connect(card, len(c.Goal.Rest) > 0, rest.StartConnected, vm.Runtime.PowerState)
	spec := types.VirtualMachineConfigSpec{DeviceChange: []types.BaseVirtualDeviceConfigSpec{
		&types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationEdit, Device: nic.(types.BaseVirtualDevice)},
	}}
	if err := n.reconfigure(ctx, vm.Self, spec, progress, "connecting "+n.slot+" to "+c.Goal.Text); err != nil {
		return drivers.Value{}, fail(op, vm.Name, err)
	}
	return n.observe(ctx)
}

// connect sets whether a NIC is connected: as the goal says, or as it was.
func connect(card *types.VirtualEthernetCard, say, startConnected bool, power types.VirtualMachinePowerState) {
	if card.Connectable == nil {
		card.Connectable = &types.VirtualDeviceConnectInfo{StartConnected: true, AllowGuestControl: true}
	}
	if say {
		card.Connectable.StartConnected = startConnected
	}
	card.Connectable.Connected = power == types.VirtualMachinePowerStatePoweredOn && card.Connectable.StartConnected
	card.Connectable.Status = ""
}

// sameNIC compares the network and, where both values carry one, the rest.
func sameNIC(a, b drivers.Value) bool {
	if a.Text != b.Text || len(a.Rest) == 0 || len(b.Rest) == 0 {
		return a.Text == b.Text
	}
	var x, y nicRest
	return json.Unmarshal(a.Rest, &x) == nil && json.Unmarshal(b.Rest, &y) == nil && x == y
}

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
		networks = append(networks, network{ref: n.Self, name: n.Name, standard: true, reachable: n.Host})
	}
	for _, g := range groups {
		n := network{ref: g.Self, name: g.Name, key: g.Key, reachable: g.Host, uplink: g.Config.Uplink != nil && *g.Config.Uplink}
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
		return network{}, notFound("find network", name, "check the port group's name", "the datacenter has no such network")
	case 1:
		return found[0], nil
	}
	return network{}, refuse("find network", name, "rename all but one of them", "%s", fmt.Sprintf("the datacenter has %d networks of this name", len(found)))
}
