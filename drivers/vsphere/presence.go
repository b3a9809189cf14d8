package vsphere

import (
	"context"
	"encoding/json"
	"path"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// presenceOf is whether one VM exists.
type presenceOf struct {
	*client
	uuid string
}

// presenceRest is what a VM has beside being there, and what is compared with it.
type presenceRest struct {
	V        int           `json:"v"`
	Name     string        `json:"name"`
	Owner    drivers.Owner `json:"owner,omitzero"`
	Template string        `json:"template,omitempty"`
}

var presencePaths = []string{"config.extraConfig", "config.hardware.device", "config.files.vmPathName", "runtime.powerState", "config.template"}

func (p presenceOf) observe(ctx context.Context) (drivers.Value, error) {
	_, _, value, err := p.look(ctx)
	return value, err
}

// look gives the VM, or nil, with its tags and its value.
func (p presenceOf) look(ctx context.Context) (*mo.VirtualMachine, tags, drivers.Value, error) {
	absent := drivers.Value{Text: drivers.Absent}
	vm, err := p.seek(ctx, p.uuid, presencePaths...)
	if err != nil || vm == nil {
		return nil, tags{}, absent, err
	}
	var t tags
	if vm.Config != nil {
		t = readTags(vm.Config.ExtraConfig)
	}
	return vm, t, drivers.Value{Text: drivers.Present, Rest: restorepoint.Encode(presenceRest{1, vm.Name, t.owner, t.template})}, nil
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
	vm, t, found, err := p.look(ctx)
	if err != nil {
		return drivers.Value{}, err
	}
	// One that an earlier process began to make may be about to appear, and one that is
	// there may not be whole.
	template := t.template
	if vm == nil && c.Goal.Spec != nil && c.Goal.Spec.VM != nil {
		template = c.Goal.Spec.VM.Template
	}
	if vm == nil || template != "" {
		if err := p.settleClones(ctx, template); err != nil {
			return drivers.Value{}, err
		}
		if vm, t, found, err = p.look(ctx); err != nil {
			return drivers.Value{}, err
		}
	}
	switch c.Goal.Text {
	case drivers.Present:
		return p.make(ctx, c, vm, t, found, progress)
	case drivers.Absent:
		return p.remove(ctx, c, vm, t, found, progress)
	}
	return drivers.Value{}, drivers.Invalidf("set presence of", "VM "+p.uuid, "%q is neither present nor absent", c.Goal.Text)
}

func (p presenceOf) make(ctx context.Context, c drivers.Change, vm *mo.VirtualMachine, t tags, found drivers.Value, progress func(drivers.Progress)) (drivers.Value, error) {
	if vm != nil {
		if p.stands(c, vm, t, found) {
			return found, nil
		}
		return drivers.Value{}, drivers.Drifted("make", "VM "+vm.Name, found, "a VM with this instance UUID is there already, and is not what the change makes")
	}
	if err := c.CheckExpected("make", "VM "+p.uuid, found, samePresence); err != nil {
		return drivers.Value{}, err
	}
	if c.Goal.Spec == nil || c.Goal.Spec.VM == nil {
		return drivers.Value{}, drivers.Invalidf("make", "VM "+p.uuid, "the goal does not say of which template")
	}
	if err := p.clone(ctx, p.uuid, c, progress); err != nil {
		return drivers.Value{}, fail("make", "VM "+c.Goal.Spec.VM.Name, err)
	}
	return p.observe(ctx)
}

// stands reports whether the VM that was found is the goal: made by this change, or by
// its holder from the same template, or simply wanted present.
func (p presenceOf) stands(c drivers.Change, vm *mo.VirtualMachine, t tags, found drivers.Value) bool {
	if t.change == c.ID {
		return true
	}
	if c.Goal.Spec != nil && c.Goal.Spec.VM != nil {
		return t.owner == c.Owner && t.owner != (drivers.Owner{}) && vm.Name == c.Goal.Spec.VM.Name && t.template == c.Goal.Spec.VM.Template
	}
	return samePresence(found, c.Goal)
}

// remove destroys a VM of ours that is off. A disk from elsewhere is taken off it before,
// for vSphere deletes every disk that a VM has.
func (p presenceOf) remove(ctx context.Context, c drivers.Change, vm *mo.VirtualMachine, t tags, found drivers.Value, progress func(drivers.Progress)) (drivers.Value, error) {
	absent := drivers.Value{Text: drivers.Absent}
	if vm == nil {
		return absent, nil
	}
	object := "VM " + vm.Name
	if t.owner.Site != p.settings.site {
		return drivers.Value{}, drivers.Refusef("delete", object, "delete it by hand, if it may go", "it is not ours")
	}
	if err := c.CheckExpected("delete", object, found, samePresence); err != nil {
		return drivers.Value{}, err
	}
	if err := p.settleEntity(ctx, vm.Self); err != nil {
		return drivers.Value{}, fail("delete", object, err)
	}
	vm, err := p.machineAt(ctx, vm.Self, append(presencePaths, "snapshot")...)
	if isGone(err) {
		return absent, nil
	}
	if err != nil {
		return drivers.Value{}, fail("delete", object, err)
	}
	if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff {
		return drivers.Value{}, drivers.Refusef("delete", object, "power it off first", "the VM is %s", powerText(vm.Runtime.PowerState))
	}
	home, err := parsePath(vm.Config.Files.VmPathName)
	if err != nil {
		return drivers.Value{}, fail("delete", object, err)
	}
	progress(drivers.Progress{Message: "deleting " + vm.Name})
	foreign := func(file string) bool {
		at, err := parsePath(file)
		return err != nil || at.datastore != home.datastore || path.Dir(at.path) != path.Dir(home.path)
	}
	if n := snapshotCount(vm.Snapshot); n > 0 && hasForeign(vm, foreign) {
		return drivers.Value{}, drivers.Refusef("delete", object, "delete its snapshots in vCenter", "it has %d snapshots, and a disk from elsewhere that hangs on them", n)
	}
	if err := p.detach(ctx, vm, foreign); err != nil {
		return drivers.Value{}, fail("delete", object, err)
	}
	if err := p.destroy(ctx, vm.Self); err != nil {
		return drivers.Value{}, fail("delete", object, err)
	}
	return p.observe(ctx)
}

func hasForeign(vm *mo.VirtualMachine, foreign func(string) bool) bool {
	for _, device := range devices(vm) {
		if disk, ok := device.(*types.VirtualDisk); ok {
			for _, file := range readBacking(disk.Backing).chain() {
				if foreign(file) {
					return true
				}
			}
		}
	}
	return false
}
