// Package place decides where there is room: how much each host has, who uses it, and on
// which hosts new VMs go. It is pure: a snapshot in, an answer out.
package place

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// HostKey names a host at a site.
type HostKey struct{ Cluster, Host string }

// Use is one VM's use of a host.
type Use struct {
	VM   drivers.Property // its power
	Name string
	Size scheduler.Size
	// Stands: it is on now, or a change may have left it on.
	Stands bool
	// Wanted: the top of its stack asks for on. A VM that nobody has a layer on is
	// wanted as it stands.
	Wanted bool
	// Workspace that wants it on, whatever lies above; empty where none does.
	Workspace string
	// Claim is the group that has a right to this room.
	Claim string
	// Goes: nobody wants it on, and a run takes it down that may cut it off.
	Goes bool
}

// Counts reports whether the use takes room now or will.
func (u Use) Counts() bool { return u.Stands || u.Wanted || u.Claim != "" }

// Room is what a host has and who uses it.
type Room struct {
	Key      HostKey
	Capacity scheduler.Size // what may be used, the cluster's ratios applied
	Floor    scheduler.Size // the part of it that is never lent; production may use it
	Uses     []Use          // sorted by name
	Reach    drivers.HostItem
}

// Free is the capacity less every use for which keep answers true. It is below zero
// where more is used than there is.
func (r *Room) Free(keep func(Use) bool) scheduler.Size {
	free := r.Capacity
	for _, use := range r.Uses {
		if keep(use) {
			free = free.Minus(use.Size)
		}
	}
	return free
}

// Rooms gives the room of every host that can run VMs: connected, not in
// maintenance and not drained.
func Rooms(snap *scheduler.Snapshot) map[HostKey]*Room {
	rooms := map[HostKey]*Room{}
	for cluster, inv := range snap.Inventory {
		rules := scheduler.RoomRules{CPURatio: 4, MemoryRatio: 1}
		if c := snap.Site.Cluster(cluster); c != nil {
			rules = c.Room
		}
		for name, host := range inv.Hosts {
			if host.Maintenance || !host.Connected || snap.State.DrainOf(cluster, name) != nil {
				continue
			}
			key, memory := HostKey{cluster, name}, float64(host.MemoryMiB)*rules.MemoryRatio
			rooms[key] = &Room{Key: key, Reach: host,
				Capacity: scheduler.Size{CPUs: float64(host.CPUs) * rules.CPURatio, MemoryMiB: int64(memory)},
				Floor:    scheduler.Size{MemoryMiB: int64(memory * rules.FloorMemory)},
			}
		}
	}
	for _, use := range uses(snap) {
		if room := rooms[use.host]; room != nil {
			room.Uses = append(room.Uses, use.Use)
		}
	}
	for _, room := range rooms {
		slices.SortFunc(room.Uses, func(a, b Use) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), scheduler.CompareProperties(a.VM, b.VM))
		})
	}
	return rooms
}

// OutOfUse says why a host has no room at all: it "is drained (memory errors)".
func OutOfUse(snap *scheduler.Snapshot, key HostKey) string {
	var host drivers.HostItem
	listed := false
	if inv := snap.Inventory[key.Cluster]; inv != nil {
		host, listed = inv.Hosts[key.Host]
	}
	switch drained := snap.State.DrainOf(key.Cluster, key.Host); {
	case drained != nil:
		return fmt.Sprintf("is drained (%s)", drained.Reason)
	case !listed:
		return "is gone from the inventory"
	case host.Maintenance:
		return "is in maintenance"
	default:
		return "is not connected"
	}
}

type placedUse struct {
	Use
	host HostKey
}

// uses lists every VM: those that the inventory has, those that are being made or taken
// away, and those that a group has a claim for, whether the inventory has them or not.
func uses(snap *scheduler.Snapshot) []placedUse {
	claims := map[drivers.Property]scheduler.Claim{}
	for _, claim := range snap.State.Claims() {
		claims[claim.VM] = claim
	}
	var all []placedUse
	add := func(use Use, host HostKey) {
		use.Claim = claims[use.VM].Group
		delete(claims, use.VM)
		overlay(snap.State, &use)
		all = append(all, placedUse{use, host})
	}
	for cluster, inv := range snap.Inventory {
		for id, vm := range inv.VMs {
			if vm.Template {
				continue
			}
			power := scheduler.Power(cluster, id)
			use := Use{VM: power, Name: vm.Name, Size: SizeOf(vm), Stands: vm.Power == drivers.On, Wanted: vm.Power == drivers.On}
			add(use, HostKey{cluster, vm.Host})
		}
	}
	for p := range snap.State.Stacks {
		if p.Name != drivers.Presence {
			continue
		}
		spec := snap.State.Stacks.SpecOf(p)
		if spec == nil || listed(snap, p) {
			continue
		}
		add(Use{VM: p.On(drivers.Power, ""), Name: spec.Name,
			Size: scheduler.Size{CPUs: float64(spec.CPUs), MemoryMiB: spec.MemoryMiB}}, HostKey{p.Cluster, spec.Host})
	}
	for _, claim := range claims { // whatever is left
		add(Use{VM: claim.VM, Name: claim.Name, Size: claim.Size}, HostKey{claim.VM.Cluster, claim.Host})
	}
	return all
}

