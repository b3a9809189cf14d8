package config

import (
	"fmt"
	"slices"

	"github.com/hotspare/hotspare/scheduler"
)

func (b *builder) groups() []scheduler.Group {
	var all []scheduler.Group
	replicas := map[[2]string]*object{}
	seen := &machines{byName: map[[2]string]*object{}, byUUID: map[string]*object{}}
	for _, o := range b.root.blocks["protection_group"] {
		g := scheduler.Group{
			Name: o.name(), Priority: o.count("priority"), RTO: o.duration("rto"), RPO: o.duration("rpo"), Owner: o.text("owner"),
			Replicas: b.replicas(o, replicas),
			VMs:      b.vms(o, seen),
		}
		if blocks := o.blocks["copy"]; len(blocks) > 0 {
			g.Copy = &scheduler.CopyRules{Allow: blocks[0].texts("allow"), Retention: blocks[0].duration("retention")}
			for _, cluster := range clustersOf(o) {
				b.needsIsolated(blocks[0], "allow", cluster)
			}
		}
		all = append(all, g)
	}
	return all
}

// clustersOf lists the clusters that the group's VMs are at.
func clustersOf(group *object) []string {
	var all []string
	for _, vm := range group.blocks["vm"] {
		all = append(all, vm.text("cluster"))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// replicas reads the replicas of a group. A replica is of one group: its restore points
// are one instant over all volumes of that group, and one role is promoted.
func (b *builder) replicas(group *object, first map[[2]string]*object) []scheduler.ReplicaRef {
	var all []scheduler.ReplicaRef
	for _, o := range group.blocks["replica"] {
		r := scheduler.ReplicaRef{Name: o.name(), Cluster: b.cluster(o), Path: o.text("path")}
		key := [2]string{r.Cluster, r.Path}
		if before := first[key]; before == nil {
			first[key] = o
		} else if o.has("path") && o.has("cluster") {
			b.wrong(o, "path", fmt.Sprintf("path %q is another replica already: %s", r.Path, before.title), "the first is at "+place(before.place("path")))
		}
		all = append(all, r)
	}
	return all
}
