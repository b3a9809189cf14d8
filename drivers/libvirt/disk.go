package libvirt

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// diskOf is the disk in one slot of one VM. A slot is the target's name: vda.
type diskOf struct {
	*cluster
	uuid string
	slot string
}

// deviceRest is what a disk or NIC has beside its text: the whole element, as libvirt
// writes it into the domain's definition, without indentation.
type deviceRest struct {
	V   int    `json:"v"`
	XML string `json:"xml"`
}

// disks gives a domain's disks: no CD drives, no floppies.
func disks(domain *node) []*node {
	return slices.DeleteFunc(domain.all("devices", "disk"), func(n *node) bool {
		device := n.attr("device")
		return device != "" && device != "disk" && device != "lun"
	})
}

// findDisk gives the disk in a slot; nil where the domain has none.
func findDisk(domain *node, slot string) *node {
	for _, n := range disks(domain) {
		if n.kid("target").attr("dev") == slot {
			return n
		}
	}
	return nil
}

func deviceValue(text, xml string, device *node) drivers.Value {
	return drivers.Value{Text: text, Rest: restorepoint.Encode(deviceRest{1, squeeze(xml[device.start:device.end])})}
}

// sameDevice compares the text and, where both values carry one, the rest.
func sameDevice(a, b drivers.Value) bool {
	if a.Text != b.Text || len(a.Rest) == 0 || len(b.Rest) == 0 {
		return a.Text == b.Text
	}
	var x, y deviceRest
	return json.Unmarshal(a.Rest, &x) == nil && json.Unmarshal(b.Rest, &y) == nil && x == y
}

// restElement gives the element that a goal's rest carries, if it does and has the goal's
// text.
func restElement(goal drivers.Value, textOf func(*node) string) (xml string, n *node, err error) {
	if len(goal.Rest) == 0 {
		return "", nil, nil
	}
	var rest deviceRest
	if err := json.Unmarshal(goal.Rest, &rest); err != nil || rest.V != 1 {
		return "", nil, errors.New("the goal's rest is not of this driver's form")
	}
	if n, err = parseTree(rest.XML); err != nil {
		return "", nil, err
	}
	if textOf(n) != goal.Text {
		return "", nil, errors.New("the goal's rest is of another text than the goal")
	}
	return rest.XML, n, nil
}

func (d diskOf) observe(ctx context.Context) (drivers.Value, error) {
	m, err := d.machine(ctx, d.uuid)
	if err != nil {
		return drivers.Value{}, err
	}
	disk, err := d.find(m)
	if err != nil {
		return drivers.Value{}, err
	}
	return deviceValue(endpointOf(disk), m.xml, disk), nil
}

func (d diskOf) find(m *machine) (*node, error) {
	if disk := findDisk(m.tree, d.slot); disk != nil {
		return disk, nil
	}
	return nil, drivers.NotFoundf("find disk "+d.slot+" of", m.name, "check that nobody removed the disk", "the VM has no disk in this slot")
}

func (d diskOf) apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	m, err := d.machine(ctx, d.uuid)
	if err != nil {
		return drivers.Value{}, err
	}
	op := "swap disk " + d.slot + " of"
	disk, err := d.find(m)
	if err != nil {
		return drivers.Value{}, err
	}
	found := deviceValue(endpointOf(disk), m.xml, disk)
	if sameDevice(found, c.Goal) {
		return found, nil
	}
	if err := c.CheckExpected(op, m.name, found, sameDevice); err != nil {
		return drivers.Value{}, err
	}
	if err := swappable(op, m); err != nil {
		return drivers.Value{}, err
	}
	with, err := d.element(m, disk, c.Goal)
	if err != nil {
		return drivers.Value{}, drivers.Invalidf(op, m.name, "%w", err)
	}
	if err := d.usable(ctx, op, m, with); err != nil {
		return drivers.Value{}, err
	}
	progress(drivers.Progress{Message: "swapping disk " + d.slot})
	if err := define(ctx, m.host, apply(m.xml, edit{disk.start, disk.end, with})); err != nil {
		return drivers.Value{}, fail(op, m.name, err)
	}
	value, err := d.observe(ctx)
	if err == nil && value.Text != c.Goal.Text {
		err = drivers.Unavailablef(op, m.name, "", "libvirt reported success, but the disk is %s", value.Text)
	}
	return value, err
}

