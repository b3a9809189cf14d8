package libvirt

import (
	"context"
	"errors"
	"slices"
	"strings"

	"libvirt.org/go/libvirt"

	"github.com/hotspare/hotspare/drivers"
)

// nicOf is one NIC of one VM. A slot is the MAC address, in small letters.
type nicOf struct {
	*cluster
	uuid string
	slot string
}

func nicSlot(nic *node) string { return strings.ToLower(nic.kid("mac").attr("address")) }

// findNIC gives the NIC in a slot; nil where the domain has none.
func findNIC(domain *node, slot string) *node {
	for _, n := range domain.all("devices", "interface") {
		if nicSlot(n) == strings.ToLower(slot) {
			return n
		}
	}
	return nil
}

func (n nicOf) observe(ctx context.Context) (drivers.Value, error) {
	m, err := n.machine(ctx, n.uuid)
	if err != nil {
		return drivers.Value{}, err
	}
	nic, err := n.find(m)
	if err != nil {
		return drivers.Value{}, err
	}
	return n.value(m, nic), nil
}

func (n nicOf) find(m *machine) (*node, error) {
	if nic := findNIC(m.tree, n.slot); nic != nil {
		if same := slices.DeleteFunc(m.tree.all("devices", "interface"), func(o *node) bool { return nicSlot(o) != nicSlot(nic) }); len(same) > 1 {
			return nil, drivers.Refusef("find NIC "+n.slot+" of", m.name, "give each NIC a MAC address of its own", "%d NICs have this MAC address", len(same))
		}
		return nic, nil
	}
	return nil, drivers.NotFoundf("find NIC "+n.slot+" of", m.name, "check that nobody removed the NIC", "the VM has no NIC with this MAC address")
}

// value is what the definition says, but for a NIC that is on another network where it
// runs: then that network, and no rest.
func (n nicOf) value(m *machine, nic *node) drivers.Value {
	if m.live != nil {
		if live := findNIC(m.live, n.slot); live != nil && networkOf(live) != networkOf(nic) {
			return drivers.Value{Text: networkOf(live)}
		}
	}
	return deviceValue(networkOf(nic), m.xml, nic)
}

func (n nicOf) apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	m, err := n.machine(ctx, n.uuid)
	if err != nil {
		return drivers.Value{}, err
	}
	op := "connect NIC " + n.slot + " of"
	nic, err := n.find(m)
	if err != nil {
		return drivers.Value{}, err
	}
	found := n.value(m, nic)
	if sameDevice(found, c.Goal) && len(found.Rest) > 0 {
		return found, nil
	}
	if err := c.CheckExpected(op, m.name, found, sameDevice); err != nil {
		return drivers.Value{}, err
	}
	if m.saved {
		return drivers.Value{}, drivers.Refusef(op, m.name, "power it on first", "it has a managed-save image, which would bring the old network back")
	}
	with, err := n.element(m, nic, c.Goal)
	if err != nil {
		return drivers.Value{}, drivers.Invalidf(op, m.name, "%w", err)
	}
	if err := n.mustHave(ctx, op, m.name, m.host, c.Goal.Text); err != nil {
		return drivers.Value{}, err
	}
	progress(drivers.Progress{Message: "connecting " + n.slot + " to " + c.Goal.Text})
	if m.running() {
		err = onDomain(ctx, m, func(dom *libvirt.Domain) error {
			return dom.UpdateDeviceFlags(with, libvirt.DOMAIN_DEVICE_MODIFY_LIVE|libvirt.DOMAIN_DEVICE_MODIFY_CONFIG)
		})
	} else {
		err = define(ctx, m.host, apply(m.xml, edit{nic.start, nic.end, with}))
	}
	if err != nil {
		return drivers.Value{}, fail(op, m.name, err)
	}
	value, err := n.observe(ctx)
	if err == nil && value.Text != c.Goal.Text {
		err = drivers.Unavailablef(op, m.name, "", "libvirt reported success, but the NIC is on %s", value.Text)
	}
	return value, err
}

// element gives the new <interface>: what the goal carries, or the NIC with another source.
// MAC address, model, address and link state stay.
func (n nicOf) element(m *machine, nic *node, goal drivers.Value) (string, error) {
	kept, carried, err := restElement(goal, networkOf)
	if err != nil {
		return "", err
	}
	if carried != nil {
		if carried.name != "interface" || nicSlot(carried) != strings.ToLower(n.slot) {
			return "", errors.New("the goal's rest is of another NIC")
		}
		return kept, nil
	}
	return onNetwork(m.xml[nic.start:nic.end], goal.Text)
}

// onNetwork gives an interface's text with another network. What belongs to the old one, as
// its VLAN or its port, is left out.
func onNetwork(text, network string) (string, error) {
	nic, err := parseTree(text)
	if err != nil {
		return "", err
	}
	kind, source := sourceOfNetwork(network)
	edits := []edit{nic.setAttrs(text, map[string]string{"type": kind})}
	if old := nic.kid("source"); old != nil {
		edits = append(edits, edit{old.start, old.end, source})
	} else {
		edits[0].with += source
	}
	for _, name := range []string{"virtualport", "vlan", "target", "portForward"} {
		if old := nic.kid(name); old != nil {
			edits = append(edits, drop(old))
		}
	}
	return apply(text, edits...), nil
}
