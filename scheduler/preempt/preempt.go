// Package preempt chooses the workspaces that must go down for a protection group. It
// only chooses; taking them down is a plan's. It is pure, and its results repeat.
package preempt

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/place"
)

// Result is who must go down, and what cannot be had even so.
type Result struct {
	Victims []scheduler.Victim // sorted by workspace
	// Short says, for each host that cannot hold the group's VMs even with nothing lent,
	// what is missing, in one sentence. No lease is ended for those.
	Short []string
}

// Choose picks the victims for the needs of a group, each with its host given. must
// lists the workspaces that stand on the group's own VMs: they go in any case. A
// workspace is a victim whole or not at all. A workspace that already lies down for
// another group counts as up: both groups then hold it down, and it comes back when both
// have gone home.
//
// Beyond must, the fewest workspaces are taken that make the room, those lent last
// first: whoever has worked longest keeps working.
func Choose(snap *scheduler.Snapshot, rooms map[place.HostKey]*place.Room, group string, needs []place.Need, must map[string]string) Result {
	result := Result{}
	chosen := map[string]string{}
	for id, why := range must {
		chosen[id] = why
	}
	c := &chooser{snap: snap, rooms: rooms, group: group, needs: needs}
	for _, key := range c.hosts() {
		if short := c.shortOf(key, c.allUsers(key)); short != "" {
			result.Short = append(result.Short, short)
			continue
		}
		c.take(key, chosen)
	}
	for _, id := range sortedKeys(chosen) {
		result.Victims = append(result.Victims, scheduler.Victim{Workspace: id, Why: chosen[id]})
	}
	return result
}

type chooser struct {
	snap  *scheduler.Snapshot
	rooms map[place.HostKey]*place.Room
	group string
	needs []place.Need
}

func (c *chooser) hosts() []place.HostKey {
	var keys []place.HostKey
	for _, need := range c.needs {
		key := place.HostKey{Cluster: need.Cluster, Host: need.Host}
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b place.HostKey) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Host, b.Host))
	})
	return keys
}

// take adds the fewest workspaces to chosen that make room on the host: newest first
// until it fits, then each that turns out not to be needed is given back.
func (c *chooser) take(key place.HostKey, chosen map[string]string) {
	var taken []string
	down := func() map[string]bool {
		set := map[string]bool{}
		for id := range chosen {
			set[id] = true
		}
		for _, id := range taken {
			set[id] = true
		}
		return set
	}
	for _, id := range c.newestFirst(key) {
		if c.shortOf(key, down()) == "" {
			break
		}
		if chosen[id] == "" {
			taken = append(taken, id)
		}
	}
	for i := 0; i < len(taken); {
		without := down()
		delete(without, taken[i])
		if c.shortOf(key, without) == "" {
			taken = slices.Delete(taken, i, i+1)
			continue
		}
		i++
	}
	for _, id := range taken {
		chosen[id] = fmt.Sprintf("%s needs its room on host %s", c.group, key.Host)
	}
}

// shortOf says what the group lacks on a host with these workspaces down; empty where it
// fits.
func (c *chooser) shortOf(key place.HostKey, down map[string]bool) string {
	room := c.rooms[key]
	var need scheduler.Size
	own := map[string]bool{}
	for _, n := range c.needs {
		if n.Cluster == key.Cluster && n.Host == key.Host {
			need = need.Plus(n.Size)
			own[n.VM.String()] = true
		}
	}
	if room == nil {
		return fmt.Sprintf("host %s is gone or in maintenance", key.Host)
	}
	free := room.Free(func(u place.Use) bool {
		switch {
		case own[u.VM.String()]:
			return false
		case u.Claim != "":
			return true
		case u.Workspace != "":
			return !down[u.Workspace]
		default:
			return u.Counts()
		}
	})
	if need.Fits(free) {
		return ""
	}
	return fmt.Sprintf("host %s has %s for %s, which needs %s", key.Host, place.Text(free), c.group, place.Text(need))
}

func (c *chooser) allUsers(key place.HostKey) map[string]bool {
	all := map[string]bool{}
	if room := c.rooms[key]; room != nil {
		for _, use := range room.Uses {
			if use.Workspace != "" {
				all[use.Workspace] = true
			}
		}
	}
	return all
}

func (c *chooser) newestFirst(key place.HostKey) []string {
	ids := sortedKeys(c.allUsers(key))
	slices.SortStableFunc(ids, func(a, b string) int {
		return c.snap.State.Workspaces[b].Admitted.Compare(c.snap.State.Workspaces[a].Admitted)
	})
	return ids
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	return keys
}
