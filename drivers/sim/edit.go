package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// The methods below are what others do at the site while hotspare works: an operator in
// the hypervisor's own console, a host that fails, replication. They panic where a test
// names what does not exist.

// SetLimits sets the limits that Describe tells. A caller that goes beyond them is not
// refused, it is noted in [Site.Violations].
func (s *Site) SetLimits(limits []drivers.Limit) {
	s.must("set limits", func(st *state) error { st.Limits = slices.Clone(limits); return nil })
}

// SetMovesVMs says that the hypervisor moves VMs between hosts itself.
func (s *Site) SetMovesVMs(moves bool) {
	s.must("set moves VMs", func(st *state) error { st.MovesVMs = moves; return nil })
}

// EditVM changes a VM behind hotspare's back, found by id or name. The change is not
// checked.
func (s *Site) EditVM(idOrName string, change func(*VM)) {
	s.must("edit VM "+idOrName, func(st *state) error {
		vm, err := st.find(idOrName)
		if err == nil {
			st.edit(vm, change)
		}
		return err
	})
}

func (s *state) find(idOrName string) (*VM, error) {
	if vm := s.VMs[idOrName]; vm != nil {
		return vm, nil
	}
	if vm := s.VMs[s.index.vmNames[idOrName]]; vm != nil {
		return vm, nil
	}
	return nil, errors.New("there is no such VM")
}

// VM gives a copy of a VM as it is now, found by id or name.
func (s *Site) VM(idOrName string) (VM, bool) {
	var out VM
	found := false
	s.look("read VM "+idOrName, func(st *state) {
		if vm, err := st.find(idOrName); err == nil {
			out, found = vm.clone(), true
		}
	})
	return out, found
}

func (vm *VM) clone() VM {
	c := *vm
	c.Disks, c.NICs = map[string]Disk{}, map[string]NIC{}
	for slot, d := range vm.Disks {
		c.Disks[slot] = d
	}
	for slot, n := range vm.NICs {
		c.NICs[slot] = n
	}
	c.OwnVolumes = slices.Clone(vm.OwnVolumes)
	return c
}

// DeleteVM deletes a VM behind hotspare's back, and leaves its disks.
func (s *Site) DeleteVM(idOrName string) {
	s.must("delete VM "+idOrName, func(st *state) error {
		vm, err := st.find(idOrName)
		if err == nil {
			st.dropVM(vm)
		}
		return err
	})
}

// GuestReady says whether the guest of a VM has booted: what a check of its service
// would find.
func (s *Site) GuestReady(idOrName string) bool {
	vm, ok := s.VM(idOrName)
	return ok && vm.Power == drivers.On && !vm.BootedAt.After(time.Now())
}

// EditVolume changes a volume behind hotspare's back. The change is not checked.
func (s *Site) EditVolume(endpoint string, change func(*Volume)) {
	s.must("edit volume "+endpoint, func(st *state) error {
		v := st.Volumes[endpoint]
		if v == nil {
			return errors.New("it does not exist")
		}
		st.index.removeVolume(v)
		change(v)
		st.index.addVolume(v)
		return nil
	})
}

// DeleteVolume deletes a volume behind hotspare's back.
func (s *Site) DeleteVolume(endpoint string) {
	s.must("delete volume "+endpoint, func(st *state) error {
		v := st.Volumes[endpoint]
		if v == nil {
			return errors.New("it does not exist")
		}
		st.dropVolume(v)
		return nil
	})
}

// Volumes gives a copy of every volume of which keep is true, sorted by endpoint; nil:
// all.
func (s *Site) Volumes(keep func(Volume) bool) []Volume {
	var out []Volume
	s.look("list volumes", func(st *state) {
		for _, endpoint := range sorted(st.Volumes) {
			if v := *st.Volumes[endpoint]; keep == nil || keep(v) {
				out = append(out, v)
			}
		}
	})
	return out
}

