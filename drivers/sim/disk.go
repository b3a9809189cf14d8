package sim

import (
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// disk is what lies in one disk slot of a VM.
type disk struct{ base }

type diskRest struct {
	Bus       *string `json:"bus"`
	Serial    *string `json:"serial"`
	Cache     *string `json:"cache"`
	Format    *string `json:"format"`
	BootOrder *int    `json:"bootOrder"`
}

func (a *disk) slot(st *state) (*VM, Disk, error) {
	vm, err := a.vm(st)
	if err != nil {
		return nil, Disk{}, err
	}
	d, ok := vm.Disks[a.c.Property.Slot]
	if !ok {
		return nil, Disk{}, a.fail.notFound("", "%s has no disk slot %s", vm.Name, a.c.Property.Slot)
	}
	return vm, d, nil
}

func (a *disk) observe(st *state) (drivers.Value, error) {
	_, d, err := a.slot(st)
	if err != nil {
		return drivers.Value{}, err
	}
	return drivers.Value{Text: d.Endpoint, Rest: rest(map[string]any{
		"bus": d.Bus, "serial": d.Serial, "cache": d.Cache, "format": d.Format, "bootOrder": d.BootOrder,
	})}, nil
}

func (a *disk) half(st *state) *Half {
	if _, d, err := a.slot(st); err == nil {
		return d.Half
	}
	return nil
}

// refuses says what stands in the way of swapping.
func (a *disk) refuses(st *state, vm *VM) error {
	v := st.Volumes[a.c.Goal.Text]
	switch {
	case vm.Power != drivers.Off:
		return a.fail.refused("power the VM off first", "%s is %s", vm.Name, vm.Power)
	case vm.Snapshots > 0:
		return a.fail.refused("delete the snapshots", "%s has %d snapshots", vm.Name, vm.Snapshots)
	case v == nil:
		return a.fail.notFound("", "there is no volume %s", a.c.Goal.Text)
	case len(st.Datastores[datastoreOf(v.Endpoint)].Hosts) == 0:
		return a.fail.refused("mount the datastore again", "datastore %s, where %s lies, is not mounted", datastoreOf(v.Endpoint), v.Endpoint)
	case v.Half != nil:
		return a.fail.refused("apply its change again", "volume %s is half-made", a.c.Goal.Text)
	}
	return nil
}

func (a *disk) start(st *state, have drivers.Value, _ time.Time) (time.Duration, error) {
	vm, d, err := a.slot(st)
	if err != nil {
		return 0, err
	}
	if err := a.reachableHost(st, vm); err != nil {
		return 0, err
	}
	if err := a.refuses(st, vm); err != nil {
		return 0, err
	}
	var r diskRest
	if err := readRest(a.c.Goal.Rest, &r); err != nil {
		return 0, a.fail.invalid("%w", err)
	}
	d.Half = a.mark(d.Half, have)
	d.Endpoint = "" // detached, and not yet attached again
	st.edit(vm, func(vm *VM) { vm.Disks[a.c.Property.Slot] = d })
	return st.Latency.Disk, nil
}

func (a *disk) finish(st *state, _ time.Time) error {
	vm, d, err := a.slot(st)
	if err != nil {
		return err
	}
	if err := a.refuses(st, vm); err != nil {
		return err
	}
	var r diskRest
	if err := readRest(a.c.Goal.Rest, &r); err != nil {
		return a.fail.invalid("%w", err)
	}
	d.Half, d.Endpoint, d.Format = nil, a.c.Goal.Text, st.Volumes[a.c.Goal.Text].Format
	give(&d.Bus, r.Bus)
	give(&d.Serial, r.Serial)
	give(&d.Cache, r.Cache)
	give(&d.Format, r.Format)
	give(&d.BootOrder, r.BootOrder)
	st.edit(vm, func(vm *VM) { vm.Disks[a.c.Property.Slot] = d })
	return nil
}

// give sets what a rest names and leaves the others.
func give[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}
