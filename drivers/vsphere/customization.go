package vsphere

import (
	"context"
	"errors"
	"fmt"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// checkCustomization reads the specification that the configuration names, where it names
// one, and checks that many VMs can use it. Its errors name the attribute.
func (cl *client) checkCustomization(ctx context.Context) error {
	_, err := cl.customization(ctx)
	if e := (unfit{}); errors.As(err, &e) {
		return drivers.InvalidAttribute("customization", e.Error())
	}
	return err
}

// customize gives the clone of a template the customisation specification that the
// configuration names. A VM with user data gets none: there cloud-init sets name and
// network, and vCenter's own customisation would fight it.
func (cl *client) customize(ctx context.Context, spec *types.VirtualMachineCloneSpec, template *mo.VirtualMachine, want *drivers.VMSpec) error {
	if want.UserData != "" {
		return nil
	}
	found, err := cl.customization(ctx)
	if err == nil && found != nil {
		if have := nicCount(template); len(found.NicSettingMap) != have {
			err = unfit{cl.settings.customization, fmt.Sprintf("is for %d NICs, and template %s has %d", len(found.NicSettingMap), want.Template, have)}
		}
	}
	if e := (unfit{}); errors.As(err, &e) {
		return drivers.Refusef("make", "VM "+want.Name, "correct the specification in vCenter, or the cluster's attribute customization", "%w", err)
	}
	spec.Customization = found
	return err
}

// customization reads the specification anew: it is vCenter's, and may have changed. nil:
// none is configured.
func (cl *client) customization(ctx context.Context) (*types.CustomizationSpec, error) {
	name, manager := cl.settings.customization, cl.vim.ServiceContent.CustomizationSpecManager
	if name == "" {
		return nil, nil
	}
	if manager == nil {
		return nil, unfit{name, "cannot be used: this server keeps no customization specifications"}
	}
	response, err := methods.GetCustomizationSpec(ctx, cl.vim, &types.GetCustomizationSpec{This: *manager, Name: name})
	if _, missing := vimFault(err).(*types.NotFound); missing {
		return nil, unfit{name, "does not exist at vCenter, or the account may not see it"}
	}
	if err != nil {
		return nil, err
	}
	spec := response.Returnval.Spec
	for i, nic := range spec.NicSettingMap {
		switch ip := nic.Adapter.Ip.(type) {
		case *types.CustomizationFixedIp:
			return nil, unfit{name, fmt.Sprintf("gives NIC %d of every VM the address %s: use DHCP", i+1, ip.IpAddress)}
		case *types.CustomizationUnknownIpGenerator:
			return nil, unfit{name, fmt.Sprintf("asks a person for the address of NIC %d: use DHCP", i+1)}
		}
	}
	return &spec, nil
}

// unfit is a specification that cannot be used as it is.
type unfit struct{ name, why string }

func (e unfit) Error() string { return fmt.Sprintf("customization specification %q %s", e.name, e.why) }

func nicCount(vm *mo.VirtualMachine) int {
	n := 0
	for _, device := range devices(vm) {
		if _, ok := device.(types.BaseVirtualEthernetCard); ok {
			n++
		}
	}
	return n
}