// EditHost changes a host behind hotspare's back.
func (s *Site) EditHost(name string, change func(*Host)) {
	s.must("edit host "+name, func(st *state) error {
		h := st.Hosts[name]
		if h == nil {
			return errors.New("it does not exist")
		}
		change(h)
		return nil
	})
}

// FailHost takes a host's power away: it is disconnected and its VMs are off. They are on
// shared storage and can be registered on another host.
func (s *Site) FailHost(name string) {
	s.must("fail host "+name, func(st *state) error {
		h := st.Hosts[name]
		if h == nil {
			return errors.New("it does not exist")
		}
		h.Disconnected = true
		for _, vm := range st.VMs {
			if vm.Host == name {
				delete(st.Tasks, vm.ID)
				st.edit(vm, func(vm *VM) { vm.Power, vm.BootedAt = drivers.Off, time.Time{} })
			}
		}
		return nil
	})
}

// EditDatastore changes a datastore behind hotspare's back.
func (s *Site) EditDatastore(name string, change func(*Datastore)) {
	s.must("edit datastore "+name, func(st *state) error {
		ds := st.Datastores[name]
		if ds == nil {
			return errors.New("it does not exist")
		}
		change(ds)
		return nil
	})
}

// RemoveNetwork takes a network away behind hotspare's back. NICs go on naming it.
func (s *Site) RemoveNetwork(name string) {
	s.must("remove network "+name, func(st *state) error {
		if !st.Networks[name] {
			return errors.New("it does not exist")
		}
		delete(st.Networks, name)
		for _, h := range st.Hosts {
			h.Networks = slices.DeleteFunc(h.Networks, func(n string) bool { return n == name })
		}
		return nil
	})
}

// EditReplica changes a replica behind hotspare's back.
func (s *Site) EditReplica(path string, change func(*Replica)) {
	s.must("edit replica "+path, func(st *state) error {
		r := st.Replicas[path]
		if r == nil {
			return errors.New("it does not exist")
		}
		change(r)
		return nil
	})
}

// EditCallout changes a callout behind hotspare's back.
func (s *Site) EditCallout(name string, change func(*Callout)) {
	s.must("edit callout "+name, func(st *state) error {
		c := st.Callouts[name]
		if c == nil {
			return errors.New("it does not exist")
		}
		change(c)
		return nil
	})
}

// PruneRestorePoint deletes a restore point as replication does with old ones. It is
// refused while a clone hangs on it.
func (s *Site) PruneRestorePoint(path, id string) error {
	return s.change(func(st *state) error {
		r := st.Replicas[path]
		if r == nil {
			return fmt.Errorf("prune %s of %s: there is no such replica", id, path)
		}
		i := slices.IndexFunc(r.RestorePoints, func(p drivers.RestorePoint) bool { return p.ID == id })
		if i < 0 {
			return fmt.Errorf("prune %s of %s: there is no such restore point", id, path)
		}
		for _, endpoint := range r.RestorePoints[i].Volumes {
			if st.index.children[endpoint] > 0 {
				return fmt.Errorf("prune %s of %s: clones hang on it", id, path)
			}
		}
		for _, endpoint := range r.RestorePoints[i].Volumes {
			if v := st.Volumes[endpoint]; v != nil {
				st.dropVolume(v)
			}
		}
		r.RestorePoints = slices.Delete(r.RestorePoints, i, i+1)
		return nil
	})
}

// SetDown makes every call fail as Unavailable for the reason given, until it is set to
// "" again.
func (s *Site) SetDown(why string) {
	s.must("set down", func(st *state) error { st.Down = why; return nil })
}

// SetUnlisted makes the site list nothing, as one whose session has expired may.
func (s *Site) SetUnlisted(unlisted bool) {
	s.must("set unlisted", func(st *state) error { st.Unlisted = unlisted; return nil })
}

// SetPassword sets the password that Configure must give from the next log in on.
func (s *Site) SetPassword(password string) {
	s.must("set password", func(st *state) error { st.Password = password; return nil })
}

// ExpireSessions makes every driver log in again.
func (s *Site) ExpireSessions() {
	s.must("expire sessions", func(st *state) error { st.Session++; return nil })
}
