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

// Lint names what the plan contains that a plan must never contain, one sentence each;
// nothing for a plan that may run. The snapshot is the one that the plan was made from.
func Lint(snap *scheduler.Snapshot, p *scheduler.Plan) []string {
	l := &linter{snap: snap, plan: p, after: snap.State.Stacks.Clone()}
	l.after.Accept(p)
	for _, rule := range []func(){l.graph, l.promotion, l.demotion, l.clones, l.networks, l.reversible, l.room, l.ours, l.preemption, l.loss} {
		rule()
	}
	return l.found
}

type linter struct {
	snap  *scheduler.Snapshot
	plan  *scheduler.Plan
	after scheduler.Stacks
	found []string
}

func (l *linter) say(format string, args ...any) {
	l.found = append(l.found, fmt.Sprintf(format, args...))
}

// graph: steps are numbered in order, and wait only for earlier ones.
func (l *linter) graph() {
	for i, step := range l.plan.Steps {
		if step.ID != i+1 {
			l.say("step %d stands in place %d", step.ID, i+1)
		}
		for _, before := range step.After {
			if before < 1 || before >= step.ID {
				l.say("step %d waits for step %d", step.ID, before)
			}
		}
	}
}

// before collects the steps that are over when this one begins.
func (l *linter) before(id int) map[int]bool {
	set := map[int]bool{}
	var walk func(int)
	walk = func(id int) {
		for _, a := range l.plan.Steps[id-1].After {
			if a >= 1 && a < id && !set[a] {
				set[a] = true
				walk(a)
			}
		}
	}
	walk(id)
	return set
}

func (l *linter) waitsForCheck(id int, kind string) bool {
	for before := range l.before(id) {
		if c := l.plan.Steps[before-1].Check; c != nil && c.Kind == kind && c.Word != "" {
			return true
		}
	}
	return false
}

// promotion: never before production is fenced, or declared dead by a named operator.
func (l *linter) promotion() {
	for _, step := range l.plan.Steps {
		if l.promotes(&step) && l.plan.Missing == "" && !l.waitsForCheck(step.ID, scheduler.CheckFenced) {
			l.say("step %d promotes %s before production is fenced or declared dead", step.ID, step.Target)
		}
	}
}

func (l *linter) promotes(step *scheduler.Step) bool {
	v := step.Goal.Value
	return step.IsChange() && step.Property.Name == drivers.Role && v != nil && v.Text == drivers.Primary
}

// demotion: never before the last writes are home, or a person said what becomes of them,
// and after power-off.
func (l *linter) demotion() {
	for _, step := range l.plan.Steps {
		if !step.IsChange() || step.Property.Name != drivers.Role || l.promotes(&step) || l.plan.Missing != "" {
			continue
		}
		if !l.waitsForCheck(step.ID, scheduler.CheckHome) {
			l.say("step %d demotes %s before its last writes are home, kept or discarded by a person", step.ID, step.Target)
		}
		before := l.before(step.ID)
		for _, off := range l.plan.Steps {
			if off.TurnsOff() && off.Production && !before[off.ID] {
				l.say("step %d demotes %s before %s is off", step.ID, step.Target, off.Target)
			}
		}
	}
}

// clones: a workspace's disk is a clone of a restore point, never the replica.
func (l *linter) clones() {
	for _, put := range l.plan.Puts {
		if put.Property.Name != drivers.Disk || l.snap.State.Workspaces[string(put.Layer.Holder)] == nil && l.plan.Verb != scheduler.Lend {
			continue
		}
		if made := put.Layer.Goal.Made; made == nil || made.By.Kind != drivers.Volume {
			l.say("%s of workspace %s would show %s, which is no clone", put.Property.Label(), put.Layer.Holder, put.Layer.Goal.Text())
		}
	}
}

// networks: a workspace is never on a production network, and never on one that another
// workspace has.
func (l *linter) networks() {
	if l.plan.Verb != scheduler.Lend {
		return
	}
	production, taken := map[string]bool{}, map[string]scheduler.Holder{}
	for _, n := range l.snap.Site.Networks {
		if n.Role == scheduler.ProductionNetwork {
			production[n.Cluster+"/"+n.PortGroup] = true
		}
	}
	for _, cluster := range l.snap.Site.Clusters {
		for _, network := range l.snap.Site.IsolatedAt(cluster.Name) {
			taken[cluster.Name+"/"+network] = ""
		}
	}
	for p, stack := range l.snap.State.Stacks {
		for _, layer := range stack.Layers {
			for _, network := range networksOf(p, layer.Goal) {
				if _, isolated := taken[p.Cluster+"/"+network]; isolated {
					taken[p.Cluster+"/"+network] = layer.Holder
				}
			}
		}
	}
	for _, put := range l.plan.Puts {
		for _, network := range networksOf(put.Property, put.Layer.Goal) {
			key := put.Property.Cluster + "/" + network
			if production[key] {
				l.say("workspace %s would be on production network %s", put.Layer.Holder, network)
			}
			if other := taken[key]; other != "" && other != put.Layer.Holder {
				l.say("workspace %s would be on network %s, which %s has", put.Layer.Holder, network, other)
			}
		}
	}
}

// networksOf lists the networks that a goal puts something on.
func networksOf(p drivers.Property, goal scheduler.Goal) []string {
	v := goal.Value
	switch {
	case v == nil:
	case p.Name == drivers.NIC:
		return []string{v.Text}
	case v.Spec != nil && v.Spec.VM != nil:
		var all []string
		for _, slot := range sortedNames(v.Spec.VM.Networks) {
			all = append(all, v.Spec.VM.Networks[slot])
		}
		return all
	}
	return nil
}

