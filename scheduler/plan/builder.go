// Package plan makes plans: which layers a verb writes and takes out, and the graph of
// steps that closes the gap. It is pure: a snapshot in, a plan out; see package place for
// room and package preempt for victims. [Lint] names what a plan must never contain.
package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// builder collects the change of layers, and then builds the steps that close the gap.
type builder struct {
	snap    *scheduler.Snapshot
	plan    *scheduler.Plan
	after   scheduler.Stacks // the stacks with the plan's change of layers made
	touched map[drivers.Property]bool
	open    map[drivers.Property][]drivers.Property // by a VM's power: where it has a gap
	ready   map[drivers.Property]readiness          // by the power of a VM of the group
	short   map[drivers.Property]string             // by power: why its host cannot hold it at all
	shows   map[endpoint]user                       // whose data an endpoint is
	nodes   []*node
	byProp  map[drivers.Property]*node // the last change of a property
	fenced  *node
	home    *node
}

// endpoint names what a disk shows.
type endpoint struct{ cluster, text string }

// readiness is what a VM of the group owes to the start order.
type readiness struct {
	start int
	check *scheduler.ReadyCheck
}

// node is a step before it has a number.
type node struct {
	scheduler.Step
	after    []*node
	depth    int
	standsOn bool // of an off: the VM may be on
}

func newBuilder(snap *scheduler.Snapshot, p *scheduler.Plan) *builder {
	p.Run, p.MadeAt, p.Shutdown = snap.State.NextRun(), snap.Now, snap.Site.Rules.Shutdown
	if group := snap.Site.Group(p.Group); group != nil {
		p.RTO, p.RPO = group.RTO, group.RPO
	}
	for _, inv := range snap.Inventory {
		p.SiteAge = max(p.SiteAge, snap.Now.Sub(inv.At))
	}
	return &builder{
		snap: snap, plan: p, after: snap.State.Stacks.Clone(),
		touched: map[drivers.Property]bool{}, open: map[drivers.Property][]drivers.Property{}, ready: map[drivers.Property]readiness{},
		byProp: map[drivers.Property]*node{},
	}
}

func (b *builder) put(p drivers.Property, h scheduler.Holder, goal scheduler.Goal) {
	layer := scheduler.Layer{Holder: h, Goal: goal}
	b.plan.Puts = append(b.plan.Puts, scheduler.Put{Property: p, Layer: layer})
	b.after.Put(p, layer)
	b.touched[p] = true
}

// drop takes the holder's layer out. Only a layer that was on top makes a change at the
// site: what lies above is for its own holder to bring about.
func (b *builder) drop(p drivers.Property, h scheduler.Holder) {
	b.plan.Drops = append(b.plan.Drops, scheduler.Drop{Property: p, Holder: h})
	if stack := b.after[p]; p.Name == drivers.Presence || stack != nil && stack.Layers[len(stack.Layers)-1].Holder == h {
		b.touch(p)
	}
	b.after.Drop(p, h)
}

// touch takes the property, and all that lies on a made target that may end with it,
// into the plan.
func (b *builder) touch(p drivers.Property) {
	b.touched[p] = true
	if p.Name == drivers.Presence {
		for _, other := range b.after.OfTarget(p) {
			b.touched[other] = true
		}
	}
}

func (b *builder) add(n *node, after ...*node) *node {
	n.Group = cmp.Or(n.Group, b.plan.Group)
	if g := b.snap.Site.Group(n.Group); g != nil {
		n.Priority = g.Priority
	}
	for _, a := range after {
		n.wait(a)
	}
	b.nodes = append(b.nodes, n)
	if n.Check == nil {
		b.byProp[n.Property] = n
		description := b.snap.Drivers[n.Property.Cluster]
		for _, c := range description.Properties {
			if c.Kind == n.Property.Kind && c.Name == n.Property.Name {
				n.NotExact = c.NotExact
			}
		}
		for _, limit := range description.Limits {
			if limit.Kind == n.Property.Kind && limit.Name == n.Property.Name {
				n.Limit = limitText(limit)
			}
		}
		if b.snap.Usual != nil {
			n.Usual = b.snap.Usual(n.Property, n.To)
		}
	}
	return n
}

func limitText(limit drivers.Limit) string {
	var parts []string
	if limit.PerCluster > 0 {
		parts = append(parts, fmt.Sprintf("%d at once", limit.PerCluster))
	}
	if limit.PerHost > 0 {
		parts = append(parts, fmt.Sprintf("%d on one host", limit.PerHost))
	}
	return strings.Join(parts, ", ")
}

func (n *node) wait(before *node) {
	if before != nil && before != n && !slices.Contains(n.after, before) {
		n.after = append(n.after, before)
	}
}

