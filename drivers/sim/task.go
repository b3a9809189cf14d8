package sim

import (
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// putTask sets what the hypervisor works on for a VM.
func (s *state) putTask(id string, t *task) {
	s.Tasks[id] = t
	if s.index.nextDue.IsZero() || t.Due.Before(s.index.nextDue) {
		s.index.nextDue = t.Due
	}
}

// settle lets every task land that is due.
func (s *state) settle(now time.Time) {
	if s.index.nextDue.IsZero() || s.index.nextDue.After(now) {
		return
	}
	s.index.nextDue = time.Time{}
	for _, id := range sorted(s.Tasks) {
		t := s.Tasks[id]
		if t.Due.After(now) {
			s.putTask(id, t)
			continue
		}
		delete(s.Tasks, id)
		vm := s.VMs[id]
		if vm == nil {
			continue
		}
		if t.Power == drivers.On && s.refusesOn(vm) != nil {
			continue
		}
		s.land(vm, t)
	}
}

// land makes a task's effect.
func (s *state) land(vm *VM, t *task) {
	s.edit(vm, func(vm *VM) {
		if t.Power == drivers.On && vm.Power != drivers.On {
			boot := s.Latency.Boot
			if vm.Guest.Boot > 0 {
				boot = vm.Guest.Boot
			}
			if vm.Power == drivers.Suspended {
				boot = 0
			}
			vm.BootedAt = t.Due.Add(boot)
		}
		if t.Power != drivers.On {
			vm.BootedAt = time.Time{}
		}
		vm.Power = t.Power
		if t.Autostart != nil {
			vm.Autostart = *t.Autostart
		}
		if t.HARestart != nil {
			vm.HARestart = *t.HARestart
		}
	})
	if t.Power == drivers.On {
		s.noteClashes(vm)
	}
}

// noteClashes records two VMs with one identity on one network: no hypervisor refuses
// that, and no plan may do it.
func (s *state) noteClashes(vm *VM) {
	if vm.Power != drivers.On {
		return
	}
	for _, slot := range sorted(vm.NICs) {
		nic := vm.NICs[slot]
		if !nic.Disconnected && s.index.macs[nic.Network+" "+nic.MAC] > 1 {
			s.violate("two VMs that are on have MAC %s on network %s: %s is one of them", nic.MAC, nic.Network, vm.Name)
		}
	}
}