// reversible: what cannot be taken back says so.
func (l *linter) reversible() {
	for _, step := range l.plan.Steps {
		if !step.IsChange() || !l.plan.Verb.Urgent() {
			continue
		}
		for _, c := range l.snap.Drivers[step.Property.Cluster].Properties {
			if c.Kind == step.Property.Kind && c.Name == step.Property.Name && c.NotExact != "" && step.NotExact == "" {
				l.say("step %d cannot be taken back exactly, and does not say so", step.ID)
			}
		}
	}
}

// room: at no moment of any legal order does a host hold more than it has. A VM counts
// from the start of its on to the end of its off. What is shown is sufficient: on each
// host the steps that turn on can be put in an order in which each waits for all offs
// that those before it wait for, and the room freed by then is enough for all so far.
func (l *linter) room() {
	rooms := place.Rooms(l.snap)
	offs, ons := map[drivers.Property]int{}, map[place.HostKey][]*scheduler.Step{}
	for i := range l.plan.Steps {
		step := &l.plan.Steps[i]
		switch {
		case step.TurnsOff():
			offs[step.Property] = step.ID
		case step.TurnsOn():
			key := place.HostKey{Cluster: step.Property.Cluster, Host: step.Host}
			ons[key] = append(ons[key], step)
		}
	}
	for key, steps := range ons {
		if room := rooms[key]; room != nil {
			l.roomOn(room, steps, offs)
		}
	}
}

func (l *linter) roomOn(room *place.Room, steps []*scheduler.Step, offs map[drivers.Property]int) {
	stands := map[drivers.Property]bool{}
	free := room.Free(func(u place.Use) bool {
		stands[u.VM] = u.Stands
		return u.Stands
	})
	freedBy := func(step *scheduler.Step) (scheduler.Size, int) {
		before, freed, count := l.before(step.ID), scheduler.Size{}, 0
		for _, use := range room.Uses {
			again := slices.ContainsFunc(steps, func(s *scheduler.Step) bool { return s.Property == use.VM })
			if id, off := offs[use.VM]; off && use.Stands && !again && before[id] {
				freed, count = freed.Plus(use.Size), count+1
			}
		}
		return freed, count
	}
	ordered := slices.Clone(steps)
	slices.SortStableFunc(ordered, func(a, b *scheduler.Step) int {
		_, x := freedBy(a)
		_, y := freedBy(b)
		return cmp.Compare(x, y)
	})
	var need scheduler.Size
	for _, step := range ordered {
		if stands[step.Property] {
			continue // it keeps the room that it has
		}
		need = need.Plus(step.Size)
		freed, _ := freedBy(step)
		if !need.Fits(free.Plus(freed)) && !l.warned(room.Key.Host) {
			l.say("step %d may start %s while host %s is full", step.ID, step.Target, room.Key.Host)
		}
	}
}

// warned: the plan told that a host is short even with nothing lent; then it is for the
// hypervisor to refuse what does not fit.
func (l *linter) warned(host string) bool {
	return slices.ContainsFunc(l.plan.Notes, func(note string) bool {
		return len(note) > len("host "+host) && note[:len("host "+host)+1] == "host "+host+" "
	})
}

// ours: nothing is deleted that a holder did not make.
func (l *linter) ours() {
	for _, step := range l.plan.Steps {
		if l.deletes(&step) && !l.snap.State.Stacks.IsMade(step.Property) {
			l.say("step %d deletes %s, which is not ours", step.ID, step.Target)
		}
	}
}

func (l *linter) deletes(step *scheduler.Step) bool {
	if !step.IsChange() || step.Property.Name != drivers.Presence {
		return false
	}
	wanted, known := l.after.Resolve(step.Property, step.Goal)
	return known && wanted.Text == drivers.Absent
}

// preemption: no lease is ended for a claim that is met without it, or that cannot be met
// anyway.
func (l *linter) preemption() {
	if len(l.plan.Victims) == 0 {
		return
	}
	must, needs := map[string]string{}, []place.Need(nil)
	for _, claim := range l.plan.Claims {
		needs = append(needs, place.Need{VM: claim.VM, Cluster: claim.VM.Cluster, Host: claim.Host, Size: claim.Size})
		for _, p := range l.snap.State.Stacks.OfTarget(claim.VM) {
			for _, layer := range l.snap.State.Stacks[p].Layers {
				must[string(layer.Holder)] = ""
			}
		}
	}
	needed := preempt.Choose(l.snap, place.Rooms(l.snap), l.plan.Group, needs, nil)
	for _, victim := range l.plan.Victims {
		_, own := must[victim.Workspace]
		if !own && !slices.ContainsFunc(needed.Victims, func(v scheduler.Victim) bool { return v.Workspace == victim.Workspace }) {
			l.say("the lease of %s would be ended, and that helps nobody", victim.Workspace)
		}
	}
}

// loss: only a return deletes, and only what its own workspace made.
func (l *linter) loss() {
	for _, step := range l.plan.Steps {
		if !l.deletes(&step) {
			continue
		}
		if l.plan.Verb != scheduler.Return || !l.plan.Keep.IsZero() {
			l.say("step %d deletes %s, and a %s deletes nothing", step.ID, step.Target, l.plan.Verb)
		}
		if stack := l.snap.State.Stacks[step.Property]; stack != nil && len(stack.Layers) > 0 && stack.Of(scheduler.Holder(l.plan.Workspace)) == nil {
			l.say("step %d deletes %s, which belongs to %s", step.ID, step.Target, stack.Layers[0].Holder)
		}
	}
}
