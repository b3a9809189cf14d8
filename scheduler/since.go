package scheduler

import (
	"cmp"
	"maps"
	"slices"

	"github.com/hotspare/hotspare/drivers"
)

// Since gives the inventory with what runs have changed since it was read: nobody waits
// for the next reading to see that a VM is off, or a network free. The inventory itself is
// not changed; where nothing has happened since, it is what is given.
func (inv Inventory) Since(state *State) Inventory {
	next := inv
	for _, c := range inv.changes(state) {
		if sameMap(next, inv) {
			next = maps.Clone(inv)
		}
		next[c.property.Cluster] = next[c.property.Cluster].with(inv[c.property.Cluster], c)
	}
	return next
}

// sameMap reports whether both are the one map.
func sameMap(a, b Inventory) bool {
	for cluster := range b {
		if a[cluster] != b[cluster] {
			return false
		}
	}
	return true
}

type change struct {
	property drivers.Property
	text     string
	ended    int64
}

// changes lists the changes of VMs that ended after the inventory of their cluster was
// begun, in order.
func (inv Inventory) changes(state *State) []change {
	var all []change
	for _, run := range state.Runs {
		if run.State != Running && !inv.anyBefore(run) {
			continue
		}
		for i, sr := range run.Steps {
			step := &run.Plan.Steps[i]
			if step.IsChange() && step.Property.Kind == drivers.VM && sr.State == StepDone && sr.Goal != nil {
				if cluster := inv[step.Property.Cluster]; cluster != nil && sr.Ended.After(cluster.At) {
					all = append(all, change{step.Property, sr.Goal.Text, sr.Ended.UnixNano()})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.ended, b.ended), CompareProperties(a.property, b.property))
	})
	return all
}

// anyBefore reports whether some cluster's inventory was begun before the run ended.
func (inv Inventory) anyBefore(run *Run) bool {
	for _, cluster := range inv {
		if run.Ended.After(cluster.At) {
			return true
		}
	}
	return false
}

// with gives the cluster's inventory with one change made. found is the one that was read:
// what is not copied from it yet, is.
func (c *ClusterInventory) with(found *ClusterInventory, ch change) *ClusterInventory {
	item, listed := c.VMs[ch.property.Target]
	if !listed {
		return c
	}
	if c == found {
		copied := *c
		copied.VMs = maps.Clone(c.VMs)
		c = &copied
	}
	switch ch.property.Name {
	case drivers.Power:
		item.Power = ch.text
	case drivers.HostOf:
		item.Host = ch.text
	case drivers.Disk:
		item.Disks = set(item.Disks, ch.property.Slot, ch.text)
	case drivers.NIC:
		item.NICs = set(item.NICs, ch.property.Slot, ch.text)
	case drivers.Presence:
		if ch.text == drivers.Absent {
			delete(c.VMs, ch.property.Target)
			return c
		}
	}
	c.VMs[ch.property.Target] = item
	return c
}

// set gives a copy of the map with one entry changed.
func set(m map[string]string, key, value string) map[string]string {
	c := make(map[string]string, len(m)+1)
	maps.Copy(c, m)
	c[key] = value
	return c
}
