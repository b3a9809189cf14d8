package libvirt

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"libvirt.org/go/libvirt"
	"libvirt.org/go/libvirtxml"

	"github.com/hotspare/hotspare/drivers"
)

// The files that are made for a VM.
const (
	seedName   = "seed.iso"
	diskPrefix = "disk-"
)

// clone makes a VM from a template: overlays of its disks, a seed, and last the definition,
// which is what makes it present.
func (p presenceOf) clone(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) error {
	want := c.Goal.Spec.VM
	to := p.host(want.Host)
	if to == nil {
		return drivers.NotFoundf("make", "VM "+want.Name, "choose a host of the configuration", "there is no host %q", want.Host)
	}
	template, err := p.template(ctx, want.Template)
	if err != nil {
		return err
	}
	if err := p.nameFree(ctx, want.Name); err != nil {
		return err
	}
	d, backing, err := p.definition(ctx, template, c)
	if err != nil {
		return err
	}
	for _, nic := range d.Devices.Interfaces {
		if network := networkOfInterface(nic); network != "" {
			if err := p.mustHave(ctx, "make", "VM "+want.Name, to, network); err != nil {
				return err
			}
		}
	}
	progress(drivers.Progress{Message: "making overlays of " + want.Template})
	for _, b := range backing {
		if err := deleteFile(b.overlay); err != nil { // of a making that was cut off
			return err
		}
		if err := makeOverlay(ctx, b.overlay, b.file, b.format); err != nil {
			return errors.Join(err, p.unmade(ctx, err))
		}
	}
	seed := isoImage("cidata", seedFiles(p.uuid, want), "meta-data", "user-data")
	if err := writeFile(filepath.Join(p.files(), seedName), seed); err != nil {
		return errors.Join(err, p.unmade(ctx, err))
	}
	text, err := d.Marshal()
	if err != nil {
		return err
	}
	progress(drivers.Progress{Message: "defining it on " + to.name})
	if err := define(ctx, to, text); err != nil {
		err = fail("define", "VM "+want.Name, err)
		return errors.Join(err, p.unmade(ctx, err))
	}
	return nil
}

// unmade deletes the files of a VM that cannot be made, unless it may be tried again.
func (p presenceOf) unmade(ctx context.Context, why error) error {
	switch drivers.KindOf(fail("make", "VM "+p.uuid, why)) {
	case drivers.Refused, drivers.NotFound, drivers.Invalid:
		return p.deleteFiles(context.WithoutCancel(ctx))
	}
	return nil
}

