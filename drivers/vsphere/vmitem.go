package vsphere

import (
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// told are the VMs that an inventory has listed, by instance UUID.
type told map[string]*mo.VirtualMachine

// before reports whether the same VM was listed already. Two VMs with one instance UUID are
// an error: whoever reads the inventory would take them for one.
func (t told) before(vm *mo.VirtualMachine) (bool, error) {
	id := strings.ToLower(vm.Summary.Config.InstanceUuid)
	other := t[id]
	if other != nil && other.Self != vm.Self {
		return false, oneUUID(id, []mo.VirtualMachine{*other, *vm})
	}
	t[id] = vm
	return other != nil, nil
}

// inventoryVM reads one VM's properties, and its owner's tag, which has a path that no
// managed object has a field for.
func inventoryVM(c types.ObjectContent) (*mo.VirtualMachine, drivers.Owner, error) {
	var owner drivers.Owner
	fields := types.ObjectContent{Obj: c.Obj}
	for _, p := range c.PropSet {
		if p.Name != ownerPath {
			fields.PropSet = append(fields.PropSet, p)
			continue
		}
		switch option := p.Val.(type) {
		case types.OptionValue:
			text, _ := option.Value.(string)
			owner = readOwner(text)
		case *types.OptionValue:
			text, _ := option.Value.(string)
			owner = readOwner(text)
		}
	}
	var vm mo.VirtualMachine
	err := mo.LoadObjectContent([]types.ObjectContent{fields}, &vm)
	return &vm, owner, err
}

func vmItem(vm *mo.VirtualMachine, owner drivers.Owner, host string, networks []network) *drivers.VMItem {
	config := vm.Summary.Config
	v := &drivers.VMItem{
		ID: strings.ToLower(config.InstanceUuid), Name: plainName(vm.Name), Host: host, Power: powerText(vm.Runtime.PowerState),
		CPUs: int(config.NumCpu), MemoryMiB: int64(config.MemorySizeMB),
		Disks: map[string]string{}, NICs: map[string]string{},
		Template: config.Template, Snapshots: snapshotCount(vm.Snapshot), Owner: owner,
	}
	if v.Power == drivers.On {
		v.Addresses = addresses(vm.Guest)
	}
	list := devices(vm)
	for _, device := range list {
		switch device := device.(type) {
		case *types.VirtualDisk:
			if b, slot := readBacking(device.Backing), slotOf(list, device); b != nil && slot != "" {
				v.Disks[slot] = b.file
			}
		case types.BaseVirtualEthernetCard:
			v.NICs[nicSlot(device)] = networkOf(device.GetVirtualEthernetCard(), networks)
		}
	}
	return v
}

// addresses gives what a guest says of its own addresses, the first one first. A guest
// without VMware Tools says nothing.
func addresses(guest *types.GuestInfo) []string {
	if guest == nil {
		return nil
	}
	var list []string
	add := func(address string) {
		if address != "" && !slices.Contains(list, address) {
			list = append(list, address)
		}
	}
	add(guest.IpAddress)
	for _, nic := range guest.Net {
		for _, address := range nic.IpAddress {
			add(address)
		}
	}
	return list
}
