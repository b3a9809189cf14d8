package plan

import (
	"fmt"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/place"
	"github.com/hotspare/hotspare/scheduler/preempt"
)

// Refused is why no plan is made: asking again does not help before something else is
// changed, which Next names.
type Refused struct {
	Reason string
	Next   string
}

// Error gives "reason; next".
func (r *Refused) Error() string {
	if r.Next == "" {
		return r.Reason
	}
	return r.Reason + "; " + r.Next
}

// Waits is why no plan can be made yet: the request keeps its place in the queue.
type Waits struct{ Reason string }

// Error gives the reason.
func (w *Waits) Error() string { return w.Reason }

// Already is why no plan is needed: a run does, or did, what was asked.
type Already struct {
	Run    string // that run
	Reason string
}

// Error gives the reason.
func (a *Already) Error() string { return a.Reason }

// Request is what a person, or a trigger, asks for a protection group.
type Request struct {
	Group  string
	By     string
	Reason string
	// DeclaredDeadBy is the operator who says that production is dead.
	DeclaredDeadBy string
	// RestorePoint to promote; empty: the newest complete one.
	RestorePoint string
	// Kept names kept writes to promote instead of a restore point.
	Kept string
	// Writes is the word on what production wrote here, for a revert.
	Writes scheduler.WritesWord
}

// Reclaim plans to bring a group's VMs back to standby and to free the room that they
// need: the workspaces in the way go down, and nothing is deleted.
func Reclaim(snap *scheduler.Snapshot, req Request) (*scheduler.Plan, error) {
	group, err := findGroup(snap, req.Group)
	if err != nil {
		return nil, err
	}
	switch state := snap.State.GroupState(group.Name); state {
	case scheduler.GroupReclaimed, scheduler.GroupFailing, scheduler.GroupProduces:
		holders := snap.State.HoldersOf(group.Name)
		run := holders[len(holders)-1].ID
		return nil, &Already{Run: run, Reason: fmt.Sprintf("%s is %s already, by run %s", group.Name, state, run)}
	}
	b := newBuilder(snap, &scheduler.Plan{Verb: scheduler.Reclaim, Group: group.Name, By: req.By, Reason: req.Reason, RTO: group.RTO})
	g, err := b.prepare(group)
	if err != nil {
		return nil, err
	}
	b.reclaim(g)
	return b.finish(), nil
}

// Failover plans to start production on a group's standby VMs. Where the group was not
// reclaimed before, that is part of the plan. Without a person who declares production
// dead the plan is made, but [scheduler.Plan.Missing] says that it cannot run.
func Failover(snap *scheduler.Snapshot, req Request) (*scheduler.Plan, error) {
	group, err := findGroup(snap, req.Group)
	if err != nil {
		return nil, err
	}
	switch state := snap.State.GroupState(group.Name); state {
	case scheduler.GroupFailing, scheduler.GroupProduces:
		holders := snap.State.HoldersOf(group.Name)
		run := holders[len(holders)-1].ID
		return nil, &Already{Run: run, Reason: fmt.Sprintf("%s is %s already, by run %s; to start anew, first: hotspare revert %s", group.Name, state, run, group.Name)}
	}
	b := newBuilder(snap, &scheduler.Plan{
		Verb: scheduler.Failover, Group: group.Name, By: req.By, Reason: req.Reason, RTO: group.RTO,
		DeclaredDeadBy: req.DeclaredDeadBy,
	})
	if req.DeclaredDeadBy == "" {
		b.plan.Missing = fmt.Sprintf("nobody has declared production of %s dead; once it cannot write any more: hotspare failover %s --declared-dead-by NAME", group.Name, group.Name)
	}
	g, err := b.prepare(group)
	if err != nil {
		return nil, err
	}
	b.reclaim(g)
	if err := b.failover(g, req); err != nil {
		return nil, err
	}
	return b.finish(), nil
}

func findGroup(snap *scheduler.Snapshot, name string) (*scheduler.Group, error) {
	if group := snap.Site.Group(name); group != nil {
		return group, nil
	}
	return nil, &Refused{Reason: fmt.Sprintf("there is no protection group %q", name), Next: "see: hotspare group list"}
}

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
		g.vms = append(g.vms, standby{vm, item, power})
		b.ready[power] = readiness{vm.Start, vm.Ready}
	}
	return g, nil
}