// swappable refuses to change the disks of a VM whose memory or snapshots hang on them.
func swappable(op string, m *machine) error {
	switch {
	case m.running():
		return drivers.Refusef(op, m.name, "power it off first", "the VM is on")
	case m.saved:
		return drivers.Refusef(op, m.name, "power it on and off, or remove its saved image, if nobody needs it",
			"it has a managed-save image, which would bring the old disk back")
	case m.snapshots > 0:
		return drivers.Refusef(op, m.name, "delete its snapshots and checkpoints, or keep the VM as it is",
			"the VM has %d snapshots or checkpoints, which hang on its disks", m.snapshots)
	}
	return nil
}

// element gives the new <disk>: what the goal carries, or what is in the slot with another
// source. Target, bus, address, cache, serial and boot order stay.
func (d diskOf) element(m *machine, disk *node, goal drivers.Value) (string, error) {
	kept, n, err := restElement(goal, endpointOf)
	if err != nil {
		return "", err
	}
	if n != nil {
		if n.name != "disk" || n.kid("target").attr("dev") != d.slot {
			return "", errors.New("the goal's rest is of another disk")
		}
		return kept, nil
	}
	text := m.xml[disk.start:disk.end]
	if disk, err = parseTree(text); err != nil {
		return "", err
	}
	kind, source, err := sourceOf(goal.Text, disk)
	if err != nil {
		return "", err
	}
	format := formatFor(goal.Text, disk.kid("driver").attr("type"))
	edits := []edit{disk.setAttrs(text, map[string]string{"type": kind})}
	insert := ""
	if driver := disk.kid("driver"); driver != nil {
		edits = append(edits, driver.setAttrs(text, map[string]string{"type": format}))
	} else {
		insert = element("driver", map[string]string{"name": "qemu", "type": format})
	}
	if old := disk.kid("source"); old != nil {
		edits = append(edits, edit{old.start, old.end, source})
	} else {
		insert += source
	}
	edits[0].with += insert
	for _, name := range []string{"backingStore", "mirror", "encryption", "auth"} {
		if old := disk.kid(name); old != nil {
			edits = append(edits, drop(old))
		}
	}
	return apply(text, edits...), nil
}

// usable refuses a disk that is not there, or that a VM writes to that is on.
func (d diskOf) usable(ctx context.Context, op string, m *machine, with string) error {
	disk, err := parseTree(with)
	if err != nil {
		return drivers.Invalidf(op, m.name, "%w", err)
	}
	if err := d.reachable(ctx, op, m.name, m.host, disk); err != nil {
		return err
	}
	all, err := d.readUsages(ctx)
	if err != nil {
		return fail(op, m.name, err)
	}
	user := users(all, d.fileOf(ctx, m.host, disk), func(u usage, _ usedDisk, own bool) bool {
		return u.uuid != m.uuid && own && u.inUse()
	})
	if user != nil {
		return drivers.Refusef(op, m.name, "power that VM off first", "%s is attached to %s, which is %s on host %s", endpointOf(disk), user.name, user.power(), user.host.name)
	}
	return nil
}

// reachable refuses a disk that a host cannot have: a file that does not exist, and whose
// chain does not, or a pool or volume that the host does not know.
func (cl *cluster) reachable(ctx context.Context, op, object string, h *host, disk *node) error {
	endpoint := endpointOf(disk)
	if disk.attr("type") == "volume" {
		folder, err := poolFolder(ctx, h, disk.kid("source").attr("pool"))
		if isAbsent(err) {
			return drivers.NotFoundf(op, object, "define and start the pool on the host", "host %s has no pool %s", h.name, disk.kid("source").attr("pool"))
		}
		if err != nil {
			return fail(op, object, err)
		}
		if folder == "" {
			return nil // a pool that is no folder: its volumes are seen at the next start
		}
		endpoint = filepath.Join(folder, disk.kid("source").attr("volume"))
	} else if disk.attr("type") != "file" {
		return nil
	}
	format := disk.kid("driver").attr("type")
	for _, file := range chainOf(endpoint, format) {
		if !strings.HasPrefix(file, "/") || !cl.visible(file) {
			continue
		}
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			return drivers.NotFoundf(op, object, "check the replica, and what made the disk", "there is no file %s", file)
		} else if err != nil {
			return fail(op, object, err)
		}
	}
	if format == "qcow2" && cl.visible(endpoint) {
		if _, _, err := backingOf(endpoint); err != nil {
			return drivers.Refusef(op, object, "name the disk's format by its ending, .qcow2 or .raw", "%w", err)
		}
	}
	return nil
}

// visible reports whether this machine would see a file if it existed: whether its folder
// is here.
func (cl *cluster) visible(file string) bool {
	info, err := os.Stat(filepath.Dir(file))
	return err == nil && info.IsDir() || strings.HasPrefix(file, cl.folder+"/")
}
