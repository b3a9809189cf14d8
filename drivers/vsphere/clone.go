package vsphere

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// clone makes a VM from a template, with its identity, its owner's mark, its size and its
// networks, all in one call, so that nothing half made is left behind.
func (cl *client) clone(ctx context.Context, uuid string, c drivers.Change, progress func(drivers.Progress)) error {
	want := c.Goal.Spec.VM
	template, err := cl.findTemplate(ctx, want.Template)
	if err != nil {
		return err
	}
	host, err := cl.findHost(ctx, want.Host)
	if err != nil {
		return err
	}
	if !slices.Contains(host.Datastore, cl.places.volumes) {
		return drivers.Refusef("make", "VM "+want.Name, "choose another host", "host %s does not have datastore %s", want.Host, cl.settings.volumes)
	}
	nics, err := cl.cloneNICs(ctx, template, want)
	if err != nil {
		return err
	}
	folder, err := cl.folder(ctx)
	if err != nil {
		return err
	}
	taken, err := cl.findInFolder(ctx, want.Name)
	if err != nil {
		return err
	}
	if taken != nil {
		return drivers.Refusef("make", "VM "+want.Name, "rename or remove that VM", "a VM of this name is in the folder %s already", cl.settings.folder)
	}
	spec := cl.cloneSpec(uuid, c, template, host.Self, nics)
	if err := cl.customize(ctx, &spec, template, want); err != nil {
		return err
	}
	response, err := methods.CloneVM_Task(ctx, cl.vim, &types.CloneVM_Task{
		This: template.Self, Folder: folder, Name: listedName(want.Name), Spec: spec,
	})
	if err != nil {
		return err
	}
	cl.births.add(response.Returnval)
	defer cl.births.drop(response.Returnval)
	_, err = cl.await(ctx, response.Returnval, progress, "cloning "+want.Template)
	return err
}

// cloneSpec says how: linked to the template's snapshot where it has one, else a full copy.
func (cl *client) cloneSpec(uuid string, c drivers.Change, template *mo.VirtualMachine, host types.ManagedObjectReference, nics []types.BaseVirtualDeviceConfigSpec) types.VirtualMachineCloneSpec {
	want := c.Goal.Spec.VM
	config := &types.VirtualMachineConfigSpec{
		InstanceUuid: uuid,
		NumCPUs:      int32(want.CPUs),
		MemoryMB:     want.MemoryMiB,
		Annotation:   fmt.Sprintf("made by hotspare for %s of site %s", c.Owner.Holder, c.Owner.Site),
		ExtraConfig:  tags{owner: c.Owner, change: c.ID, template: want.Template}.options(),
		DeviceChange: nics,
	}
	if want.UserData != "" {
		config.ExtraConfig = append(config.ExtraConfig, guestInfo(uuid, want)...)
	}
	spec := types.VirtualMachineCloneSpec{
		Location: types.VirtualMachineRelocateSpec{Pool: &cl.places.pool, Host: &host, Datastore: &cl.places.volumes},
		Config:   config,
	}
	if template.Snapshot != nil && template.Snapshot.CurrentSnapshot != nil {
		spec.Snapshot = template.Snapshot.CurrentSnapshot
		spec.Location.DiskMoveType = string(types.VirtualMachineRelocateDiskMoveOptionsCreateNewChildDiskBacking)
	}
	return spec
}

// guestInfo gives a guest its user data where cloud-init's VMware datasource looks for it.
// The instance id makes a guest whose template has booted run its first boot again.
func guestInfo(uuid string, want *drivers.VMSpec) []types.BaseOptionValue {
	meta := restorepoint.Encode(map[string]string{"instance-id": uuid, "local-hostname": hostName(want.Name)})
	var options []types.BaseOptionValue
	for key, text := range map[string][]byte{"guestinfo.userdata": []byte(want.UserData), "guestinfo.metadata": meta} {
		options = append(options,
			&types.OptionValue{Key: key, Value: base64.StdEncoding.EncodeToString(text)},
			&types.OptionValue{Key: key + ".encoding", Value: "base64"},
		)
	}
	return options
}

// hostName makes a host's name of a VM's: letters, digits and dashes, 63 at most.
func hostName(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, name)
	if len(plain) > 63 {
		plain = plain[:63]
	}
	if plain = strings.Trim(plain, "-"); plain == "" {
		return "workspace"
	}
	return plain
}

// cloneNICs puts each NIC of the clone on its network, with an address of its own. A slot
// that the spec does not name is not connected.
func (cl *client) cloneNICs(ctx context.Context, template *mo.VirtualMachine, want *drivers.VMSpec) ([]types.BaseVirtualDeviceConfigSpec, error) {
	networks, err := cl.networks(ctx)
	if err != nil {
		return nil, err
	}
	var specs []types.BaseVirtualDeviceConfigSpec
	done := map[string]bool{}
	for _, device := range devices(template) {
		nic, ok := device.(types.BaseVirtualEthernetCard)
		if !ok {
			continue
		}
		card, slot := nic.GetVirtualEthernetCard(), nicSlot(nic)
		name, named := want.Networks[slot]
		if named {
			net, err := pickNetwork(networks, name, "")
			if err != nil {
				return nil, err
			}
			card.Backing = net.backing()
		} else if b, ok := card.Backing.(*types.VirtualEthernetCardDistributedVirtualPortBackingInfo); ok {
			b.Port.PortKey, b.Port.ConnectionCookie = "", 0 // the template's own port
		}
		connect(card, true, named, types.VirtualMachinePowerStatePoweredOff)
		card.MacAddress, card.AddressType = "", string(types.VirtualEthernetCardMacTypeAssigned)
		done[slot] = true
		specs = append(specs, &types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationEdit, Device: device})
	}
	for slot := range want.Networks {
		if !done[slot] {
			return nil, drivers.Invalidf("make", "VM "+want.Name, "the template %s has no NIC %s", want.Template, slot)
		}
	}
	return specs, nil
}