// template gives the domain of that name that is marked as a template.
func (p presenceOf) template(ctx context.Context, name string) (*machine, error) {
	found, err := p.named(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, m := range found {
		if !m.mark.Template {
			continue
		}
		if m.running() || m.saved {
			return nil, drivers.Refusef("make a VM of", "template "+name, "power it off", "the template is %s", m.power())
		}
		return m, nil
	}
	if len(found) > 0 {
		return nil, drivers.Refusef("make a VM of", "template "+name, `mark it: <hotspare:vm xmlns:hotspare="`+markSpace+`" template="true"/> in its metadata`, "that VM is not marked as a template")
	}
	return nil, drivers.NotFoundf("make a VM of", "template "+name, "choose a template of the site", "no host that answers has a domain of this name")
}

// named gives the domains of a name on all hosts that answer.
func (cl *cluster) named(ctx context.Context, name string) ([]*machine, error) {
	answers := onAll(ctx, cl.hosts, func(ctx context.Context, h *host) (*machine, error) {
		m, err := read(ctx, h, func(conn *libvirt.Connect) (*machine, error) {
			dom, err := conn.LookupDomainByName(name)
			if err != nil {
				return nil, err
			}
			defer dom.Free()
			return readMachine(h, dom)
		})
		var gone *goneError
		if isAbsent(err) || errors.As(err, &gone) {
			return nil, nil
		}
		return m, err
	})
	var found []*machine
	for _, a := range answers {
		if a.err != nil {
			return nil, a.err
		}
		if a.value != nil {
			found = append(found, a.value)
		}
	}
	return found, nil
}

// nameFree refuses a name that another domain has, on whichever host.
func (p presenceOf) nameFree(ctx context.Context, name string) error {
	found, err := p.named(ctx, name)
	if err != nil {
		return err
	}
	for _, m := range found {
		if m.uuid != strings.ToLower(p.uuid) {
			return drivers.Refusef("make", "VM "+name, "rename or remove that VM", "host %s has another VM of this name already", m.host.name)
		}
	}
	return nil
}

// overlaid is a file of a template, and the overlay that the clone has of it.
type overlaid struct{ file, format, overlay string }

// definition makes the clone's definition of the template's, and says which overlays it
// needs.
func (p presenceOf) definition(ctx context.Context, template *machine, c drivers.Change) (*libvirtxml.Domain, []overlaid, error) {
	want := c.Goal.Spec.VM
	var d libvirtxml.Domain
	if err := d.Unmarshal(template.xml); err != nil {
		return nil, nil, err
	}
	d.Name, d.UUID, d.Title, d.Description, d.GenID = want.Name, strings.ToLower(p.uuid), "", "", nil
	d.Metadata = &libvirtxml.DomainMetadata{XML: mark{Owner: c.Owner, Change: c.ID, From: want.Template}.String()}
	if d.Devices == nil {
		d.Devices = &libvirtxml.DomainDeviceList{}
	}
	if want.MemoryMiB > 0 {
		d.Memory = &libvirtxml.DomainMemory{Value: uint(want.MemoryMiB), Unit: "MiB"}
		d.CurrentMemory = &libvirtxml.DomainCurrentMemory{Value: uint(want.MemoryMiB), Unit: "MiB"}
	}
	if want.CPUs > 0 {
		d.VCPU, d.VCPUs = &libvirtxml.DomainVCPU{Value: uint(want.CPUs)}, nil
		if d.CPU != nil {
			d.CPU.Topology, d.CPU.Numa = nil, nil
		}
	}
	if d.OS != nil && d.OS.NVRam != nil {
		d.OS.NVRam.NVRam, d.OS.NVRam.Source = "", nil // the host makes one of the firmware's template
	}
	d.SysInfo = nil // it would tell the template's serial numbers
	if d.OS != nil {
		d.OS.SMBios = nil
	}
	backing, err := p.overlays(ctx, template, &d)
	if err != nil {
		return nil, nil, err
	}
	if err := p.cloneNICs(&d, template, want); err != nil {
		return nil, nil, err
	}
	p.addSeed(&d)
	return &d, backing, nil
}

// overlays puts overlays in the place of the template's disks, and empties its drives.
func (p presenceOf) overlays(ctx context.Context, template *machine, d *libvirtxml.Domain) ([]overlaid, error) {
	var list []overlaid
	for i := range d.Devices.Disks {
		disk := &d.Devices.Disks[i]
		disk.BackingStore, disk.Mirror = nil, nil
		if disk.Device == "cdrom" || disk.Device == "floppy" {
			disk.Source = nil
			continue
		}
		slot := ""
		if disk.Target != nil {
			slot = disk.Target.Dev
		}
		n := findDisk(template.tree, slot)
		if n == nil {
			return nil, fmt.Errorf("the template's disk %q is not read", slot)
		}
		file := p.fileOf(ctx, template.host, n)
		if !strings.HasPrefix(file, "/") || n.attr("type") == "block" {
			return nil, drivers.Refusef("make a VM of", "template "+template.name, "give the template disks that are files", "its disk %s is %s, which is no file", slot, endpointOf(n))
		}
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			return nil, drivers.NotFoundf("make a VM of", "template "+template.name, "check the template", "its file %s is not there", file)
		}
		format := n.kid("driver").attr("type")
		if format == "" {
			format = "raw" // what libvirt takes it for
		}
		o := overlaid{file, format, filepath.Join(p.files(), diskPrefix+slot+".qcow2")}
		list = append(list, o)
		disk.ReadOnly = nil
		disk.Source = &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: o.overlay}}
		if disk.Driver == nil {
			disk.Driver = &libvirtxml.DomainDiskDriver{Name: "qemu"}
		}
		disk.Driver.Type = "qcow2"
	}
	return list, nil
}

