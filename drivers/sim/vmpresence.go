package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// vmPresence is whether a VM exists.
type vmPresence struct{ base }

func (a *vmPresence) observe(st *state) (drivers.Value, error) {
	vm := st.VMs[a.c.Property.Target]
	if vm == nil {
		return drivers.Value{Text: drivers.Absent}, nil
	}
	fields := map[string]any{"template": vm.MadeFrom, "spec": vm.MadeSpec}
	if vm.Half != nil {
		fields["half"] = true
	}
	return drivers.Value{Text: drivers.Present, Rest: rest(fields)}, nil
}

func (a *vmPresence) half(st *state) *Half {
	if vm := st.VMs[a.c.Property.Target]; vm != nil {
		return vm.Half
	}
	return nil
}

// spec gives what the goal says to make, or nil.
func (a *vmPresence) spec() *drivers.VMSpec {
	if a.c.Goal.Spec == nil {
		return nil
	}
	return a.c.Goal.Spec.VM
}

// specDigest names the spec; the user data may hold a secret and goes in as a digest of
// its own.
func specDigest(spec drivers.VMSpec) string {
	sum := sha256.Sum256([]byte(spec.UserData))
	spec.UserData = hex.EncodeToString(sum[:])
	return digest(spec)
}

func (a *vmPresence) reached(st *state, have drivers.Value) bool {
	if !matches(have, a.c.Goal) {
		return false
	}
	if have.Text == drivers.Absent || a.spec() == nil {
		return true
	}
	vm := st.VMs[a.c.Property.Target]
	return a.ours(vm.Owner) && vm.MadeSpec == specDigest(*a.spec())
}

func (a *vmPresence) start(st *state, have drivers.Value, _ time.Time) (time.Duration, error) {
	vm := st.VMs[a.c.Property.Target]
	if a.c.Goal.Text == drivers.Absent {
		if err := a.refusesDelete(st, vm); err != nil {
			return 0, err
		}
		vm.Half = a.mark(vm.Half, have)
		return st.Latency.DeleteVM, nil
	}
	if vm != nil && (vm.Half == nil || !a.ours(vm.Owner)) {
		return 0, a.inTheWay(have, "choose another id, or delete it", "VM %s has that id and is not what this change would make", vm.Name)
	}
	if vm != nil && vm.Half.To.Text == drivers.Absent && vm.MadeSpec != "" && a.spec() != nil && vm.MadeSpec == specDigest(*a.spec()) {
		return 0, nil // its deletion had begun, and nothing of it is gone yet
	}
	made, err := a.plan(st)
	if err != nil {
		return 0, err
	}
	if vm != nil {
		made.Half = a.mark(vm.Half, have)
		if err := a.drop(st, vm); err != nil {
			return 0, err
		}
	} else {
		made.Half = a.mark(nil, have)
	}
	made.Disks = map[string]Disk{} // a clone without its disks
	st.putVM(made)
	return st.Latency.CloneVM, nil
}

func (a *vmPresence) finish(st *state, _ time.Time) error {
	vm := st.VMs[a.c.Property.Target]
	if a.c.Goal.Text == drivers.Absent {
		if vm == nil {
			return nil
		}
		if err := a.refusesDelete(st, vm); err != nil {
			return err
		}
		return a.drop(st, vm)
	}
	if vm == nil {
		return a.fail.refused("apply the change again", "somebody deleted the VM while it was made")
	}
	if vm.Half != nil && vm.Half.To.Text == drivers.Absent {
		vm.Half = nil
		return nil
	}
	made, err := a.plan(st)
	if err != nil {
		return err
	}
	if err := a.cloneDisks(st, made); err != nil {
		return err
	}
	st.putVM(made)
	return nil
}

