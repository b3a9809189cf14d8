package vsphere

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
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
	return nil, drivers.NotFoundf("find NIC "+n.slot+" of", vm.Name, "check that nobody removed the NIC", "the VM has no NIC in this slot")
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
	return drivers.Value{Text: networkOf(card, networks), Rest: restorepoint.Encode(rest)}
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
	if err := c.CheckExpected(op, vm.Name, found, sameNIC); err != nil {
		return drivers.Value{}, err
	}
	var rest nicRest
	if len(c.Goal.Rest) > 0 {
		if err := json.Unmarshal(c.Goal.Rest, &rest); err != nil || rest.V != 1 {
			return drivers.Value{}, drivers.Invalidf(op, vm.Name, "the goal's rest is not of this driver's form")
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