// cloneNICs gives each NIC an address of its own, and its network. A slot that the spec
// does not name keeps the template's network, with its link down.
func (p presenceOf) cloneNICs(d *libvirtxml.Domain, template *machine, want *drivers.VMSpec) error {
	done := map[string]bool{}
	for i := range d.Devices.Interfaces {
		nic := &d.Devices.Interfaces[i]
		slot := ""
		if nic.MAC != nil {
			slot = strings.ToLower(nic.MAC.Address)
		}
		network, named := want.Networks[slot]
		state := "down"
		if named {
			state = "up"
			nic.VirtualPort, nic.VLan = nil, nil
			nic.Source = interfaceSource(network)
		}
		nic.Link = &libvirtxml.DomainInterfaceLink{State: state}
		nic.MAC = &libvirtxml.DomainInterfaceMAC{Address: macOf(p.uuid, i)}
		nic.Target = nil
		done[slot] = true
	}
	for slot := range want.Networks {
		if !done[slot] {
			return drivers.Invalidf("make", "VM "+want.Name, "the template %s has no NIC %s", template.name, slot)
		}
	}
	return nil
}

func interfaceSource(network string) *libvirtxml.DomainInterfaceSource {
	if bridge, ok := strings.CutPrefix(network, bridgePrefix); ok {
		return &libvirtxml.DomainInterfaceSource{Bridge: &libvirtxml.DomainInterfaceSourceBridge{Bridge: bridge}}
	}
	name, group, _ := strings.Cut(network, "/")
	return &libvirtxml.DomainInterfaceSource{Network: &libvirtxml.DomainInterfaceSourceNetwork{Network: name, PortGroup: group}}
}

// networkOfInterface is networkOf for an interface that libvirtxml has read; empty for one
// that is on neither a bridge nor a network.
func networkOfInterface(nic libvirtxml.DomainInterface) string {
	switch {
	case nic.Source == nil:
		return ""
	case nic.Source.Bridge != nil:
		return bridgePrefix + nic.Source.Bridge.Bridge
	case nic.Source.Network != nil && nic.Source.Network.PortGroup != "":
		return nic.Source.Network.Network + "/" + nic.Source.Network.PortGroup
	case nic.Source.Network != nil:
		return nic.Source.Network.Network
	}
	return ""
}

// macOf gives a NIC's address: the same each time the VM is made.
func macOf(uuid string, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", strings.ToLower(uuid), n))
	return fmt.Sprintf("52:54:00:%02x:%02x:%02x", sum[0], sum[1], sum[2])
}

// addSeed puts the seed into a drive of its own, on a bus that the machine has.
func (p presenceOf) addSeed(d *libvirtxml.Domain) {
	bus, prefix := "sata", "sd"
	if d.OS != nil && d.OS.Type != nil {
		if m := d.OS.Type.Machine; m == "pc" || strings.HasPrefix(m, "pc-i440fx") {
			bus, prefix = "ide", "hd"
		}
	}
	taken := func(dev string) bool {
		return slices.ContainsFunc(d.Devices.Disks, func(disk libvirtxml.DomainDisk) bool { return disk.Target != nil && disk.Target.Dev == dev })
	}
	dev := prefix + "a"
	for letter := 'a'; letter <= 'z' && taken(dev); letter++ {
		dev = prefix + string(letter)
	}
	d.Devices.Disks = append(d.Devices.Disks, libvirtxml.DomainDisk{
		Device: "cdrom", ReadOnly: &libvirtxml.DomainDiskReadOnly{},
		Driver: &libvirtxml.DomainDiskDriver{Name: "qemu", Type: "raw"},
		Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: filepath.Join(p.files(), seedName)}},
		Target: &libvirtxml.DomainDiskTarget{Dev: dev, Bus: bus},
	})
}
