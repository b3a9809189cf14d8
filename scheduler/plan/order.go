package plan

import (
	"cmp"
	"maps"
	"slices"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/place"
)

// startOrder lets every VM of the group wait until all that start before it are ready, or
// on where nothing is checked.
func (b *builder) startOrder() {
	starts, readies := map[int][]*node{}, map[int][]*node{}
	for _, n := range b.nodes {
		r, ours := b.ready[n.Property]
		isCheck := n.Check != nil && n.Check.Kind == scheduler.CheckReady
		if !ours || !isCheck && !n.TurnsOn() {
			continue
		}
		if isCheck || r.check == nil {
			readies[r.start] = append(readies[r.start], n)
		}
		if n.TurnsOn() {
			starts[r.start] = append(starts[r.start], n)
		}
	}
	var earlier []*node // the others before them are waited for by these
	for _, start := range slices.Sorted(maps.Keys(starts)) {
		for _, n := range starts[start] {
			for _, ready := range earlier {
				n.wait(ready)
			}
		}
		earlier = readies[start]
	}
}

// room lets each VM that starts wait for as many of those going down on its host as its
// room takes, and for no more. What stands counts, and so does what others bring up
// meanwhile or have a claim for.
func (b *builder) room() {
	goingDown, comingUp := map[place.HostKey][]*node{}, map[place.HostKey][]*node{}
	starting, again := map[drivers.Property]bool{}, b.keeping()
	for _, n := range b.nodes {
		key := place.HostKey{Cluster: n.Property.Cluster, Host: n.Host}
		starting[n.Property] = starting[n.Property] || n.TurnsOn()
		switch {
		case again[n.Property]:
		case n.TurnsOff():
			goingDown[key] = append(goingDown[key], n)
		case n.TurnsOn():
			comingUp[key] = append(comingUp[key], n)
		}
	}
	rooms := place.Rooms(b.afterwards())
	for key, starts := range comingUp {
		if rooms[key] == nil {
			continue
		}
		free := rooms[key].Free(func(u place.Use) bool { return takesRoom(u, starting[u.VM]) })
		b.waitForRoom(starts, goingDown[key], free, standing(rooms[key]))
	}
}

func (b *builder) waitForRoom(starts, downs []*node, free scheduler.Size, stands map[drivers.Property]bool) {
	b.sortForRoom(downs)
	b.sortForRoom(starts)
	freed := 0
	var need scheduler.Size
	for _, start := range starts {
		if stands[start.Property] && !slices.ContainsFunc(downs, func(n *node) bool { return n.Property == start.Property }) {
			continue // it keeps the room that it has
		}
		need = need.Plus(start.Size)
		for freed < len(downs) && !need.Fits(free) {
			if down := downs[freed]; stands[down.Property] {
				free = free.Plus(down.Size)
			}
			freed++
		}
		for _, down := range downs[:freed] {
			if stands[down.Property] {
				start.wait(down)
			}
		}
	}
}

// takesRoom reports whether a use takes room while a plan runs that starts the VM, or
// does not. The uses are those after its acceptance.
func takesRoom(u place.Use, starting bool) bool {
	return u.Stands || !starting && (u.Wanted || u.Claim != "")
}

// standing tells which VMs may be on at the host.
func standing(room *place.Room) map[drivers.Property]bool {
	stands := map[drivers.Property]bool{}
	for _, use := range room.Uses {
		stands[use.VM] = use.Stands
	}
	return stands
}

// afterwards is the snapshot with the plan's change of layers made.
func (b *builder) afterwards() *scheduler.Snapshot { return withStacks(b.snap, b.after) }

func withStacks(snap *scheduler.Snapshot, stacks scheduler.Stacks) *scheduler.Snapshot {
	state, changed := *snap.State, *snap
	state.Stacks, changed.State = stacks, &state
	return &changed
}

// keeping lists the VMs that the plan turns off and on again and that keep their room
// meanwhile: those that were wanted on all along. The room of a victim of another group is
// promised to that group.
func (b *builder) keeping() map[drivers.Property]bool {
	off, both := map[drivers.Property]bool{}, map[drivers.Property]bool{}
	for _, n := range b.nodes {
		if n.TurnsOff() && n.standsOn {
			off[n.Property] = true
		}
	}
	for _, n := range b.nodes {
		if n.TurnsOn() && off[n.Property] && wantedOn(b.snap, n.Property) {
			both[n.Property] = true
		}
	}
	return both
}

// wantedOn reports whether nobody wants the VM off, as far as is known.
func wantedOn(snap *scheduler.Snapshot, power drivers.Property) bool {
	wanted, known := snap.State.Stacks.Wanted(power)
	return !known || wanted.Text == drivers.On
}

// sortForRoom puts first who gets room first: by priority and start order, and last what
// there is no room for at all.
func (b *builder) sortForRoom(nodes []*node) {
	short := func(n *node) int {
		if b.short[n.Property] != "" {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(nodes, func(x, y *node) int {
		return cmp.Or(cmp.Compare(short(x), short(y)), cmp.Compare(x.Priority, y.Priority),
			cmp.Compare(b.ready[x.Property].start, b.ready[y.Property].start), cmp.Compare(x.Target, y.Target),
			scheduler.CompareProperties(x.Property, y.Property))
	})
}
