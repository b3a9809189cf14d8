package sim

import (
	"strings"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// index is what can be counted from the state, kept so that a site of 10,000 VMs stays
// quick. Only rebuild, edit and the volume functions write it.
type index struct {
	usedMiB  map[string]int64               // host to memory of its VMs that are on
	users    map[string]map[string]struct{} // endpoint to ids of VMs that have it in a slot
	vmNames  map[string]string              // name to id
	volumes  map[string]string              // volume target to endpoint
	children map[string]int                 // endpoint to number of clones that hang on it
	macs     map[string]int                 // network and MAC to number of VMs that are on
	stored   map[string]int64               // datastore to MiB in use
	nextDue  time.Time                      // no task is due before; zero: there is none
}

func (x *index) rebuild(s *state) {
	*x = index{
		usedMiB: map[string]int64{}, users: map[string]map[string]struct{}{}, vmNames: map[string]string{},
		volumes: map[string]string{}, children: map[string]int{}, macs: map[string]int{}, stored: map[string]int64{},
	}
	for _, v := range s.Volumes {
		x.addVolume(v)
	}
	for _, vm := range s.VMs {
		x.addVM(vm)
	}
	for id, t := range s.Tasks {
		s.putTask(id, t)
	}
}

func (x *index) addVM(vm *VM)    { x.countVM(vm, 1) }
func (x *index) removeVM(vm *VM) { x.countVM(vm, -1) }

func (x *index) countVM(vm *VM, sign int) {
	if sign > 0 {
		x.vmNames[vm.Name] = vm.ID
	} else {
		delete(x.vmNames, vm.Name)
	}
	for _, d := range vm.Disks {
		if d.Endpoint == "" {
			continue
		}
		set := x.users[d.Endpoint]
		if set == nil {
			set = map[string]struct{}{}
			x.users[d.Endpoint] = set
		}
		if sign > 0 {
			set[vm.ID] = struct{}{}
		} else if delete(set, vm.ID); len(set) == 0 {
			delete(x.users, d.Endpoint)
		}
	}
	if vm.Power != drivers.On {
		return
	}
	x.usedMiB[vm.Host] += int64(sign) * vm.MemoryMiB
	for _, n := range vm.NICs {
		if !n.Disconnected {
			x.macs[n.Network+" "+n.MAC] += sign
		}
	}
}

func (x *index) addVolume(v *Volume)    { x.countVolume(v, 1) }
func (x *index) removeVolume(v *Volume) { x.countVolume(v, -1) }

func (x *index) countVolume(v *Volume, sign int) {
	if v.Name != "" {
		if sign > 0 {
			x.volumes[v.Name] = v.Endpoint
		} else {
			delete(x.volumes, v.Name)
		}
	}
	if v.Parent != "" {
		x.children[v.Parent] += sign
	}
	x.stored[datastoreOf(v.Endpoint)] += int64(sign) * v.SizeMiB
}

// edit changes a VM and keeps the index true. Nothing else may write a VM's fields that
// the index counts.
func (s *state) edit(vm *VM, change func(*VM)) {
	s.index.removeVM(vm)
	change(vm)
	s.index.addVM(vm)
}

func (s *state) putVM(vm *VM) {
	if old := s.VMs[vm.ID]; old != nil {
		s.index.removeVM(old)
	}
	s.VMs[vm.ID] = vm
	s.index.addVM(vm)
}

func (s *state) dropVM(vm *VM) {
	s.index.removeVM(vm)
	delete(s.VMs, vm.ID)
	delete(s.Tasks, vm.ID)
}

func (s *state) putVolume(v *Volume) {
	if old := s.Volumes[v.Endpoint]; old != nil {
		s.index.removeVolume(old)
	}
	s.Volumes[v.Endpoint] = v
	s.index.addVolume(v)
}

func (s *state) dropVolume(v *Volume) {
	s.index.removeVolume(v)
	delete(s.Volumes, v.Endpoint)
}

// volume gives the volume of a target "HOLDER/VOLUME", or nil.
func (s *state) volume(target string) *Volume { return s.Volumes[s.index.volumes[target]] }

// runningUser gives the name of a VM other than except that is on, or suspended, with
// this endpoint in a slot, or "".
func (s *state) runningUser(endpoint, except string) string {
	found := ""
	for id := range s.index.users[endpoint] {
		vm := s.VMs[id]
		if id != except && vm.Power != drivers.Off && (found == "" || vm.Name < found) {
			found = vm.Name
		}
	}
	return found
}

// anyUser gives the name of a VM that has this endpoint in a slot, or "".
func (s *state) anyUser(endpoint string) string {
	found := ""
	for id := range s.index.users[endpoint] {
		if name := s.VMs[id].Name; found == "" || name < found {
			found = name
		}
	}
	return found
}

// datastoreOf gives the datastore in an endpoint "[datastore] path", or "" where the
// endpoint names none.
func datastoreOf(endpoint string) string {
	if rest, ok := strings.CutPrefix(endpoint, "["); ok {
		if name, _, ok := strings.Cut(rest, "]"); ok {
			return name
		}
	}
	return ""
}
