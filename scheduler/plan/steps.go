package plan

import (
	"cmp"
	"fmt"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/place"
)

// volume makes or deletes a clone. A deletion waits until no disk shows the clone any
// more.
func (b *builder) volume(p drivers.Property) {
	stack := b.after[p]
	n := b.add(&node{Step: scheduler.Step{
		Target: p.Target, Change: "volume", Property: p, Goal: stack.Top(), Owner: b.ownerOf(p),
		From: b.stands(p), To: b.text(p, stack.Top()),
	}})
	if goal := stack.Top().Value; goal != nil && goal.Spec != nil && goal.Spec.Volume != nil {
		n.To = fmt.Sprintf("clone of %s@%s", goal.Spec.Volume.Volume, goal.Spec.Volume.RestorePoint)
		return
	}
	for disk, change := range b.byProp {
		if disk.Name == drivers.Disk && b.mayShow(disk, p) {
			n.wait(change)
		}
	}
}

// mayShow reports whether the disk may show at the site what the change of by made.
func (b *builder) mayShow(disk, by drivers.Property) bool {
	if before := b.snap.State.Stacks[disk]; before != nil {
		for _, layer := range before.Layers {
			if layer.Goal.Made != nil && layer.Goal.Made.By == by {
				return true
			}
		}
	}
	return b.shown(disk, by)
}

// shown reports whether what stands at the disk, or may stand, is what the change of by
// made.
func (b *builder) shown(disk, by drivers.Property) bool {
	before, maker := b.snap.State.Stacks[disk], b.snap.State.Stacks[by]
	if before == nil || maker == nil || maker.Stands == nil {
		return false
	}
	for _, value := range before.Expected() {
		for _, made := range maker.Stands.Made {
			if value.Text == made {
				return true
			}
		}
	}
	return false
}

// role promotes or demotes. Promotion waits until production is fenced, demotion until
// the last writes are home, or kept by a person's word.
func (b *builder) role(p drivers.Property) {
	goal := b.after[p].Top()
	n := &node{Step: scheduler.Step{
		Target: p.Target, Change: p.Label(), Property: p, Goal: goal,
		From: cmp.Or(b.stands(p), drivers.Secondary), To: b.text(p, goal), Owner: b.ownerOf(p),
	}}
	if goal.Value != nil && goal.Value.Text == drivers.Primary {
		spec := goal.Value.Spec.Replica
		n.To = fmt.Sprintf("%s@%s, %d volumes", drivers.Primary, cmp.Or(spec.Kept, spec.RestorePoint), len(spec.Volumes))
		b.add(n, b.fencedCheck())
		return
	}
	n.To = drivers.Secondary
	b.add(n, b.homeCheck())
}

// leaveReplicas lets each demotion wait for the disks that leave the promoted volumes,
// and those for the check that the last writes are home, which comes after power-off.
func (b *builder) leaveReplicas(replicas []drivers.Property) {
	for _, n := range b.nodes {
		if b.home != nil && n.TurnsOff() && n.Production {
			b.home.wait(n)
		}
	}
	for _, p := range replicas {
		demotion := b.byProp[p]
		if demotion.To != drivers.Secondary {
			continue
		}
		for disk, change := range b.byProp {
			if disk.Name == drivers.Disk && b.mayShow(disk, p) {
				demotion.wait(change)
				change.wait(b.home)
			}
		}
	}
}

func (b *builder) fencedCheck() *node {
	if b.fenced == nil {
		to := "waits for --declared-dead-by"
		if b.plan.DeclaredDeadBy != "" {
			to = "declared dead by " + b.plan.DeclaredDeadBy
		}
		b.fenced = b.add(&node{Step: scheduler.Step{Target: b.plan.Group, Change: "check fenced", To: to,
			Check: &scheduler.Check{Kind: scheduler.CheckFenced, Word: b.plan.DeclaredDeadBy}}})
	}
	return b.fenced
}

func (b *builder) homeCheck() *node {
	if b.home == nil {
		to := "waits for --writes kept or home"
		if w := b.plan.Writes; w.What != "" {
			to = fmt.Sprintf("%s, by the word of %s", w.What, w.By)
		}
		b.home = b.add(&node{Step: scheduler.Step{Target: b.plan.Group, Change: "check home", To: to,
			Check: &scheduler.Check{Kind: scheduler.CheckHome, Word: b.plan.Writes.By}}})
	}
	return b.home
}

// vm closes the gap of one VM. A change of its disks, NICs or host passes through off.
func (b *builder) vm(power drivers.Property) {
	v := b.look(power)
	var before []*node
	if v.needsOff() {
		before = append(before, b.off(v))
	}
	if v.presence != nil {
		before = append(before, b.presence(v, before))
	}
	for _, p := range v.structural {
		n := b.add(&node{Step: scheduler.Step{
			Target: v.name, Change: p.Label(), Property: p, Goal: b.after[p].Top(), Host: v.host,
			From: b.stands(p), To: b.text(p, b.after[p].Top()), Owner: b.ownerOf(p),
		}}, before...)
		if made := b.after[p].Top().Made; made != nil {
			n.wait(b.byProp[made.By])
		}
	}
	if v.wantsOn && (v.powerGap || v.needsOff()) {
		b.on(v, before)
	}
}

