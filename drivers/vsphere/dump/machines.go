package dump

import (
	"fmt"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

func (d *dumper) machines() error {
	var machines []mo.VirtualMachine
	paths := []string{"name", "parent", "resourcePool", "config", "runtime.host", "runtime.powerState", "snapshot"}
	if err := d.below("VirtualMachine", paths, &machines); err != nil {
		return err
	}
	for _, vm := range machines {
		d.machine(vm)
	}
	return nil
}

func (d *dumper) machine(vm mo.VirtualMachine) {
	who := fmt.Sprintf("vm %s", vm.Name)
	d.line("%s power %s host %s folder %s", who, vm.Runtime.PowerState, d.nameOf(vm.Runtime.Host), d.nameOf(vm.Parent))
	d.line("%s pool %s", who, d.nameOf(vm.ResourcePool))
	if vm.Snapshot != nil {
		for _, s := range vm.Snapshot.RootSnapshotList {
			d.line("%s snapshot %s", who, s.Name)
		}
	}
	if vm.Config == nil {
		d.line("%s without configuration", who)
		return
	}
	c := vm.Config
	d.line("%s instance %s cpus %d memory %d template %t annotation %q", who, c.InstanceUuid, c.Hardware.NumCPU, c.Hardware.MemoryMB, c.Template, c.Annotation)
	d.line("%s file %s", who, c.Files.VmPathName)
	for _, option := range c.ExtraConfig {
		o := option.GetOptionValue()
		d.line("%s option %s = %v", who, o.Key, o.Value)
	}
	list := object.VirtualDeviceList(c.Hardware.Device)
	d.line("%s boots from %q", who, bootOrder(list, c.BootOptions))
	for _, device := range list {
		switch device := device.(type) {
		case *types.VirtualDisk:
			d.line("%s disk %s %s", who, place(list, device), backing(device.Backing))
		case types.BaseVirtualEthernetCard:
			d.line("%s nic %s", who, d.nic(device))
		case types.BaseVirtualController:
			d.line("%s controller %s%d", who, list.TypeName(device.(types.BaseVirtualDevice)), device.GetVirtualController().BusNumber)
		}
	}
}

// bootOrder gives the places that a VM boots from, the first one first.
func bootOrder(list object.VirtualDeviceList, boot *types.VirtualMachineBootOptions) string {
	if boot == nil {
		return ""
	}
	var order []string
	for _, device := range boot.BootOrder {
		switch device := device.(type) {
		case *types.VirtualMachineBootOptionsBootableDiskDevice:
			if disk, ok := list.FindByKey(device.DeviceKey).(*types.VirtualDisk); ok {
				order = append(order, place(list, disk))
			} else {
				order = append(order, "a disk that is not there")
			}
		case *types.VirtualMachineBootOptionsBootableEthernetDevice:
			order = append(order, fmt.Sprintf("nic slot %d", device.DeviceKey-4000))
		default:
			order = append(order, fmt.Sprintf("%T", device))
		}
	}
	return strings.Join(order, ", ")
}

func (d *dumper) nameOf(ref *types.ManagedObjectReference) string {
	if ref == nil {
		return "-"
	}
	if name := d.names[*ref]; name != "" {
		return name
	}
	return ref.Value
}

// place names a disk's controller, its bus and its unit.
func place(list object.VirtualDeviceList, disk *types.VirtualDisk) string {
	unit := int32(-1)
	if disk.UnitNumber != nil {
		unit = *disk.UnitNumber
	}
	controller := list.FindByKey(disk.ControllerKey)
	if c, ok := controller.(types.BaseVirtualController); ok {
		return fmt.Sprintf("%s%d:%d", list.TypeName(controller), c.GetVirtualController().BusNumber, unit)
	}
	return fmt.Sprintf("?:%d", unit)
}

// backing gives a disk's mode and its files, its own first and then its parents'.
func backing(b types.BaseVirtualDeviceBackingInfo) string {
	flat, ok := b.(*types.VirtualDiskFlatVer2BackingInfo)
	if !ok {
		if file, ok := b.(types.BaseVirtualDeviceFileBackingInfo); ok {
			return fmt.Sprintf("%T %s", b, file.GetVirtualDeviceFileBackingInfo().FileName)
		}
		return fmt.Sprintf("%T", b)
	}
	var chain []string
	for at := flat; at != nil; at = at.Parent {
		chain = append(chain, at.FileName)
	}
	sharing := flat.Sharing
	if sharing == "" {
		sharing = string(types.VirtualDiskSharingSharingNone)
	}
	return fmt.Sprintf("mode %s sharing %s files %s", flat.DiskMode, sharing, strings.Join(chain, " <- "))
}

func (d *dumper) nic(device types.BaseVirtualEthernetCard) string {
	card := device.GetVirtualEthernetCard()
	network := fmt.Sprintf("%T", card.Backing)
	switch b := card.Backing.(type) {
	case *types.VirtualEthernetCardNetworkBackingInfo:
		network = b.DeviceName
	case *types.VirtualEthernetCardDistributedVirtualPortBackingInfo:
		network = fmt.Sprintf("%s (key %s)", d.keys[b.Port.PortgroupKey], b.Port.PortgroupKey)
	}
	connected, atStart := false, false
	if card.Connectable != nil {
		connected, atStart = card.Connectable.Connected, card.Connectable.StartConnected
	}
	return fmt.Sprintf("%s slot %d mac %s network %s connected %t at start %t",
		object.VirtualDeviceList{}.TypeName(device.(types.BaseVirtualDevice)), card.Key-4000, card.MacAddress, network, connected, atStart)
}