func listed(snap *scheduler.Snapshot, p drivers.Property) bool {
	inv := snap.Inventory[p.Cluster]
	if inv == nil {
		return false
	}
	_, ok := inv.VMs[p.Target]
	return ok
}

// overlay corrects what the inventory said by what the journal knows.
func overlay(state *scheduler.State, use *Use) {
	stack := state.Stacks[use.VM]
	if stack == nil {
		return
	}
	if stack.Stands != nil {
		use.Stands = stack.MayBe(drivers.On)
	}
	if wanted, known := state.Stacks.Wanted(use.VM); known {
		use.Wanted = wanted.Text == drivers.On
	} else if len(stack.Layers) == 0 && state.Stacks.IsMade(use.VM) {
		use.Wanted = false // it is being taken away
	}
	for _, layer := range stack.Layers {
		if w := state.Workspaces[string(layer.Holder)]; w != nil && layer.Goal.Value != nil && layer.Goal.Value.Text == drivers.On {
			use.Workspace = w.ID
		}
	}
	use.Goes = use.Stands && !use.Wanted && use.Claim == "" && use.Workspace == "" && goes(state, use.VM)
}

// goes reports whether a run takes the VM down, and may cut it off. Production may stay on
// for as long as its guest likes, and what no run takes down stays on.
func goes(state *scheduler.State, power drivers.Property) bool {
	for _, run := range state.RunningRuns() {
		for i := range run.Plan.Steps {
			step, how := &run.Plan.Steps[i], run.Steps[i].State
			if step.TurnsOff() && step.MayForce && step.Property == power && !how.Over() && how != scheduler.StepHeld {
				return true
			}
		}
	}
	return false
}

// SizeOf gives the size of a VM.
func SizeOf(vm drivers.VMItem) scheduler.Size {
	return scheduler.Size{CPUs: float64(vm.CPUs), MemoryMiB: vm.MemoryMiB}
}

// Need is one VM that wants room on a host, or on any host of a cluster.
type Need struct {
	VM      drivers.Property // its power
	Name    string
	Cluster string
	Host    string // empty: any that reaches the networks
	Size    scheduler.Size
	Reach   []string // networks that the host must reach
}

// Counted is the rule for lending: whatever stands, is wanted or is claimed counts.
func Counted(u Use) bool { return u.Counts() }

// Unusable is the error of a need that no host can run at all now, however much is free.
type Unusable struct{ Reason string }

// Error gives the reason.
func (u *Unusable) Error() string { return u.Reason }

// Fit places what is to be lent into the rooms above their floors, in the order given,
// none of it counted twice with a use of the same VM. keep says which uses count. It gives
// each need's host, or an error that says in one sentence what is short: [*Unusable] where
// no room is at fault. Hosts are chosen by most memory free, then by name, so that results
// repeat.
func Fit(rooms map[HostKey]*Room, needs []Need, keep func(Use) bool) ([]string, error) {
	moving := map[drivers.Property]bool{}
	for _, need := range needs {
		moving[need.VM] = true
	}
	free := map[HostKey]scheduler.Size{}
	for key, room := range rooms {
		free[key] = room.Free(func(u Use) bool { return !moving[u.VM] && keep(u) }).Minus(room.Floor)
	}
	hosts := make([]string, len(needs))
	for i, need := range needs {
		key, err := choose(rooms, free, need)
		if err != nil {
			return nil, err
		}
		free[key] = free[key].Minus(need.Size)
		hosts[i] = key.Host
	}
	return hosts, nil
}

func choose(rooms map[HostKey]*Room, free map[HostKey]scheduler.Size, need Need) (HostKey, error) {
	var candidates []HostKey
	for key, room := range rooms {
		if key.Cluster == need.Cluster && (need.Host == "" || need.Host == key.Host) && Reaches(room.Reach, need.Reach...) {
			candidates = append(candidates, key)
		}
	}
	if len(candidates) == 0 {
		if need.Host != "" {
			return HostKey{}, unusable("host %s of %s is not usable now (gone, in maintenance, drained, or does not reach its networks)", need.Host, need.Name)
		}
		return HostKey{}, unusable("no host of cluster %s can run %s (gone, in maintenance, drained, or none reaches its networks)", need.Cluster, need.Name)
	}
	slices.SortFunc(candidates, func(a, b HostKey) int {
		return cmp.Or(cmp.Compare(free[b].MemoryMiB, free[a].MemoryMiB), cmp.Compare(a.Host, b.Host))
	})
	for _, key := range candidates {
		if need.Size.Fits(free[key]) {
			return key, nil
		}
	}
	best := candidates[0]
	return HostKey{}, fmt.Errorf("%s needs %s, and host %s has %s free", need.Name, Text(need.Size), best.Host, Text(free[best]))
}

func unusable(format string, args ...any) error { return &Unusable{fmt.Sprintf(format, args...)} }

// Reaches reports whether the host's VMs can be on all of these networks.
func Reaches(host drivers.HostItem, networks ...string) bool {
	for _, n := range networks {
		if !slices.Contains(host.Networks, n) {
			return false
		}
	}
	return true
}

// Text gives a size for people.
func Text(s scheduler.Size) string {
	return fmt.Sprintf("%.4g CPUs and %.4g GiB", max(s.CPUs, 0), max(float64(s.MemoryMiB), 0)/1024)
}
