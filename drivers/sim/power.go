package sim

import (
	"errors"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// power is the power state of a VM.
type power struct {
	base
	cut bool // the guest is cut off at the end of the wait
}

type powerRest struct {
	Autostart *bool   `json:"autostart"`
	HARestart *string `json:"haRestart"`
}

func (a *power) observe(st *state) (drivers.Value, error) {
	vm, err := a.vm(st)
	if err != nil {
		return drivers.Value{}, err
	}
	return drivers.Value{Text: vm.Power, Rest: rest(map[string]any{"autostart": vm.Autostart, "haRestart": vm.HARestart})}, nil
}

func (a *power) half(*state) *Half { return nil }

func (a *power) reached(st *state, have drivers.Value) bool {
	if t := st.Tasks[a.c.Property.Target]; t != nil && t.Power != a.c.Goal.Text {
		return false // it is so now, and will not be for long
	}
	if !matches(have, a.c.Goal) {
		return false
	}
	vm := st.VMs[a.c.Property.Target]
	staysOff := !vm.Autostart && (vm.HARestart == "" || vm.HARestart == "disabled")
	return vm.Power != drivers.Off || len(a.c.Goal.Rest) > 0 || staysOff
}

func (a *power) start(st *state, _ drivers.Value, now time.Time) (time.Duration, error) {
	vm, err := a.vm(st)
	if err != nil {
		return 0, err
	}
	if err := a.reachableHost(st, vm); err != nil {
		return 0, err
	}
	var r powerRest
	if err := readRest(a.c.Goal.Rest, &r); err != nil {
		return 0, a.fail.invalid("%w", err)
	}
	t := &task{Power: a.c.Goal.Text, Autostart: r.Autostart, HARestart: r.HARestart}
	switch {
	case vm.Power == t.Power && st.Tasks[vm.ID] == nil:
		a.stayOff(vm, t)
		t.Due = now
	case t.Power == drivers.On:
		return a.startOn(st, vm, t, now)
	case t.Power == drivers.Suspended:
		if !a.ours(vm.Owner) {
			return 0, a.fail.refused("choose on or off", "only a VM made for a workspace is suspended")
		}
		if vm.Power == drivers.Off {
			return 0, a.fail.refused("power it on first", "the VM is off")
		}
		t.Due = now.Add(st.Latency.Suspend)
	default:
		return a.startOff(st, vm, t, now)
	}
	st.putTask(vm.ID, t)
	return t.Due.Sub(now), nil
}

func (a *power) startOn(st *state, vm *VM, t *task, now time.Time) (time.Duration, error) {
	if err := st.refusesOn(vm); err != nil {
		return 0, a.fail.refused("", "%w", err)
	}
	if down := st.Tasks[vm.ID]; down != nil {
		// A guest that was asked goes down first. Nobody sees a VM that is about to do so
		// as on, and powering it on now would be lost.
		return max(0, down.Due.Sub(now)) + st.Latency.PowerOn, nil
	}
	t.Due = now.Add(st.Latency.PowerOn)
	st.putTask(vm.ID, t)
	return st.Latency.PowerOn, nil
}

func (a *power) startOff(st *state, vm *VM, t *task, now time.Time) (time.Duration, error) {
	a.stayOff(vm, t)
	if vm.Power == drivers.Suspended || a.c.Grace <= 0 {
		if !a.c.Force {
			return 0, a.fail.of(drivers.GraceOver, "", "the guest cannot be asked, and cutting it off is not allowed")
		}
		t.Due = now.Add(st.Latency.PowerOff)
		st.putTask(vm.ID, t)
		a.cut = true
		return st.Latency.PowerOff, nil
	}
	if asked := st.Tasks[vm.ID]; asked != nil {
		t.Due = asked.Due // asked before, and still going down
	} else if !vm.Guest.IgnoresShutdown {
		takes := st.Latency.GuestShutdown
		if vm.Guest.Shutdown > 0 {
			takes = vm.Guest.Shutdown
		}
		t.Due = now.Add(takes)
	}
	if !t.Due.IsZero() {
		t.Asked = true
		st.putTask(vm.ID, t)
		if left := max(0, t.Due.Sub(now)); left <= a.c.Grace {
			return left, nil
		}
	}
	a.cut = a.c.Force
	if a.cut {
		return a.c.Grace + st.Latency.PowerOff, nil
	}
	return a.c.Grace, nil
}

// stayOff makes off mean that it stays off, unless the goal's rest says otherwise.
func (a *power) stayOff(vm *VM, t *task) {
	if t.Power != drivers.Off {
		return
	}
	no, disabled := false, "disabled"
	if t.Autostart == nil {
		t.Autostart = &no
	}
	if t.HARestart == nil && vm.HARestart != "" {
		t.HARestart = &disabled
	}
}

func (a *power) finish(st *state, now time.Time) error {
	vm, err := a.vm(st)
	if err != nil {
		return err
	}
	var r powerRest
	if err := readRest(a.c.Goal.Rest, &r); err != nil {
		return a.fail.invalid("%w", err)
	}
	t := &task{Power: a.c.Goal.Text, Due: now, Autostart: r.Autostart, HARestart: r.HARestart}
	if vm.Power == t.Power && st.Tasks[vm.ID] == nil {
		return nil // it has landed
	}
	switch t.Power {
	case drivers.On:
		if err := st.refusesOn(vm); err != nil {
			return a.fail.refused("", "%w", err)
		}
	case drivers.Off:
		a.stayOff(vm, t)
		if !a.cut {
			return a.fail.of(drivers.GraceOver, "", "the guest did not shut down within %v", a.c.Grace)
		}
	default:
		return errors.New("the VM was changed meanwhile")
	}
	delete(st.Tasks, vm.ID)
	st.land(vm, t)
	return nil
}

// refusesOn says why a hypervisor would not power the VM on, or nil.
func (s *state) refusesOn(vm *VM) error {
	host := s.Hosts[vm.Host]
	switch {
	case host == nil || host.Disconnected:
		return errors.New("host " + vm.Host + " is disconnected")
	case host.Maintenance:
		return errors.New("host " + vm.Host + " is in maintenance")
	case vm.Template:
		return errors.New("it is a template")
	case vm.Half != nil || vm.HalfHost != nil:
		return errors.New("the VM is half-made")
	}
	if vm.Power != drivers.On {
		if used := s.index.usedMiB[vm.Host]; used+vm.MemoryMiB > host.MemoryMiB {
			return reason("host %s has %d MiB, %d of them in use, %s needs %d", host.Name, host.MemoryMiB, used, vm.Name, vm.MemoryMiB)
		}
	}
	for _, slot := range sorted(vm.Disks) {
		if err := s.refusesDiskOn(vm, host, slot); err != nil {
			return err
		}
	}
	for _, slot := range sorted(vm.NICs) {
		if n := vm.NICs[slot]; !n.Disconnected && !contains(host.Networks, n.Network) {
			return reason("host %s does not reach network %s of NIC %s", host.Name, n.Network, slot)
		}
	}
	return nil
}

func (s *state) refusesDiskOn(vm *VM, host *Host, slot string) error {
	d := vm.Disks[slot]
	v := s.Volumes[d.Endpoint]
	switch {
	case d.Half != nil:
		return reason("disk %s is half-made", slot)
	case d.Endpoint == "":
		return nil
	case v == nil:
		return reason("disk %s points at %s, which does not exist", slot, d.Endpoint)
	case v.Half != nil:
		return reason("disk %s points at %s, which is half-made", slot, d.Endpoint)
	case v.Replica != "":
		return reason("disk %s points at %s, which replication of %s has locked", slot, d.Endpoint, v.Replica)
	case s.index.children[d.Endpoint] > 0:
		return reason("disk %s points at %s, which clones hang on", slot, d.Endpoint)
	}
	if other := s.runningUser(d.Endpoint, vm.ID); other != "" {
		return reason("disk %s points at %s, which %s has locked", slot, d.Endpoint, other)
	}
	if ds := s.Datastores[datastoreOf(d.Endpoint)]; ds == nil || !contains(ds.Hosts, host.Name) {
		return reason("disk %s lies on datastore %s, which host %s has not mounted", slot, datastoreOf(d.Endpoint), host.Name)
	}
	return nil
}
