package plan

import (
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
	l := &linter{snap: snap, plan: p, after: snap.State.Stacks.Clone(), before: before(p.Steps)}
	l.after.Accept(p)
	for _, rule := range []func(){
		l.graph, l.promotion, l.demotion, l.clones, l.networks, l.reversible,
		l.room, l.reach, l.storage, l.ours, l.preemption, l.loss,
	} {
		rule()
	}
	return l.found
}

type linter struct {
	snap   *scheduler.Snapshot
	plan   *scheduler.Plan
	after  scheduler.Stacks
	before []set // by step: what is over when it begins
	found  []string
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

func (l *linter) waitsForCheck(id int, kind string) bool {
	return slices.ContainsFunc(l.plan.Steps, func(s scheduler.Step) bool {
		return s.Check != nil && s.Check.Kind == kind && s.Check.Word != "" && l.waits(id, s.ID)
	})
}

// waits reports whether a step begins only when the other is over.
func (l *linter) waits(id, other int) bool {
	return id < len(l.before) && other < len(l.before) && l.before[id].has(other)
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
		for _, off := range l.plan.Steps {
			if off.TurnsOff() && off.Production && !l.waits(step.ID, off.ID) {
				l.say("step %d demotes %s before %s is off", step.ID, step.Target, off.Target)
			}
		}
	}
}

// clones: a workspace's disk is a clone of a restore point that is its own, never the
// replica, and no two disks show one clone.
func (l *linter) clones() {
	shown := map[scheduler.Made]drivers.Property{}
	for _, put := range l.plan.Puts {
		if put.Property.Name != drivers.Disk || !l.isWorkspace(put.Layer.Holder) {
			continue
		}
		made := put.Layer.Goal.Made
		if made == nil || made.By.Kind != drivers.Volume || !l.isClone(made.By) {
			l.say("%s of workspace %s would show %s, which is no clone", put.Property.Label(), put.Layer.Holder, put.Layer.Goal.Text())
			continue
		}
		if l.after[made.By].Of(put.Layer.Holder) == nil {
			l.say("%s of workspace %s would show %s, which is another's", put.Property.Label(), put.Layer.Holder, made.By.Target)
		}
		if other, twice := shown[*made]; twice {
			l.say("%s and %s would both show %s", other, put.Property, made.By.Target)
		}
		shown[*made] = put.Property
	}
}

// isClone reports whether the volume is made from a restore point.
func (l *linter) isClone(p drivers.Property) bool {
	stack := l.after[p]
	return stack != nil && slices.ContainsFunc(stack.Layers, func(layer scheduler.Layer) bool {
		v := layer.Goal.Value
		return v != nil && v.Spec != nil && v.Spec.Volume != nil && v.Spec.Volume.RestorePoint != ""
	})
}

func (l *linter) isWorkspace(h scheduler.Holder) bool {
	return l.snap.State.Workspaces[string(h)] != nil || h == scheduler.Holder(l.plan.Workspace)
}

// networks: a workspace is never on a production network, a copy of production only on an
// isolated one, and no two workspaces share an isolated one.
func (l *linter) networks() {
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
	for p, stack := range l.after {
		for _, layer := range stack.Layers {
			for _, network := range networksOf(p, layer.Goal) {
				key := p.Cluster + "/" + network
				if _, isolated := taken[key]; isolated && string(layer.Holder) != l.plan.Workspace {
					taken[key] = layer.Holder
				}
			}
		}
	}
	for _, put := range l.plan.Puts {
		if !l.isWorkspace(put.Layer.Holder) {
			continue
		}
		for _, network := range networksOf(put.Property, put.Layer.Goal) {
			key := put.Property.Cluster + "/" + network
			other, isolated := taken[key]
			switch {
			case production[key]:
				l.say("workspace %s would be on production network %s", put.Layer.Holder, network)
			case other != "" && other != put.Layer.Holder:
				l.say("workspace %s would be on network %s, which %s has", put.Layer.Holder, network, other)
			case !isolated && put.Property.Name == drivers.NIC:
				l.say("workspace %s would be on network %s, which is not isolated, as production's double", put.Layer.Holder, network)
			}
		}
	}
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

// ours: nothing is deleted that a holder did not make.
func (l *linter) ours() {
	for _, step := range l.plan.Steps {
		stack := l.snap.State.Stacks[step.Property]
		if l.deletes(&step) && (stack == nil || stack.Found != nil && stack.Found.Text != drivers.Absent) {
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
	rooms, needs := place.Rooms(l.snap), []place.Need(nil)
	must, victims := map[string]string{}, []string(nil)
	for _, claim := range l.plan.Claims {
		needs = append(needs, place.Need{VM: claim.VM, Name: claim.Name, Cluster: claim.VM.Cluster, Host: claim.Host, Size: claim.Size})
		for _, id := range workspacesOn(l.snap, claim.VM) {
			must[id] = ""
		}
	}
	for _, victim := range l.plan.Victims {
		victims = append(victims, victim.Workspace)
	}
	for _, id := range victims {
		if _, own := must[id]; !own && !preempt.Helps(rooms, needs, victims, id) {
			l.say("the lease of %s would be ended, and that helps nobody", id)
		}
	}
	short := preempt.Choose(l.snap, rooms, l.plan.Group, needs, must).Short
	for _, claim := range l.plan.Claims {
		if (claim.Short == "") != (short[claim.VM] == "") {
			l.say("the plan does not say truly whether host %s can hold %s", claim.Host, claim.Name)
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
