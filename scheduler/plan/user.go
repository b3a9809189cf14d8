package plan

import (
	"fmt"
	"slices"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// user is who uses a VM now.
type user int

const (
	nobody user = iota
	workspace
	production
)

// userOf tells whose guest may be running on the VM. A VM that was made is a
// workspace's. What the disks of a standby VM show decides next: its layers may be gone,
// or others lie there, while the guest still runs. Only where they show neither a clone
// nor a promoted volume, the newest layer that asked for on tells.
func (b *builder) userOf(power drivers.Property) user {
	stacks := b.snap.State.Stacks
	if stacks.IsMade(power) {
		return workspace
	}
	for _, p := range b.snap.OfTarget(power) {
		if p.Name != drivers.Disk {
			continue
		}
		for _, value := range stacks[p].Expected() {
			if user := b.madeFor(endpoint{p.Cluster, value.Text}); user != nobody {
				return user
			}
		}
	}
	stack := stacks[power]
	if stack == nil {
		return nobody
	}
	for _, layer := range slices.Backward(stack.Layers) {
		if layer.Goal.Value == nil || layer.Goal.Value.Text != drivers.On {
			continue
		}
		if b.snap.State.Workspaces[string(layer.Holder)] != nil {
			return workspace
		}
		return production
	}
	return nobody
}

// madeFor tells whose data an endpoint is: a clone is a workspace's, what a promotion
// made is production's.
func (b *builder) madeFor(e endpoint) user {
	if b.shows == nil {
		b.shows = map[endpoint]user{}
		for p, stack := range b.snap.State.Stacks {
			whose := workspace
			if p.Kind == drivers.Replica {
				whose = production
			}
			if stack.Stands != nil {
				for _, text := range stack.Stands.Made {
					b.shows[endpoint{p.Cluster, text}] = whose
				}
			}
		}
	}
	return b.shows[e]
}

// ownerOf names the holder whose goal the property gets.
func (b *builder) ownerOf(p drivers.Property) scheduler.Holder {
	stack := b.after[p]
	if n := len(stack.Layers); n > 0 {
		return stack.Layers[n-1].Holder
	}
	if before := b.snap.State.Stacks[p]; before != nil && len(before.Layers) > 0 {
		return before.Layers[0].Holder
	}
	return scheduler.Holder(b.plan.Workspace)
}

// stands tells people what is at the site before, and for whom.
func (b *builder) stands(p drivers.Property) string {
	stack := b.snap.State.Stacks[p]
	if stack == nil || stack.Stands == nil {
		return b.listed(p)
	}
	if n := len(stack.Layers); n > 0 && !stack.Layers[n-1].Goal.Found {
		return fmt.Sprintf("%s (%s)", stack.Stands.Text, stack.Layers[n-1].Holder)
	}
	return stack.Stands.Text
}

// listed is what the inventory says.
func (b *builder) listed(p drivers.Property) string {
	inv := b.snap.Inventory[p.Cluster]
	if inv == nil || p.Kind != drivers.VM {
		return ""
	}
	switch vm := inv.VMs[p.Target]; p.Name {
	case drivers.Power:
		return vm.Power
	case drivers.Disk:
		return vm.Disks[p.Slot]
	case drivers.NIC:
		return vm.NICs[p.Slot]
	default:
		return ""
	}
}

// text tells people what a goal comes to.
func (b *builder) text(p drivers.Property, goal scheduler.Goal) string {
	if value, known := b.after.Resolve(p, goal); known {
		return value.Text
	}
	return goal.Text()
}