// vmGap is what has to be done to one VM.
type vmGap struct {
	power      drivers.Property
	name, host string
	size       scheduler.Size
	exists     bool // it may be at the site
	standsOn   bool // it may be on
	sure       bool // what stands of its power is known
	wantsOn    bool
	powerGap   bool
	presence   *drivers.Property
	absent     bool
	structural []drivers.Property // disks, NICs, host
}

func (v *vmGap) needsOff() bool {
	if !v.exists {
		return false
	}
	moves := len(v.structural) > 0 || v.absent
	return v.powerGap && !v.wantsOn || moves && (v.standsOn || !v.sure)
}

func (b *builder) look(power drivers.Property) *vmGap {
	v := &vmGap{power: power, name: power.Target, exists: b.after.Exists(power)}
	// Lending rests on a fresh inventory, and turns off nothing that others may have
	// turned on since: the driver refuses to swap a disk of a VM that is on.
	v.sure = b.plan.Verb == scheduler.Lend
	b.identify(v)
	if stack := b.after[power]; stack != nil && stack.Stands != nil {
		v.sure = !stack.Uncertain()
		v.standsOn = stack.MayBe(drivers.On) || stack.MayBe(drivers.Suspended)
	}
	v.wantsOn = v.standsOn
	if wanted, known := b.after.Wanted(power); known {
		v.wantsOn = wanted.Text == drivers.On
	}
	for _, p := range b.open[power] {
		switch p.Name {
		case drivers.Power:
			v.powerGap = true
		case drivers.Presence:
			v.presence, v.absent = &p, !b.wantsPresent(p)
		default:
			v.structural = append(v.structural, p)
		}
	}
	if v.absent {
		v.structural, v.wantsOn, v.powerGap = nil, false, false
	}
	scheduler.SortProperties(v.structural)
	return v
}

// identify finds name, host, size and power of the VM in the inventory, or in the spec
// that it is made from.
func (b *builder) identify(v *vmGap) {
	if inv := b.snap.Inventory[v.power.Cluster]; inv != nil {
		if item, ok := inv.VMs[v.power.Target]; ok {
			v.name, v.host, v.size = item.Name, item.Host, place.SizeOf(item)
			v.standsOn = item.Power != drivers.Off
			return
		}
	}
	for _, stacks := range []scheduler.Stacks{b.after, b.snap.State.Stacks} {
		if spec := stacks.SpecOf(v.power); spec != nil {
			v.name, v.host = spec.Name, spec.Host
			v.size = scheduler.Size{CPUs: float64(spec.CPUs), MemoryMiB: spec.MemoryMiB}
			return
		}
	}
}

// off asks the VM to go off. Where nothing says that it is on the step is an observation,
// and tells the value found.
func (b *builder) off(v *vmGap) *node {
	goal := scheduler.Literal(drivers.Off)
	if wanted, known := b.after.Wanted(v.power); known && wanted.Text != drivers.On && !v.absent {
		goal = b.after[v.power].Top()
		if goal.Found {
			goal = scheduler.Goal{Value: &wanted}
		}
	}
	user, to := b.userOf(v.power), goal.Value.Text
	if !v.standsOn && to == drivers.Off {
		to = "off (observed)"
	}
	return b.add(&node{standsOn: v.standsOn, Step: scheduler.Step{
		Target: v.name, Change: "power", Property: v.power, Goal: goal, Host: v.host, Size: v.size,
		From: cmp.Or(b.stands(v.power), drivers.Off), To: to,
		Production: user == production, MayForce: user == workspace,
	}})
}

func (b *builder) presence(v *vmGap, before []*node) *node {
	p := *v.presence
	n := b.add(&node{Step: scheduler.Step{
		Target: v.name, Change: "presence", Property: p, Goal: b.after[p].Top(), Host: v.host,
		From: cmp.Or(b.stands(p), drivers.Absent), To: b.text(p, b.after[p].Top()), Owner: b.ownerOf(p),
	}}, before...)
	if goal := b.after[p].Top().Value; goal != nil && goal.Spec != nil && goal.Spec.VM != nil {
		n.To = fmt.Sprintf("from template %s on %s", goal.Spec.VM.Template, goal.Spec.VM.Host)
	}
	return n
}

// on starts the VM once all else of it is done; in a failover its readiness is checked.
func (b *builder) on(v *vmGap, before []*node) {
	goal := scheduler.FoundGoal // where nobody wants anything: as the off step finds it
	if stack := b.after[v.power]; stack != nil {
		goal = stack.Top()
	}
	n := b.add(&node{Step: scheduler.Step{
		Target: v.name, Change: "power", Property: v.power, Goal: goal, Host: v.host, Size: v.size,
		From: drivers.Off, To: drivers.On,
	}}, before...)
	for _, p := range v.structural {
		n.wait(b.byProp[p])
	}
	if b.plan.Verb != scheduler.Failover {
		return
	}
	if _, ours := b.ready[v.power]; ours {
		n.wait(b.fencedCheck())
		n.Production = true
	}
	if check := b.ready[v.power].check; check != nil {
		b.add(&node{Step: scheduler.Step{
			Target: v.name, Change: "check ready " + check.Kind, Host: v.host,
			To:    "within " + scheduler.Span(check.Within),
			Check: &scheduler.Check{Kind: scheduler.CheckReady, Ready: check},
			// so that the step is known by its VM
			Property: v.power,
		}}, n)
	}
}
