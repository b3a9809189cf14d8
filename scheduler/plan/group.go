package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/place"
	"github.com/hotspare/hotspare/scheduler/preempt"
)

// groupAt is a group with its VMs found at the site.
type groupAt struct {
	*scheduler.Group
	vms []standby
}

type standby struct {
	*scheduler.StandbyVM
	item  drivers.VMItem
	power drivers.Property
}

func (b *builder) prepare(group *scheduler.Group) (*groupAt, error) {
	g := &groupAt{Group: group}
	for i := range group.VMs {
		vm := &group.VMs[i]
		item, err := b.snap.Inventory.Standby(vm)
		if err != nil {
			return nil, &Refused{Reason: fmt.Sprintf("protection group %s: %s", group.Name, err)}
		}
		power := scheduler.Power(vm.Cluster, item.ID)
		if run := b.producesFor(power, group.Name); run != nil {
			return nil, &Refused{Reason: fmt.Sprintf("%s of %s is on for production of %s, by run %s", vm.Name, group.Name, run.Plan.Group, run.ID),
				Next: "a VM belongs to one protection group: correct the configuration"}
		}
		g.vms = append(g.vms, standby{vm, item, power})
		b.ready[power] = readiness{vm.Start, vm.Ready}
	}
	slices.SortStableFunc(g.vms, func(x, y standby) int { return cmp.Compare(x.Start, y.Start) })
	return g, nil
}

// producesFor gives the run that has a VM on for another group; nil where none has. One VM
// can be in two groups by two names.
func (b *builder) producesFor(power drivers.Property, group string) *scheduler.Run {
	stack := b.snap.State.Stacks[power]
	if stack == nil {
		return nil
	}
	for _, run := range b.snap.State.Runs {
		layer := stack.Of(scheduler.RunHolder(run.ID, run.Plan.Group))
		if layer != nil && run.Plan.Group != group && layer.Goal.Value != nil && layer.Goal.Value.Text == drivers.On {
			return run
		}
	}
	return nil
}

// mapped refuses a group whose disks cannot all be told apart, or lead nowhere. Clones and
// promoted volumes are known by the names of their volumes.
func (g *groupAt) mapped() error {
	type named struct{ cluster, volume string }
	seen := map[named]string{}
	for _, vm := range g.vms {
		for _, disk := range vm.Disks {
			where := fmt.Sprintf("disk %s of %s", disk.Slot, vm.Name)
			replica := g.Replica(disk.Replica)
			if replica == nil {
				return &Refused{Reason: fmt.Sprintf("%s is mapped to replica %q, which %s does not have", where, disk.Replica, g.Name), Next: "correct it in the configuration"}
			}
			key := named{replica.Cluster, disk.Volume}
			if first := seen[key]; first != "" {
				return &Refused{Reason: fmt.Sprintf("%s and %s are both mapped to a volume %q", first, where, disk.Volume), Next: fmt.Sprintf("give each volume of %s a name of its own", g.Name)}
			}
			seen[key] = where
		}
	}
	return nil
}

// reclaim writes the run's layers over the victims and over the group's own VMs, and
// claims their room.
func (b *builder) reclaim(g *groupAt) {
	must, needs := map[string]string{}, []place.Need(nil)
	for _, vm := range g.vms {
		for _, id := range workspacesOn(b.snap, vm.power) {
			must[id] = fmt.Sprintf("a copy of %s on its standby VMs", g.Name)
		}
		if b.look(vm.power).standsOn && b.userOf(vm.power) == nobody {
			b.plan.Notes = append(b.plan.Notes, fmt.Sprintf("%s is on, and not by hotspare: it is asked to shut down, and not cut off", vm.Name))
		}
		needs = append(needs, place.Need{VM: vm.power, Name: vm.Name, Cluster: vm.Cluster, Host: vm.item.Host, Size: place.SizeOf(vm.item)})
	}
	rooms := place.Rooms(b.snap)
	b.hurry(rooms, needs)
	chosen := preempt.Choose(b.snap, rooms, g.Name, needs, must)
	b.plan.Victims, b.short = chosen.Victims, chosen.Short
	for _, need := range needs {
		short := chosen.Short[need.VM]
		b.plan.Claims = append(b.plan.Claims, scheduler.Claim{Group: g.Name, VM: need.VM, Name: need.Name, Host: need.Host, Size: need.Size, Short: short})
		if short != "" {
			b.plan.Notes = append(b.plan.Notes, short)
		}
	}
	holder := scheduler.RunHolder(b.plan.Run, g.Name)
	for _, victim := range b.plan.Victims {
		for _, p := range b.snap.State.Stacks.HeldBy(scheduler.Holder(victim.Workspace)) {
			if p.Kind == drivers.VM {
				b.put(p.On(drivers.Power, ""), holder, scheduler.Literal(drivers.Off))
			}
		}
	}
	for _, vm := range g.vms {
		b.put(vm.power, holder, scheduler.Literal(drivers.Off))
		for _, p := range b.snap.OfTarget(vm.power) {
			if p.Name == drivers.Disk || p.Name == drivers.NIC {
				b.put(p, holder, scheduler.FoundGoal)
			}
		}
	}
	b.dedupe()
}

