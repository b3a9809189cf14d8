package libvirt

import (
	"context"
	"strings"

	"libvirt.org/go/libvirt"

	"github.com/hotspare/hotspare/drivers"
)

// hostOf is the host that one VM is defined on.
type hostOf struct {
	*cluster
	uuid string
}

func (h hostOf) observe(ctx context.Context) (drivers.Value, error) {
	m, err := h.machine(ctx, h.uuid)
	if err != nil {
		return drivers.Value{}, err
	}
	return drivers.Value{Text: m.host.name}, nil
}

func (h hostOf) apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	all, silent, err := h.findAll(ctx, h.uuid)
	if err != nil {
		return drivers.Value{}, err
	}
	m, err := h.pick(h.uuid, all, silent)
	if err != nil {
		return drivers.Value{}, err
	}
	if m == nil {
		return drivers.Value{}, drivers.NotFoundf("find", "VM "+h.uuid, "check that it was not removed at the site", "no host has a domain with this UUID")
	}
	found := drivers.Value{Text: m.host.name}
	if !drivers.SameText(found, c.Goal) {
		if err := c.CheckExpected("move", m.name, found, drivers.SameText); err != nil {
			return drivers.Value{}, err
		}
	}
	to := h.host(c.Goal.Text)
	if to == nil {
		return drivers.Value{}, drivers.NotFoundf("move", m.name, "choose a host of the configuration", "there is no host %q", c.Goal.Text)
	}
	// What a move that was cut off has left beside the definition that counts.
	for _, half := range all {
		if half != m && half.host != to {
			if err := undefine(ctx, half); err != nil {
				return drivers.Value{}, fail("move", m.name, err)
			}
		}
	}
	if m.host != to {
		if err := h.move(ctx, m, to, c, progress); err != nil {
			return drivers.Value{}, fail("move", m.name, err)
		}
	}
	if err := h.settle(ctx, to); err != nil {
		return drivers.Value{}, fail("move", m.name, err)
	}
	return h.observe(ctx)
}

// move defines the VM on its new host, marked as moving, and then undefines it on the old
// one: cut off at any point, it is defined somewhere.
func (h hostOf) move(ctx context.Context, m *machine, to *host, c drivers.Change, progress func(drivers.Progress)) error {
	if err := swappable("move", m); err != nil {
		return err
	}
	if err := h.movable(ctx, m, to); err != nil {
		return err
	}
	progress(drivers.Progress{Message: "defining it on " + to.name})
	moving := m.mark
	moving.Moving = c.ID
	if err := define(ctx, to, apply(m.xml, moving.set(m.xml, m.tree))); err != nil {
		return err
	}
	if m.autostart {
		there := &machine{host: to, uuid: m.uuid, name: m.name}
		if err := onDomain(ctx, there, func(dom *libvirt.Domain) error { return dom.SetAutostart(true) }); err != nil {
			return err
		}
	}
	progress(drivers.Progress{Message: "undefining it on " + m.host.name})
	return undefine(ctx, m)
}

// settle takes the mark of a move off.
func (h hostOf) settle(ctx context.Context, to *host) error {
	m, err := lookUp(ctx, to, h.uuid)
	if err != nil || m == nil || m.mark.Moving == "" {
		return err
	}
	plain := m.mark
	plain.Moving = ""
	return define(ctx, to, apply(m.xml, plain.set(m.xml, m.tree)))
}

// undefine takes a definition off a host, and nothing else. Of a VM that has snapshots or a
// saved image libvirt refuses it.
func undefine(ctx context.Context, m *machine) error {
	err := onDomain(ctx, m, func(dom *libvirt.Domain) error { return dom.UndefineFlags(libvirt.DOMAIN_UNDEFINE_KEEP_NVRAM) })
	if isAbsent(err) {
		return nil
	}
	return err
}

// movable refuses a host that lacks what the VM needs: its networks, and the folders of its
// files.
func (h hostOf) movable(ctx context.Context, m *machine, to *host) error {
	for _, nic := range m.tree.all("devices", "interface") {
		if kind := nic.attr("type"); kind != "bridge" && kind != "network" {
			continue
		}
		if err := h.mustHave(ctx, "move", m.name, to, networkOf(nic)); err != nil {
			return err
		}
	}
	for _, tpm := range m.tree.all("devices", "tpm") {
		if tpm.kid("backend").attr("type") == "emulator" {
			return drivers.Refusef("move", m.name, "leave it on its host", "its TPM's state lies on host %s", m.host.name)
		}
	}
	var files []string
	if nvram := m.tree.kid("os", "nvram"); nvram != nil {
		files = append(files, nvram.text)
	}
	for _, disk := range m.tree.all("devices", "disk") {
		switch disk.attr("type") {
		case "file":
			files = append(files, endpointOf(disk))
		case "block":
			return drivers.Refusef("move", m.name, "leave it on its host", "its disk %s is a block device of host %s", endpointOf(disk), m.host.name)
		case "volume":
			if err := h.reachable(ctx, "move", m.name, to, disk); err != nil {
				return err
			}
		}
	}
	folders, err := poolFolders(ctx, to)
	if err != nil {
		return err
	}
	for _, file := range files {
		if file != "" && !within(file, folders) {
			return drivers.Refusef("move", m.name, "share the folder with a storage pool on both hosts, or leave the VM on its host",
				"no active pool of host %s holds its file %s", to.name, file)
		}
	}
	return nil
}

func within(file string, folders map[string]string) bool {
	for _, folder := range folders {
		if strings.HasPrefix(file, folder+"/") {
			return true
		}
	}
	return false
}
