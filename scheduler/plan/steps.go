package plan

import (
	"cmp"
	"fmt"
	"slices"

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
	before, maker := b.snap.State.Stacks[disk], b.snap.State.Stacks[by]
	if before == nil || maker == nil {
		return false
	}
	for _, layer := range before.Layers {
		if layer.Goal.Made != nil && layer.Goal.Made.By == by {
			return true
		}
	}
	if maker.Stands == nil {
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
	b.identify(v)
	if stack := b.after[power]; stack != nil && stack.Stands != nil {
		v.sure = !stack.Uncertain()
		v.standsOn = stack.MayBe(drivers.On) || stack.MayBe(drivers.Suspended)
	}
	v.wantsOn = v.standsOn
	if wanted, known := b.after.Wanted(power); known {
		v.wantsOn = wanted.Text == drivers.On
	}
	v.powerGap = b.touched[power] && b.after.Gap(power)
	for p := range b.touched {
		if p.On(drivers.Power, "") != power || p == power || !b.after.Gap(p) {
			continue
		}
		if p.Name == drivers.Presence {
			v.presence, v.absent = &p, !b.wantsPresent(p)
			continue
		}
		v.structural = append(v.structural, p)
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
	stacks := []scheduler.Stacks{b.after, b.snap.State.Stacks}
	for _, s := range stacks {
		presence := s[v.power.On(drivers.Presence, "")]
		if presence == nil {
			continue
		}
		goals := presence.Expected()
		for _, layer := range presence.Layers {
			if layer.Goal.Value != nil {
				goals = append(goals, *layer.Goal.Value)
			}
		}
		for _, goal := range goals {
			if goal.Spec != nil && goal.Spec.VM != nil {
				spec := goal.Spec.VM
				v.name, v.host = spec.Name, spec.Host
				v.size = scheduler.Size{CPUs: float64(spec.CPUs), MemoryMiB: spec.MemoryMiB}
				return
			}
		}
	}
}

func (b *builder) off(v *vmGap) *node {
	goal := scheduler.Literal(drivers.Off)
	if wanted, known := b.after.Wanted(v.power); known && wanted.Text != drivers.On && !v.absent {
		goal = b.after[v.power].Top()
		if goal.Found {
			goal = scheduler.Goal{Value: &wanted}
		}
	}
	user := b.userOf(v.power)
	return b.add(&node{Step: scheduler.Step{
		Target: v.name, Change: "power", Property: v.power, Goal: goal, Host: v.host, Size: v.size,
		From: b.stands(v.power), To: goal.Value.Text,
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
	goal := scheduler.Literal(drivers.On)
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
			To:    fmt.Sprintf("within %s", check.Within),
			Check: &scheduler.Check{Kind: scheduler.CheckReady, Ready: check},
			// so that the step is known by its VM
			Property: v.power,
		}}, n)
	}
}

// startOrder lets every VM of the group wait until all that start before it are ready, or
// on where nothing is checked.
func (b *builder) startOrder() {
	type started struct {
		start int
		node  *node
	}
	var starts, readies []started
	for _, n := range b.nodes {
		r, ours := b.ready[n.Property]
		if !ours {
			continue
		}
		switch {
		case n.TurnsOn():
			starts = append(starts, started{r.start, n})
			readies = append(readies, started{r.start, n})
		case n.Check != nil && n.Check.Kind == scheduler.CheckReady:
			readies = append(readies, started{r.start, n})
		}
	}
	for _, s := range starts {
		for _, r := range readies {
			if r.start < s.start {
				s.node.wait(r.node)
			}
		}
	}
}

// room lets each VM that starts wait for as many of those going down on its host as its
// room takes, and for no more.
func (b *builder) room() {
	rooms := place.Rooms(b.snap)
	goingDown, comingUp := map[place.HostKey][]*node{}, map[place.HostKey][]*node{}
	again := b.switched()
	for _, n := range b.nodes {
		key := place.HostKey{Cluster: n.Property.Cluster, Host: n.Host}
		switch {
		case again[n.Property]:
		case n.TurnsOff():
			goingDown[key] = append(goingDown[key], n)
		case n.TurnsOn():
			comingUp[key] = append(comingUp[key], n)
		}
	}
	for key, starts := range comingUp {
		room := rooms[key]
		if room == nil {
			continue
		}
		free := room.Free(func(u place.Use) bool { return u.Stands })
		downs := goingDown[key]
		sortForRoom(downs, b.ready)
		sortForRoom(starts, b.ready)
		freed := 0
		var need scheduler.Size
		for _, start := range starts {
			need = need.Plus(start.Size)
			for freed < len(downs) && !need.Fits(free) {
				if b.standsOn(downs[freed].Property) {
					free = free.Plus(downs[freed].Size)
				}
				freed++
			}
			for _, down := range downs[:freed] {
				start.wait(down)
			}
		}
	}
}

// switched lists the VMs that the plan turns off and on again: they keep their room.
func (b *builder) switched() map[drivers.Property]bool {
	off, both := map[drivers.Property]bool{}, map[drivers.Property]bool{}
	for _, n := range b.nodes {
		if n.TurnsOff() && b.standsOn(n.Property) {
			off[n.Property] = true
		}
	}
	for _, n := range b.nodes {
		if n.TurnsOn() && off[n.Property] {
			both[n.Property] = true
		}
	}
	return both
}

func (b *builder) standsOn(power drivers.Property) bool { return b.look(power).standsOn }

func sortForRoom(nodes []*node, ready map[drivers.Property]readiness) {
	slices.SortStableFunc(nodes, func(x, y *node) int {
		return cmp.Or(cmp.Compare(x.Priority, y.Priority),
			cmp.Compare(ready[x.Property].start, ready[y.Property].start), cmp.Compare(x.Target, y.Target))
	})
}

// user is who uses a VM now.
type user int

const (
	nobody user = iota
	workspace
	production
)

// userOf tells whose guest may be running on the VM: the newest layer that asked for on.
func (b *builder) userOf(power drivers.Property) user {
	stack := b.snap.State.Stacks[power]
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