// hurry takes over what another run is taking down on the hosts of the needs and may cut
// off, a workspace that was returned: its room is as good as free, and what starts there
// waits for it.
func (b *builder) hurry(rooms map[place.HostKey]*place.Room, needs []place.Need) {
	holder := scheduler.RunHolder(b.plan.Run, b.plan.Group)
	for _, need := range needs {
		room := rooms[place.HostKey{Cluster: need.Cluster, Host: need.Host}]
		if room == nil {
			continue
		}
		for _, use := range room.Uses {
			if use.Goes {
				b.put(use.VM, holder, scheduler.Literal(drivers.Off))
			}
		}
	}
}

// workspacesOn lists the workspaces that have a layer on a property of the VM.
func workspacesOn(snap *scheduler.Snapshot, power drivers.Property) []string {
	state := snap.State
	var ids []string
	for _, p := range snap.OfTarget(power) {
		for _, layer := range state.Stacks[p].Layers {
			if id := string(layer.Holder); state.Workspaces[id] != nil && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// dedupe keeps the last of several layers that one holder wrote on one property.
func (b *builder) dedupe() {
	last := map[scheduler.Drop]int{}
	for i, put := range b.plan.Puts {
		last[scheduler.Drop{Property: put.Property, Holder: put.Layer.Holder}] = i
	}
	kept := b.plan.Puts[:0]
	for i, put := range b.plan.Puts {
		if last[scheduler.Drop{Property: put.Property, Holder: put.Layer.Holder}] == i {
			kept = append(kept, put)
		}
	}
	b.plan.Puts = kept
}

// failover writes the run's layers for production over those of the reclaim.
func (b *builder) failover(g *groupAt, req Request) error {
	holder := scheduler.RunHolder(b.plan.Run, g.Name)
	for _, check := range []func(*groupAt) error{b.settled, (*groupAt).mapped, b.reached} {
		if err := check(g); err != nil {
			return err
		}
	}
	from, err := b.restoreFor(g, req)
	if err != nil {
		return err
	}
	b.plan.RestorePoint = from
	volumes := map[string][]string{}
	for _, vm := range g.vms {
		for _, disk := range vm.Disks {
			role := g.Replica(disk.Replica).Property()
			volumes[disk.Replica] = append(volumes[disk.Replica], disk.Volume)
			b.put(vm.power.On(drivers.Disk, disk.Slot), holder, scheduler.MadeBy(role, disk.Volume))
		}
		for _, nic := range vm.NICs {
			network := b.snap.Site.Network(nic.Production)
			b.put(vm.power.On(drivers.NIC, nic.Slot), holder, scheduler.Literal(network.PortGroup))
		}
		b.put(vm.power, holder, scheduler.Literal(drivers.On))
	}
	for _, replica := range g.Replicas {
		spec := &drivers.ReplicaSpec{RestorePoint: from.ID, Kept: from.Kept, As: string(holder), Volumes: volumes[replica.Name]}
		if from.Kept != "" {
			spec.RestorePoint = ""
		}
		b.put(replica.Property(), holder, scheduler.Goal{Value: &drivers.Value{
			Text: drivers.Primary, Spec: &drivers.Spec{Replica: spec}}})
	}
	b.dedupe()
	return nil
}

// settled refuses to promote a replica on which an earlier failover's writes still stand:
// nobody has said yet what becomes of them.
func (b *builder) settled(g *groupAt) error {
	for _, replica := range g.Replicas {
		stack := b.snap.State.Stacks[replica.Property()]
		if stack == nil || !stack.MayBe(drivers.Primary) {
			continue
		}
		return &Refused{
			Reason: fmt.Sprintf("replica %s of %s is still promoted: the revert of its last failover has not come to the demotion", replica.Name, g.Name),
			Next:   "let it end (hotspare run list shows it, and whether a step is held), and ask again",
		}
	}
	return nil
}

// reached refuses to start production on a host that does not reach its networks.
func (b *builder) reached(g *groupAt) error {
	for _, vm := range g.vms {
		for _, nic := range vm.NICs {
			network := b.snap.Site.Network(nic.Production)
			if network == nil {
				return &Refused{Reason: fmt.Sprintf("NIC %s of %s is mapped to network %q, which the site does not have", nic.Slot, vm.Name, nic.Production), Next: "correct it in the configuration"}
			}
			host, listed := b.snap.Inventory[vm.Cluster].Hosts[vm.item.Host]
			if listed && !place.Reaches(host, network.PortGroup) {
				return &Refused{
					Reason: fmt.Sprintf("host %s does not reach network %s, which NIC %s of %s is on in production", host.Name, network.PortGroup, nic.Slot, vm.Name),
					Next:   "connect the host to it, or register the VM on another",
				}
			}
		}
	}
	return nil
}