// reclaim writes the run's layers over the victims and over the group's own VMs.
func (b *builder) reclaim(g *groupAt) {
	must, needs := map[string]string{}, []place.Need(nil)
	for _, vm := range g.vms {
		for _, p := range b.snap.State.Stacks.OfTarget(vm.power) {
			for _, layer := range b.snap.State.Stacks[p].Layers {
				if b.snap.State.Workspaces[string(layer.Holder)] != nil {
					must[string(layer.Holder)] = fmt.Sprintf("a copy of %s on its standby VMs", g.Name)
				}
			}
		}
		needs = append(needs, place.Need{VM: vm.power, Name: vm.Name, Cluster: vm.Cluster, Host: vm.item.Host, Size: place.SizeOf(vm.item)})
		b.plan.Claims = append(b.plan.Claims, scheduler.Claim{Group: g.Name, VM: vm.power, Host: vm.item.Host, Size: place.SizeOf(vm.item)})
	}
	chosen := preempt.Choose(b.snap, place.Rooms(b.snap), g.Name, needs, must)
	b.plan.Victims, b.plan.Notes = chosen.Victims, append(b.plan.Notes, chosen.Short...)
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
		for _, p := range b.snap.State.Stacks.OfTarget(vm.power) {
			if p.Name == drivers.Disk || p.Name == drivers.NIC {
				b.put(p, holder, scheduler.FoundGoal)
			}
		}
	}
	b.dedupe()
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
	if err := b.settled(g); err != nil {
		return err
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

// Revert plans to take out all that was done for a group: production goes off, disks and
// networks go back, replicas are demoted, and the workspaces come back where there is
// room; the others stay parked and keep their place.
func Revert(snap *scheduler.Snapshot, req Request) (*scheduler.Plan, error) {
	if snap.Site.Group(req.Group) == nil && len(snap.State.HoldersOf(req.Group)) == 0 {
		_, err := findGroup(snap, req.Group)
		return nil, err
	}
	holders := snap.State.HoldersOf(req.Group)
	if len(holders) == 0 {
		return nil, &Refused{Reason: fmt.Sprintf("nothing is held for %s: it was not reclaimed or failed over", req.Group), Next: "see: hotspare group show " + req.Group}
	}
	b := newBuilder(snap, &scheduler.Plan{Verb: scheduler.Revert, Group: req.Group, By: req.By, Reason: req.Reason, Writes: req.Writes})
	for _, run := range holders {
		holder := scheduler.RunHolder(run.ID, req.Group)
		for _, p := range snap.State.Stacks.HeldBy(holder) {
			b.drop(p, holder)
		}
	}
	b.comeBack()
	p := b.finish()
	if b.home != nil && req.Writes.What == "" {
		p.Missing = fmt.Sprintf("production of %s wrote here, and nobody has said what becomes of it; say: hotspare revert %s --writes kept --by NAME (they stay here by name), or --writes home --by NAME (they were brought home)", req.Group, req.Group)
	}
	return p, nil
}

// comeBack lets the workspaces come back that no run covers any more, oldest first.
func (b *builder) comeBack() {
	state := *b.snap.State
	state.Stacks = b.after
	snap := *b.snap
	snap.State = &state
	for _, w := range state.SortedWorkspaces() {
		if w.Covered.IsZero() || w.Gone || w.Expired || w.Returning || state.Covers(w.Holder()) {
			continue
		}
		held := b.after.HeldBy(w.Holder())
		for _, p := range held {
			b.touch(p)
		}
		if reason := room(&snap, w, held); reason != "" {
			b.plan.Returning = append(b.plan.Returning, scheduler.Victim{Workspace: w.ID, Stays: true, Why: reason})
			for _, p := range held {
				if p.Name == drivers.Power {
					b.put(p, w.Holder(), scheduler.Literal(drivers.Off))
				}
			}
			continue
		}
		for _, p := range held {
			if p.Name == drivers.Power && b.after[p].Of(w.Holder()).Goal.Text() != drivers.On {
				b.put(p, w.Holder(), scheduler.Literal(drivers.On))
			}
		}
		b.plan.Returning = append(b.plan.Returning, scheduler.Victim{Workspace: w.ID, Why: "comes back"})
	}
}

// room says why a workspace cannot come back now; empty where it can. What is wanted on
// counts, and what only stands does not: it is on its way down.
func room(snap *scheduler.Snapshot, w *scheduler.Workspace, held []drivers.Property) string {
	var needs []place.Need
	rooms := place.Rooms(snap)
	for _, p := range held {
		if p.Name != drivers.Power {
			continue
		}
		for key, r := range rooms {
			for _, use := range r.Uses {
				if use.VM == p {
					needs = append(needs, place.Need{VM: p, Name: use.Name, Cluster: key.Cluster, Host: key.Host, Size: use.Size})
				}
			}
		}
	}
	if len(needs) == 0 {
		return "its VMs' hosts are gone or in maintenance"
	}
	_, err := place.Fit(rooms, needs, func(u place.Use) bool {
		return u.Workspace != w.ID && (u.Wanted || u.Claim != "")
	})
	if err != nil {
		return "waits for room: " + err.Error()
	}
	return ""
}

// MaxInventoryAge is how old the inventory may be that lending rests on.
const MaxInventoryAge = 5 * time.Minute
