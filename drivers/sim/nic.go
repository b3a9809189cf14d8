package sim

import (
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// nic is the network that one NIC of a VM is on.
type nic struct{ base }

type nicRest struct {
	MAC          *string `json:"mac"`
	Model        *string `json:"model"`
	Disconnected *bool   `json:"disconnected"`
}

func (a *nic) slot(st *state) (*VM, NIC, error) {
	vm, err := a.vm(st)
	if err != nil {
		return nil, NIC{}, err
	}
	n, ok := vm.NICs[a.c.Property.Slot]
	if !ok {
		return nil, NIC{}, a.fail.notFound("", "%s has no NIC slot %s", vm.Name, a.c.Property.Slot)
	}
	return vm, n, nil
}

func (a *nic) observe(st *state) (drivers.Value, error) {
	_, n, err := a.slot(st)
	if err != nil {
		return drivers.Value{}, err
	}
	return drivers.Value{Text: n.Network, Rest: rest(map[string]any{
		"mac": n.MAC, "model": n.Model, "disconnected": n.Disconnected,
	})}, nil
}

func (a *nic) half(*state) *Half { return nil }

func (a *nic) start(st *state, _ drivers.Value, _ time.Time) (time.Duration, error) {
	vm, _, err := a.slot(st)
	if err != nil {
		return 0, err
	}
	if err := a.reachableHost(st, vm); err != nil {
		return 0, err
	}
	var r nicRest
	if err := readRest(a.c.Goal.Rest, &r); err != nil {
		return 0, a.fail.invalid("%w", err)
	}
	if !st.Networks[a.c.Goal.Text] {
		return 0, a.fail.notFound("make the network again at the site", "there is no network %s", a.c.Goal.Text)
	}
	if vm.Power == drivers.On && !contains(st.Hosts[vm.Host].Networks, a.c.Goal.Text) {
		return 0, a.fail.refused("choose another network, or move the VM", "host %s does not reach network %s", vm.Host, a.c.Goal.Text)
	}
	return st.Latency.NIC, nil
}

func (a *nic) finish(st *state, _ time.Time) error {
	vm, n, err := a.slot(st)
	if err != nil {
		return err
	}
	var r nicRest
	if err := readRest(a.c.Goal.Rest, &r); err != nil {
		return a.fail.invalid("%w", err)
	}
	n.Network = a.c.Goal.Text
	give(&n.MAC, r.MAC)
	give(&n.Model, r.Model)
	give(&n.Disconnected, r.Disconnected)
	st.edit(vm, func(vm *VM) { vm.NICs[a.c.Property.Slot] = n })
	st.noteClashes(vm)
	return nil
}