// plan gives the VM that the goal asks for, without its disks.
func (a *vmPresence) plan(st *state) (*VM, error) {
	spec := a.spec()
	if spec == nil {
		return nil, a.fail.invalid("the goal does not say what to make")
	}
	if !a.ours(a.c.Owner) {
		return nil, a.fail.invalid("the change's owner is of site %q, this is site %q", a.c.Owner.Site, a.config.Site)
	}
	if spec.Name == "" || spec.CPUs < 0 || spec.MemoryMiB < 0 {
		return nil, a.fail.invalid("the spec has no name, or a size below zero")
	}
	template, host := st.VMs[st.index.vmNames[spec.Template]], st.Hosts[spec.Host]
	switch {
	case template == nil || !template.Template:
		return nil, a.fail.notFound("", "there is no template %q", spec.Template)
	case host == nil:
		return nil, a.fail.notFound("", "there is no host %q", spec.Host)
	case host.Maintenance || host.Disconnected:
		return nil, a.fail.refused("choose another host", "host %s is in maintenance or disconnected", host.Name)
	}
	if id := st.index.vmNames[spec.Name]; id != "" && id != a.c.Property.Target {
		return nil, a.fail.refused("choose another name", "a VM named %s exists already", spec.Name)
	}
	vm := &VM{
		ID: a.c.Property.Target, Name: spec.Name, Host: spec.Host, Pool: poolOf(spec.Host), Power: drivers.Off,
		CPUs: template.CPUs, MemoryMiB: template.MemoryMiB, Disks: map[string]Disk{}, NICs: map[string]NIC{},
		Owner: a.c.Owner, MadeFrom: template.Name, MadeSpec: specDigest(*spec), Guest: template.Guest,
	}
	if spec.CPUs > 0 {
		vm.CPUs = spec.CPUs
	}
	if spec.MemoryMiB > 0 {
		vm.MemoryMiB = spec.MemoryMiB
	}
	for slot, n := range template.NICs {
		n.MAC, n.Disconnected = macFor(vm.ID, slot), true
		vm.NICs[slot] = n
	}
	for _, slot := range sorted(spec.Networks) {
		n, ok := vm.NICs[slot]
		if !ok {
			return nil, a.fail.invalid("template %s has no NIC slot %q", spec.Template, slot)
		}
		if !st.Networks[spec.Networks[slot]] {
			return nil, a.fail.notFound("", "there is no network %q", spec.Networks[slot])
		}
		n.Network, n.Disconnected = spec.Networks[slot], false
		vm.NICs[slot] = n
	}
	return vm, nil
}

// cloneDisks gives a new VM a clone of each of its template's disks.
func (a *vmPresence) cloneDisks(st *state, vm *VM) error {
	template := st.VMs[st.index.vmNames[vm.MadeFrom]]
	for _, slot := range sorted(template.Disks) {
		d := template.Disks[slot]
		parent := st.Volumes[d.Endpoint]
		if parent == nil {
			return a.fail.refused("repair the template", "disk %s of template %s does not exist", slot, template.Name)
		}
		v, err := a.clone(st, parent, vm.ID+"/"+slot, Origin{})
		if err != nil {
			return err
		}
		v.Name = "" // it is the VM's, and no target of its own
		d.Endpoint, d.Format = v.Endpoint, v.Format
		st.putVolume(v)
		vm.Disks[slot] = d
		vm.OwnVolumes = append(vm.OwnVolumes, v.Endpoint)
	}
	return nil
}

func (a *vmPresence) refusesDelete(st *state, vm *VM) error {
	if !a.ours(vm.Owner) {
		return a.fail.refused("", "VM %s is not ours", vm.Name)
	}
	if vm.Power == drivers.On {
		return a.fail.refused("power the VM off first", "VM %s is on", vm.Name)
	}
	for _, endpoint := range vm.OwnVolumes {
		for _, id := range sorted(st.index.users[endpoint]) {
			if id != vm.ID {
				return a.fail.refused("swap that disk first", "disk %s of %s is attached to %s", endpoint, vm.Name, st.VMs[id].Name)
			}
		}
	}
	return nil
}

// drop deletes a VM of ours with the disks that were made with it. Whatever else is
// attached stays where it is.
func (a *vmPresence) drop(st *state, vm *VM) error {
	st.dropVM(vm)
	for _, endpoint := range vm.OwnVolumes {
		if v := st.Volumes[endpoint]; v != nil {
			st.dropVolume(v)
		}
	}
	return nil
}