// finish builds the steps, in the order in which their dependencies allow.
func (b *builder) finish() *scheduler.Plan {
	volumes, replicas, vms := b.gaps()
	for _, p := range volumes {
		if b.wantsPresent(p) {
			b.volume(p)
		}
	}
	for _, p := range replicas {
		b.role(p)
	}
	for _, target := range vms {
		b.vm(target)
	}
	for _, p := range volumes {
		if !b.wantsPresent(p) {
			b.volume(p)
		}
	}
	b.leaveReplicas(replicas)
	b.startOrder()
	b.room()
	b.number()
	b.takeOver()
	return b.plan
}

// gaps lists what has to be done: volumes and replicas by property, VMs by their power.
func (b *builder) gaps() (volumes, replicas, vms []drivers.Property) {
	for _, p := range slices.Collect(maps.Keys(b.touched)) { // what a disk shall show is made first
		if stack := b.after[p]; stack != nil && stack.Top().Made != nil && b.after.Gap(p) {
			b.touch(stack.Top().Made.By)
		}
	}
	for p := range b.touched {
		if !b.after.Gap(p) {
			continue
		}
		switch p.Kind {
		case drivers.Volume:
			volumes = append(volumes, p)
		case drivers.Replica:
			replicas = append(replicas, p)
		case drivers.VM:
			power := p.On(drivers.Power, "")
			if len(b.open[power]) == 0 {
				vms = append(vms, power)
			}
			b.open[power] = append(b.open[power], p)
		}
	}
	scheduler.SortProperties(volumes)
	scheduler.SortProperties(replicas)
	scheduler.SortProperties(vms)
	return volumes, replicas, vms
}

func (b *builder) wantsPresent(p drivers.Property) bool {
	wanted, known := b.after.Wanted(p)
	return known && wanted.Text == drivers.Present
}

// number sorts the steps for reading, so that each stands behind what it waits for, and
// gives them their numbers.
func (b *builder) number() {
	for _, n := range b.nodes {
		n.depth = depth(n)
	}
	slices.SortStableFunc(b.nodes, func(x, y *node) int {
		return cmp.Or(cmp.Compare(x.depth, y.depth), cmp.Compare(rank(x), rank(y)),
			cmp.Compare(x.Target, y.Target), cmp.Compare(x.Change, y.Change),
			scheduler.CompareProperties(x.Property, y.Property))
	})
	for i, n := range b.nodes {
		n.ID = i + 1
	}
	for _, n := range b.nodes {
		for _, a := range n.after {
			n.After = append(n.After, a.ID)
		}
		if made := n.Goal.Made; n.Check == nil && made != nil && b.byProp[made.By] != nil {
			n.To = fmt.Sprintf("what step %d makes", b.byProp[made.By].ID)
		}
		b.plan.Steps = append(b.plan.Steps, n.Step)
	}
	reduce(b.plan.Steps)
}

func depth(n *node) int {
	if n.depth > 0 {
		return n.depth
	}
	deepest := 0
	for _, a := range n.after {
		deepest = max(deepest, depth(a))
	}
	n.depth = deepest + 1
	return n.depth
}

func rank(n *node) int {
	switch {
	case n.TurnsOff():
		return 0
	case n.Check != nil && n.Check.Kind != scheduler.CheckReady:
		return 1
	case n.Property.Kind != drivers.VM && n.Check == nil:
		return 2
	case n.TurnsOn():
		return 4
	case n.Check != nil:
		return 5
	default:
		return 3
	}
}

// takeOver names the runs that end because this plan takes their targets.
func (b *builder) takeOver() {
	for _, run := range b.snap.State.RunningRuns() {
		if b.ours(run) || b.plan.Verb.Urgent() && !run.Plan.Verb.Urgent() && b.shares(run) {
			b.plan.TakesOver = append(b.plan.TakesOver, run.ID)
		}
	}
}

// ours reports whether the run is for the same group, or lends what this plan takes back:
// this plan takes it over.
func (b *builder) ours(run *scheduler.Run) bool {
	lends := b.plan.Verb == scheduler.Return && run.Plan.Verb == scheduler.Lend && run.Plan.Workspace == b.plan.Workspace
	return lends || b.plan.Group != "" && run.Plan.Group == b.plan.Group
}

// shares reports whether the plan touches a target that the run has yet to change.
func (b *builder) shares(run *scheduler.Run) bool {
	targets := map[drivers.Property]bool{}
	for p := range b.touched {
		targets[p.On("", "")] = true
	}
	for _, drop := range b.plan.Drops { // also where it lies under another's
		targets[drop.Property.On("", "")] = true
	}
	return worksOn(run, targets)
}

// worksOn reports whether the run has yet to change one of the targets.
func worksOn(run *scheduler.Run, targets map[drivers.Property]bool) bool {
	for i := range run.Plan.Steps {
		step := &run.Plan.Steps[i]
		if step.IsChange() && !run.Steps[i].State.Over() && targets[step.Property.On("", "")] {
			return true
		}
	}
	return false
}
