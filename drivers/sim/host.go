package sim

import (
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// hostOf is the host that a VM is registered on.
type hostOf struct{ base }

type hostRest struct {
	Pool *string `json:"pool"`
}

func (a *hostOf) observe(st *state) (drivers.Value, error) {
	vm, err := a.vm(st)
	if err != nil {
		return drivers.Value{}, err
	}
	return drivers.Value{Text: vm.Host, Rest: rest(map[string]any{"pool": vm.Pool})}, nil
}

func (a *hostOf) half(st *state) *Half {
	if vm := st.VMs[a.c.Property.Target]; vm != nil {
		return vm.HalfHost
	}
	return nil
}

func (a *hostOf) refuses(st *state, vm *VM) error {
	host := st.Hosts[a.c.Goal.Text]
	switch {
	case host == nil:
		return a.fail.notFound("", "there is no host %s", a.c.Goal.Text)
	case vm.Power != drivers.Off:
		return a.fail.refused("power the VM off first", "%s is %s", vm.Name, vm.Power)
	case host.Maintenance:
		return a.fail.refused("choose another host", "host %s is in maintenance", host.Name)
	case host.Disconnected:
		return a.fail.refused("choose another host", "host %s is disconnected", host.Name)
	}
	return nil
}

func (a *hostOf) start(st *state, have drivers.Value, _ time.Time) (time.Duration, error) {
	vm, err := a.vm(st)
	if err != nil {
		return 0, err
	}
	if err := a.refuses(st, vm); err != nil {
		return 0, err
	}
	var r hostRest
	if err := readRest(a.c.Goal.Rest, &r); err != nil {
		return 0, a.fail.invalid("%w", err)
	}
	vm.HalfHost = a.mark(vm.HalfHost, have)
	vm.MovingTo = a.c.Goal.Text // registered there as well, and not yet removed here
	return st.Latency.Host, nil
}

func (a *hostOf) finish(st *state, _ time.Time) error {
	vm, err := a.vm(st)
	if err != nil {
		return err
	}
	if err := a.refuses(st, vm); err != nil {
		return err
	}
	var r hostRest
	if err := readRest(a.c.Goal.Rest, &r); err != nil {
		return a.fail.invalid("%w", err)
	}
	st.edit(vm, func(vm *VM) {
		if vm.Host != a.c.Goal.Text {
			vm.Pool = poolOf(a.c.Goal.Text)
		}
		vm.Host, vm.MovingTo, vm.HalfHost = a.c.Goal.Text, "", nil
		give(&vm.Pool, r.Pool)
	})
	return nil
}

// poolOf is the resource pool that a host has of itself.
func poolOf(host string) string { return host + "/pool" }
