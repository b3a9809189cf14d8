// Package preempt chooses the workspaces that must go down for a protection group. It
// only chooses; taking them down is a plan's. It is pure, and its results repeat.
package preempt

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/place"
)

// Result is who must go down, and what cannot be had even so.
type Result struct {
	Victims []scheduler.Victim // sorted by workspace
	// Short says in one sentence, for each VM that its host cannot hold even with
	// nothing lent, what is missing; by the VM's power. No lease is ended for those.
	Short map[drivers.Property]string
}

// Choose picks the victims for the needs of a group, each with its host given; the first
// needs come first where a host cannot hold them all. must lists the workspaces that
// stand on the group's own VMs, and why: they go in any case. A workspace is a victim
// whole or not at all. A workspace that already lies down for another group counts as up:
// both groups then hold it down, and it comes back when both have gone home.
//
// Beyond must, workspaces are taken until there is room, those lent last first: whoever
// has worked longest keeps working. None is taken that could have stayed.
func Choose(snap *scheduler.Snapshot, rooms map[place.HostKey]*place.Room, group string, needs []place.Need, must map[string]string) Result {
	d := demandOf(rooms, group, needs)
	for _, need := range d.roomless {
		why := place.OutOfUse(snap, place.HostKey{Cluster: need.Cluster, Host: need.Host})
		d.short[need.VM] = fmt.Sprintf("%s is to start on host %s, which %s", need.Name, need.Host, why)
	}
	chosen := map[string]string{}
	for id, why := range must {
		chosen[id] = why
	}
	var taken []string
	for _, h := range d.hosts {
		for _, id := range h.newestFirst(snap) {
			if h.fits(chosen) {
				break
			}
			if _, already := chosen[id]; !already {
				chosen[id] = fmt.Sprintf("%s needs its room on host %s", group, h.room.Key.Host)
				taken = append(taken, id)
			}
		}
	}
	sortNewestFirst(snap, taken)
	for _, id := range slices.Backward(taken) { // what one host takes may be enough for another
		why := chosen[id]
		delete(chosen, id)
		if !d.fits(chosen) {
			chosen[id] = why
		}
	}
	result := Result{Short: d.short}
	for _, id := range sortedKeys(chosen) {
		result.Victims = append(result.Victims, scheduler.VictimOf(snap.State.Workspaces[id], chosen[id]))
	}
	return result
}

// Helps reports whether the needs that can be met at all are met with all these
// workspaces down, and are not without this one.
func Helps(rooms map[place.HostKey]*place.Room, needs []place.Need, victims []string, one string) bool {
	d, down := demandOf(rooms, "", needs), map[string]string{}
	for _, id := range victims {
		down[id] = ""
	}
	if !d.fits(down) {
		return false
	}
	delete(down, one)
	return !d.fits(down)
}

// demand is what a group needs, by host, and what of it no host has.
type demand struct {
	hosts    []*host
	short    map[drivers.Property]string
	roomless []place.Need // their hosts have no room at all
}

// host is one host and what of the demand it can hold with nothing lent.
type host struct {
	room  *place.Room
	group map[drivers.Property]bool // the VMs of the demand, wherever they are
	need  scheduler.Size
}

func demandOf(rooms map[place.HostKey]*place.Room, group string, needs []place.Need) *demand {
	d, own := &demand{short: map[drivers.Property]string{}}, map[drivers.Property]bool{}
	byHost := map[place.HostKey]*host{}
	for _, need := range needs {
		own[need.VM] = true
	}
	for _, need := range needs {
		key := place.HostKey{Cluster: need.Cluster, Host: need.Host}
		room := rooms[key]
		if room == nil {
			d.roomless = append(d.roomless, need)
			continue
		}
		h := byHost[key]
		if h == nil {
			h = &host{room: room, group: own}
			byHost[key] = h
			d.hosts = append(d.hosts, h)
		}
		free := h.free(nil, true).Minus(h.need)
		if !need.Size.Fits(free) {
			d.short[need.VM] = fmt.Sprintf("host %s has %s for %s of %s, which needs %s, even with nothing lent",
				key.Host, place.Text(free), need.Name, group, place.Text(need.Size))
			continue
		}
		h.need = h.need.Plus(need.Size)
	}
	slices.SortFunc(d.hosts, func(a, b *host) int {
		return cmp.Or(cmp.Compare(a.room.Key.Cluster, b.room.Key.Cluster), cmp.Compare(a.room.Key.Host, b.room.Key.Host))
	})
	return d
}

func (d *demand) fits(down map[string]string) bool {
	return !slices.ContainsFunc(d.hosts, func(h *host) bool { return !h.fits(down) })
}

func (h *host) fits(down map[string]string) bool {
	return h.need == (scheduler.Size{}) || h.need.Fits(h.free(down, false))
}

// free is what the host has beside the group's own VMs, with these workspaces down, or
// with all.
func (h *host) free(down map[string]string, all bool) scheduler.Size {
	return h.room.Free(func(u place.Use) bool {
		_, isDown := down[u.Workspace]
		switch {
		case h.group[u.VM]:
			return false
		case u.Claim != "":
			return true
		case u.Workspace != "":
			return !all && !isDown
		default:
			return u.Counts() && !u.Goes // what is going down already needs no victim
		}
	})
}

func (h *host) newestFirst(snap *scheduler.Snapshot) []string {
	var ids []string
	for _, use := range h.room.Uses {
		if use.Workspace != "" && !slices.Contains(ids, use.Workspace) {
			ids = append(ids, use.Workspace)
		}
	}
	sortNewestFirst(snap, ids)
	return ids
}

// sortNewestFirst sorts by when the workspaces were lent, and then by their numbers, which
// no two share.
func sortNewestFirst(snap *scheduler.Snapshot, ids []string) {
	slices.SortFunc(ids, func(a, b string) int {
		x, y := snap.State.Workspaces[a], snap.State.Workspaces[b]
		return cmp.Or(y.Admitted.Compare(x.Admitted), byNumber(b, a))
	})
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, byNumber)
	return keys
}

// byNumber sorts "ws-9" before "ws-10".
func byNumber(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }
