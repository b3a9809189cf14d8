package sim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// NewSite gives a site in memory, of the given shape. The zero shape is an empty site,
// to be filled with the Add methods.
func NewSite(shape Shape) *Site {
	s := &Site{state: newState()}
	s.shape(shape)
	return s
}

// OpenShaped gives the site that lives in a file; one that it makes has the given shape,
// with 4 hosts, 3 groups and 3 VMs each where the shape does not say.
func OpenShaped(path string, shape Shape) (*Site, error) {
	made := &Site{state: newState()}
	for field, fallback := range map[*int]int{&shape.Hosts: 4, &shape.Groups: 3, &shape.VMsPerGroup: 3, &shape.Templates: 1} {
		if *field == 0 {
			*field = fallback
		}
	}
	made.shape(shape)
	made.file = &file{path: path}
	unlock, err := made.file.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	return made, made.file.save(made.state)
}

// The Add methods below put a thing at the site. They panic where the thing clashes with
// what is there, or names what is not: a test that sets its site up wrongly is wrong.

// AddHost adds a host that reaches the networks it names, and mounts no datastore.
func (s *Site) AddHost(h Host) {
	s.must("add host "+h.Name, func(st *state) error {
		if h.Name == "" || st.Hosts[h.Name] != nil {
			return errors.New("no name, or it exists")
		}
		h.Networks = slices.Clone(h.Networks)
		st.Hosts[h.Name] = &h
		return nil
	})
}

// AddNetwork adds a network and connects the given hosts to it; none given: all.
func (s *Site) AddNetwork(name string, hosts ...string) {
	s.must("add network "+name, func(st *state) error {
		st.Networks[name] = true
		for _, h := range st.Hosts {
			if (len(hosts) == 0 || contains(hosts, h.Name)) && !contains(h.Networks, name) {
				h.Networks = append(h.Networks, name)
			}
		}
		return nil
	})
}

// AddDatastore adds a datastore, mounted on the hosts that it names.
func (s *Site) AddDatastore(ds Datastore) {
	s.must("add datastore "+ds.Name, func(st *state) error {
		if ds.Name == "" || st.Datastores[ds.Name] != nil {
			return errors.New("no name, or it exists")
		}
		if ds.CapacityMiB == 0 {
			ds.CapacityMiB = 100 << 20
		}
		ds.Hosts = slices.Clone(ds.Hosts)
		st.Datastores[ds.Name] = &ds
		return nil
	})
}

// AddVolume adds a volume.
func (s *Site) AddVolume(v Volume) {
	s.must("add volume "+v.Endpoint, func(st *state) error { return st.addVolume(v) })
}

func (s *state) addVolume(v Volume) error {
	if s.Volumes[v.Endpoint] != nil {
		return errors.New("it exists")
	}
	if s.Datastores[datastoreOf(v.Endpoint)] == nil {
		return fmt.Errorf("endpoint %q names no datastore of the site", v.Endpoint)
	}
	if v.Format == "" {
		v.Format = "flat"
	}
	s.putVolume(&v)
	return nil
}

// AddVM adds a VM and gives its id. Volumes that its disks point at and that do not exist
// are made.
func (s *Site) AddVM(vm VM) string {
	if vm.ID == "" {
		vm.ID = ID(vm.Name)
	}
	s.must("add VM "+vm.Name, func(st *state) error { return st.addVM(vm) })
	return vm.ID
}

func (s *state) addVM(vm VM) error {
	if vm.Name == "" || s.VMs[vm.ID] != nil || s.index.vmNames[vm.Name] != "" {
		return errors.New("no name, or it exists")
	}
	if s.Hosts[vm.Host] == nil {
		return fmt.Errorf("there is no host %q", vm.Host)
	}
	if vm.Power == "" {
		vm.Power = drivers.Off
	}
	if vm.Pool == "" {
		vm.Pool = poolOf(vm.Host)
	}
	vm.Disks, vm.NICs = maps.Clone(vm.Disks), maps.Clone(vm.NICs)
	for slot, d := range vm.Disks {
		if d.Endpoint != "" && s.Volumes[d.Endpoint] == nil {
			if err := s.addVolume(Volume{Endpoint: d.Endpoint, SizeMiB: 10 << 10}); err != nil {
				return err
			}
		}
		if d.Format == "" && d.Endpoint != "" {
			d.Format = s.Volumes[d.Endpoint].Format
		}
		if d.Bus == "" {
			d.Bus = "scsi"
		}
		vm.Disks[slot] = d
	}
	for slot, n := range vm.NICs {
		if !s.Networks[n.Network] {
			return fmt.Errorf("there is no network %q", n.Network)
		}
		if n.MAC == "" {
			n.MAC = macFor(vm.ID, slot)
		}
		if n.Model == "" {
			n.Model = "vmxnet3"
		}
		vm.NICs[slot] = n
	}
	if vm.Power == drivers.On && !vm.Template {
		vm.Power = drivers.Off
		if err := s.refusesOn(&vm); err != nil {
			return err
		}
		vm.Power = drivers.On
	}
	s.putVM(&vm)
	s.noteClashes(&vm)
	return nil
}

// AddReplica adds a replica, secondary, with the endpoints that replication writes.
// Volumes that do not exist are made.
func (s *Site) AddReplica(path string, volumes map[string]string) {
	s.must("add replica "+path, func(st *state) error {
		if st.Replicas[path] != nil {
			return errors.New("it exists")
		}
		for _, name := range sorted(volumes) {
			if st.Volumes[volumes[name]] == nil {
				if err := st.addVolume(Volume{Endpoint: volumes[name], SizeMiB: 10 << 10}); err != nil {
					return err
				}
			}
			st.Volumes[volumes[name]].Replica = path
		}
		st.Replicas[path] = &Replica{Path: path, Volumes: maps.Clone(volumes), Role: drivers.Secondary, Kept: map[string]Promotion{}}
		return nil
	})
}

// AddRestorePoint adds a restore point, newest last, with all volumes of the replica. An
// incomplete one lacks the last of them.
func (s *Site) AddRestorePoint(path, id string, at time.Time, complete bool) {
	s.must("add restore point "+id+" of "+path, func(st *state) error {
		r := st.Replicas[path]
		if r == nil {
			return errors.New("there is no such replica")
		}
		point := drivers.RestorePoint{ID: id, Time: at, Complete: complete, Volumes: map[string]string{}}
		names := sorted(r.Volumes)
		if !complete && len(names) > 0 {
			names = names[:len(names)-1]
		}
		for _, name := range names {
			base := r.Volumes[name]
			endpoint := base + "@" + id
			if err := st.addVolume(Volume{Endpoint: endpoint, Format: st.Volumes[base].Format, SizeMiB: 100}); err != nil {
				return err
			}
			point.Volumes[name] = endpoint
		}
		r.RestorePoints = append(r.RestorePoints, point)
		return nil
	})
}

// AddCallout adds a callout, undone.
func (s *Site) AddCallout(name string) {
	s.must("add callout "+name, func(st *state) error {
		if st.Callouts[name] != nil {
			return errors.New("it exists")
		}
		st.Callouts[name] = &Callout{Name: name}
		return nil
	})
}
