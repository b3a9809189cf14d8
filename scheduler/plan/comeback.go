package plan

import (
	"fmt"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/place"
)

// comeBack lets the workspaces come back that no run covers any more, oldest first. Those
// for which there is no room stay parked.
func (b *builder) comeBack() {
	after := b.afterwards()
	seats := seatsIn(after)
	back := map[drivers.Property]bool{} // of the VMs that may come back: which do
	var parked []*scheduler.Workspace
	for _, w := range after.State.SortedWorkspaces() {
		if w.Covered.IsZero() || w.Gone || w.Expired || after.State.Covers(w.Holder()) {
			continue
		}
		switch run := b.busy(w); {
		case run != "":
			b.stays(w, fmt.Sprintf("run %s works on the same machines; it goes on when that has ended", run))
			b.park(w)
		case w.Returning: // it stays down until it is taken away
			b.park(w)
		default:
			parked = append(parked, w)
			b.mark(back, w, false)
		}
	}
	taken := func(u place.Use) bool {
		comes, asked := back[u.VM]
		switch {
		case u.Claim != "":
			return true
		case asked:
			return comes
		default:
			return u.Wanted || u.Stands && !b.leaves(u.VM)
		}
	}
	for _, w := range parked {
		held := b.after.HeldBy(w.Holder())
		reason := seats.noRoom(w, held, taken)
		if reason == "" {
			b.bring(w, held)
			b.mark(back, w, true)
			continue
		}
		b.stays(w, reason)
		b.park(w)
	}
}

func (b *builder) mark(back map[drivers.Property]bool, w *scheduler.Workspace, comes bool) {
	for _, p := range b.after.HeldBy(w.Holder()) {
		if p.Name == drivers.Power {
			back[p] = comes
		}
	}
}

// busy names a run that works on a workspace's machines and goes on doing so.
func (b *builder) busy(w *scheduler.Workspace) string {
	targets := map[drivers.Property]bool{}
	for _, p := range b.after.HeldBy(w.Holder()) {
		targets[p.On("", "")] = true
	}
	for _, run := range b.snap.State.RunningRuns() {
		if !b.ours(run) && worksOn(run, targets) {
			return run.ID
		}
	}
	return ""
}

func (b *builder) stays(w *scheduler.Workspace, why string) {
	v := scheduler.VictimOf(w, why)
	v.Stays = true
	b.plan.Returning = append(b.plan.Returning, v)
}

// park lets the VMs of a workspace stay off, or go off.
func (b *builder) park(w *scheduler.Workspace) {
	for _, p := range b.after.HeldBy(w.Holder()) {
		if p.Name == drivers.Power {
			b.put(p, w.Holder(), scheduler.Literal(drivers.Off))
		}
	}
}

// bring takes all of a workspace into the plan, and lets its VMs come on.
func (b *builder) bring(w *scheduler.Workspace, held []drivers.Property) {
	for _, p := range held {
		b.touch(p)
		if p.Name == drivers.Power {
			b.put(p, w.Holder(), scheduler.Literal(drivers.On))
		}
	}
	b.plan.Returning = append(b.plan.Returning, scheduler.VictimOf(w, "comes back"))
}

// leaves reports whether the plan takes the VM down.
func (b *builder) leaves(power drivers.Property) bool {
	wanted, known := b.after.Wanted(power)
	return b.touched[power] && known && wanted.Text != drivers.On
}

// seats are rooms, and where each VM has its place in them.
type seats struct {
	snap  *scheduler.Snapshot
	rooms map[place.HostKey]*place.Room
	of    map[drivers.Property]place.Need
}

func seatsIn(snap *scheduler.Snapshot) *seats {
	rooms := place.Rooms(snap)
	s := &seats{snap, rooms, map[drivers.Property]place.Need{}}
	for key, room := range rooms {
		for _, use := range room.Uses {
			s.of[use.VM] = place.Need{VM: use.VM, Name: use.Name, Cluster: key.Cluster, Host: key.Host, Size: use.Size}
		}
	}
	return s
}

// noRoom says why a workspace cannot come back now; empty where it can. taken says which
// uses of others count.
func (s *seats) noRoom(w *scheduler.Workspace, held []drivers.Property, taken func(place.Use) bool) string {
	var needs []place.Need
	for _, p := range held {
		if p.Name != drivers.Power {
			continue
		}
		need, ok := s.of[p]
		if !ok {
			return s.noSeat(p)
		}
		needs = append(needs, need)
	}
	if _, err := place.Fit(s.rooms, needs, func(u place.Use) bool { return u.Workspace != w.ID && taken(u) }); err != nil {
		return "waits for room: " + err.Error()
	}
	return ""
}

// noSeat says why a VM has no place.
func (s *seats) noSeat(power drivers.Property) string {
	vm := drivers.VMItem{Name: power.Target}
	if inv := s.snap.Inventory[power.Cluster]; inv != nil {
		if listed, ok := inv.VMs[power.Target]; ok {
			vm = listed
		}
	}
	if vm.Host == "" {
		return fmt.Sprintf("waits for its VM %s, which is gone from the inventory", vm.Name)
	}
	return fmt.Sprintf("waits for host %s of %s, which %s", vm.Host, vm.Name, place.OutOfUse(s.snap, place.HostKey{Cluster: power.Cluster, Host: vm.Host}))
}
