package libvirt

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"libvirt.org/go/libvirt"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// presenceOf is whether one VM exists.
type presenceOf struct {
	*cluster
	uuid string
}

// presenceRest is what a VM has beside being there, and what is compared with it.
type presenceRest struct {
	V        int           `json:"v"`
	Name     string        `json:"name"`
	Owner    drivers.Owner `json:"owner,omitzero"`
	Template string        `json:"template,omitempty"`
}

func (p presenceOf) observe(ctx context.Context) (drivers.Value, error) {
	_, value, err := p.look(ctx)
	return value, err
}

// look gives the VM, or nil, with its value.
func (p presenceOf) look(ctx context.Context) (*machine, drivers.Value, error) {
	m, err := p.seek(ctx, p.uuid)
	if err != nil || m == nil {
		return nil, drivers.Value{Text: drivers.Absent}, err
	}
	return m, drivers.Value{Text: drivers.Present, Rest: restorepoint.Encode(presenceRest{1, m.name, m.mark.Owner, m.mark.From})}, nil
}

// samePresence compares presence and, where both values carry one, whose the VM is.
func samePresence(a, b drivers.Value) bool {
	if a.Text != b.Text || len(a.Rest) == 0 || len(b.Rest) == 0 {
		return a.Text == b.Text
	}
	var x, y presenceRest
	return json.Unmarshal(a.Rest, &x) == nil && json.Unmarshal(b.Rest, &y) == nil && x == y
}

func (p presenceOf) apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	m, found, err := p.look(ctx)
	if err != nil {
		return drivers.Value{}, err
	}
	switch c.Goal.Text {
	case drivers.Present:
		return p.make(ctx, c, m, found, progress)
	case drivers.Absent:
		return p.remove(ctx, c, m, found, progress)
	}
	return drivers.Value{}, drivers.Invalidf("set presence of", "VM "+p.uuid, "%q is neither present nor absent", c.Goal.Text)
}

func (p presenceOf) make(ctx context.Context, c drivers.Change, m *machine, found drivers.Value, progress func(drivers.Progress)) (drivers.Value, error) {
	if m != nil {
		if p.stands(c, m, found) {
			return found, nil
		}
		return drivers.Value{}, drivers.Drifted("make", "VM "+m.name, found, "a VM with this UUID is there already, and is not what the change makes")
	}
	if err := c.CheckExpected("make", "VM "+p.uuid, found, samePresence); err != nil {
		return drivers.Value{}, err
	}
	if c.Goal.Spec == nil || c.Goal.Spec.VM == nil {
		return drivers.Value{}, drivers.Invalidf("make", "VM "+p.uuid, "the goal does not say of which template")
	}
	if err := p.clone(ctx, c, progress); err != nil {
		return drivers.Value{}, fail("make", "VM "+c.Goal.Spec.VM.Name, err)
	}
	return p.observe(ctx)
}

// stands reports whether the VM that was found is the goal: made by this change, or by
// its holder from the same template, or simply wanted present.
func (p presenceOf) stands(c drivers.Change, m *machine, found drivers.Value) bool {
	if m.mark.Change == c.ID {
		return true
	}
	if c.Goal.Spec != nil && c.Goal.Spec.VM != nil {
		return m.mark.Owner == c.Owner && m.mark.Owner != (drivers.Owner{}) && m.name == c.Goal.Spec.VM.Name && m.mark.From == c.Goal.Spec.VM.Template
	}
	return samePresence(found, c.Goal)
}

// remove undefines a VM of ours that is off, and deletes the files that were made for it.
// What else it has attached stays.
func (p presenceOf) remove(ctx context.Context, c drivers.Change, m *machine, found drivers.Value, progress func(drivers.Progress)) (drivers.Value, error) {
	absent := drivers.Value{Text: drivers.Absent}
	if m == nil {
		return absent, fail("delete", "VM "+p.uuid, p.deleteFiles(ctx))
	}
	object := "VM " + m.name
	if m.mark.Owner.Site != p.settings.site {
		return drivers.Value{}, drivers.Refusef("delete", object, "delete it by hand, if it may go", "it is not ours")
	}
	if err := c.CheckExpected("delete", object, found, samePresence); err != nil {
		return drivers.Value{}, err
	}
	if m.running() || m.saved {
		return drivers.Value{}, drivers.Refusef("delete", object, "power it off first", "the VM is %s", m.power())
	}
	if m.snapshots > 0 {
		return drivers.Value{}, drivers.Refusef("delete", object, "delete its snapshots first", "it has %d snapshots or checkpoints", m.snapshots)
	}
	progress(drivers.Progress{Message: "deleting " + m.name})
	err := onDomain(ctx, m, func(dom *libvirt.Domain) error { return dom.UndefineFlags(libvirt.DOMAIN_UNDEFINE_NVRAM) })
	if err != nil && !isAbsent(err) {
		return drivers.Value{}, fail("delete", object, err)
	}
	if err := p.deleteFiles(ctx); err != nil {
		return drivers.Value{}, fail("delete", object, err)
	}
	return p.observe(ctx)
}

// files is the folder of what is made for a VM.
func (p presenceOf) files() string {
	return filepath.Join(p.home(), "vms", restorepoint.Escape(strings.ToLower(p.uuid)))
}

// deleteFiles deletes what was made for the VM: its overlays and its seed. A file of another
// name is somebody's, and keeps the folder.
func (p presenceOf) deleteFiles(ctx context.Context) error {
	entries, err := os.ReadDir(p.files())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var all []usage
	for _, e := range entries {
		file, name := filepath.Join(p.files(), e.Name()), e.Name()
		switch {
		case strings.HasPrefix(name, scratchPrefix):
			err = os.RemoveAll(file)
		case name == seedName:
			err = deleteFile(file)
		case strings.HasPrefix(name, diskPrefix) && strings.HasSuffix(name, ".qcow2"):
			if all == nil {
				if all, err = p.readUsages(ctx); err != nil {
					return err
				}
				if err := p.unseen(); err != nil {
					return err
				}
			}
			if user := users(all, file, func(u usage, _ usedDisk, _ bool) bool { return u.uuid != p.uuid }); user != nil {
				return drivers.Refusef("delete", file, "give that VM another disk first", "%s on host %s has it attached", user.name, user.host.name)
			}
			err = deleteFile(file)
		}
		if err != nil {
			return err
		}
	}
	_ = os.Remove(p.files()) // unless somebody's file is in it
	return nil
}
