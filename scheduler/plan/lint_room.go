package plan

import (
	"cmp"
	"slices"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/place"
)

// room: at no moment of any legal order does a host hold more than it has. A VM counts
// from the start of its on to the end of its off. What is shown is sufficient: on each
// host the steps that turn on can be put in an order in which the room freed by the offs
// that a step waits for is enough for it and all before it. Production that its host
// cannot hold even with nothing lent is tried all the same, and the plan says so: then it
// is for the hypervisor to refuse what does not fit.
func (l *linter) room() {
	rooms := place.Rooms(withStacks(l.snap, l.after))
	offs, ons := map[drivers.Property]int{}, map[place.HostKey][]*scheduler.Step{}
	starting := map[drivers.Property]bool{}
	for i := range l.plan.Steps {
		step := &l.plan.Steps[i]
		switch {
		case step.TurnsOff():
			offs[step.Property] = step.ID
		case step.TurnsOn():
			key := place.HostKey{Cluster: step.Property.Cluster, Host: step.Host}
			starting[step.Property] = true
			ons[key] = append(ons[key], step)
		}
	}
	for key, steps := range ons {
		switch room := rooms[key]; {
		case room != nil:
			l.roomOn(room, slices.DeleteFunc(steps, l.isShort), starting, offs)
		default:
			if i := slices.IndexFunc(steps, l.isLent); i >= 0 {
				l.say("step %d starts %s on host %s, which is gone, in maintenance or drained", steps[i].ID, steps[i].Target, key.Host)
			}
		}
	}
}

// isShort reports whether the plan says that the VM's host cannot hold it.
func (l *linter) isShort(step *scheduler.Step) bool {
	return slices.ContainsFunc(l.plan.Claims, func(c scheduler.Claim) bool { return c.VM == step.Property && c.Short != "" })
}

// isLent reports whether a step starts neither production nor what was on before anybody
// asked for anything.
func (l *linter) isLent(step *scheduler.Step) bool {
	stack := l.after[step.Property]
	return !step.Production && stack != nil && len(stack.Layers) > 0
}

// starter is a step that turns on, and what is freed before it.
type starter struct {
	*scheduler.Step
	freed scheduler.Size
	count int
}

func (l *linter) roomOn(room *place.Room, steps []*scheduler.Step, starting map[drivers.Property]bool, offs map[drivers.Property]int) {
	stands := standing(room)
	free := room.Free(func(u place.Use) bool { return takesRoom(u, starting[u.VM]) })
	keeps := func(vm drivers.Property) bool { // the room that it has, off and on again or not
		return stands[vm] && starting[vm] && (offs[vm] == 0 || wantedOn(l.snap, vm))
	}
	var ordered []starter
	for _, step := range steps {
		if keeps(step.Property) {
			continue
		}
		s := starter{Step: step}
		for _, use := range room.Uses {
			if id, off := offs[use.VM]; off && use.Stands && !keeps(use.VM) && l.waits(step.ID, id) {
				s.freed, s.count = s.freed.Plus(use.Size), s.count+1
			}
		}
		ordered = append(ordered, s)
	}
	slices.SortStableFunc(ordered, func(a, b starter) int { return cmp.Compare(a.count, b.count) })
	var need scheduler.Size
	for _, s := range ordered {
		need = need.Plus(s.Size)
		if !need.Fits(free.Plus(s.freed)) {
			l.say("step %d may start %s while host %s is full", s.ID, s.Target, room.Key.Host)
		}
	}
}

// reach: no VM is on a host that cannot reach its network.
func (l *linter) reach() {
	for i := range l.plan.Steps {
		step := &l.plan.Steps[i]
		host, listed := drivers.HostItem{}, false
		if inv := l.snap.Inventory[step.Property.Cluster]; inv != nil {
			host, listed = inv.Hosts[step.Host]
		}
		if !step.IsChange() || !listed {
			continue
		}
		for _, network := range networksOf(step.Property, step.Goal) {
			if wanted := l.after[step.Property]; wanted != nil && len(wanted.Layers) > 0 && !place.Reaches(host, network) {
				l.say("step %d puts %s on network %s, which host %s does not reach", step.ID, step.Target, network, step.Host)
			}
		}
	}
}

// storage: nothing new is lent where a datastore is below its floor.
func (l *linter) storage() {
	if l.plan.Verb != scheduler.Lend {
		return
	}
	said := map[string]bool{}
	for _, put := range l.plan.Puts {
		isNew := put.Property.Name == drivers.Presence && l.snap.State.Stacks[put.Property] == nil
		if low := belowFloor(l.snap, put.Property.Cluster); isNew && low != "" && !said[low] {
			said[low] = true
			l.say("%s", low)
		}
	}
}
