package sim

import (
	"slices"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// datastorePresence is whether a datastore is mounted, and on which hosts.
type datastorePresence struct{ base }

type datastoreRest struct {
	Hosts []string `json:"hosts"`
}

func (a *datastorePresence) datastore(st *state) (*Datastore, error) {
	ds := st.Datastores[a.c.Property.Target]
	if ds == nil {
		return nil, a.fail.notFound("", "there is no datastore %s", a.c.Property.Target)
	}
	return ds, nil
}

func (a *datastorePresence) observe(st *state) (drivers.Value, error) {
	ds, err := a.datastore(st)
	if err != nil {
		return drivers.Value{}, err
	}
	text := drivers.Present
	if len(ds.Hosts) == 0 {
		text = drivers.Absent
	}
	hosts := slices.Sorted(slices.Values(ds.Hosts))
	if hosts == nil {
		hosts = []string{}
	}
	return drivers.Value{Text: text, Rest: rest(map[string]any{"lun": ds.LUN, "hosts": hosts})}, nil
}

func (a *datastorePresence) half(st *state) *Half {
	if ds := st.Datastores[a.c.Property.Target]; ds != nil {
		return ds.Half
	}
	return nil
}

// hosts gives the hosts that shall have it mounted.
func (a *datastorePresence) hosts(st *state) ([]string, error) {
	if a.c.Goal.Text == drivers.Absent {
		return nil, nil
	}
	var r datastoreRest
	if err := readRest(a.c.Goal.Rest, &r); err != nil {
		return nil, a.fail.invalid("%w", err)
	}
	if len(r.Hosts) > 0 {
		return r.Hosts, nil
	}
	var all []string
	for _, name := range sorted(st.Hosts) {
		if !st.Hosts[name].Disconnected {
			all = append(all, name)
		}
	}
	return all, nil
}

func (a *datastorePresence) reached(st *state, have drivers.Value) bool {
	want, err := a.hosts(st)
	if err != nil || !matches(have, a.c.Goal) {
		return false
	}
	for _, h := range want {
		if !contains(st.Datastores[a.c.Property.Target].Hosts, h) {
			return false
		}
	}
	return true
}

func (a *datastorePresence) start(st *state, have drivers.Value, _ time.Time) (time.Duration, error) {
	ds, err := a.datastore(st)
	if err != nil {
		return 0, err
	}
	want, err := a.hosts(st)
	if err != nil {
		return 0, err
	}
	for _, name := range want {
		if st.Hosts[name] == nil {
			return 0, a.fail.notFound("", "there is no host %s", name)
		}
	}
	if err := a.refusesUnmount(st, ds, want); err != nil {
		return 0, err
	}
	ds.Half = a.mark(ds.Half, have)
	if len(want) == 0 {
		ds.Hosts = ds.Hosts[:len(ds.Hosts)/2]
	} else {
		ds.Hosts = slices.Clone(want[:(len(want)+1)/2])
	}
	return st.Latency.Datastore, nil
}

func (a *datastorePresence) finish(st *state, _ time.Time) error {
	ds, err := a.datastore(st)
	if err != nil {
		return err
	}
	want, err := a.hosts(st)
	if err != nil {
		return err
	}
	if err := a.refusesUnmount(st, ds, want); err != nil {
		return err
	}
	ds.Hosts, ds.Half = slices.Clone(want), nil
	return nil
}

// refusesUnmount refuses to take a datastore from a VM that is on.
func (a *datastorePresence) refusesUnmount(st *state, ds *Datastore, want []string) error {
	for _, endpoint := range sorted(st.index.users) {
		if datastoreOf(endpoint) != ds.Name {
			continue
		}
		for _, id := range sorted(st.index.users[endpoint]) {
			if vm := st.VMs[id]; vm.Power != drivers.Off && !contains(want, vm.Host) {
				return a.fail.refused("power it off first", "%s on %s runs on it", vm.Name, vm.Host)
			}
		}
	}
	return nil
}
