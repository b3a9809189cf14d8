package plan

import (
	"fmt"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// isolated finds an isolated network of the cluster that no layer and no VM names.
func isolated(snap *scheduler.Snapshot, cluster string) (string, error) {
	used := map[string]bool{}
	for p, stack := range snap.State.Stacks {
		if p.Cluster == cluster && p.Kind == drivers.VM {
			for _, network := range networksNamed(p, stack) {
				used[network] = true
			}
		}
	}
	inv := snap.Inventory[cluster]
	if inv == nil {
		return "", &Waits{"no inventory of cluster " + cluster + " was read yet"}
	}
	for id, vm := range inv.VMs {
		for slot, network := range vm.NICs {
			nic := scheduler.Power(cluster, id).On(drivers.NIC, slot)
			if !vm.Template && snap.State.Stacks[nic] == nil {
				used[network] = true
			}
		}
	}
	pool := snap.Site.IsolatedAt(cluster)
	missing := 0
	for _, network := range pool {
		switch {
		case !inv.Networks[network]:
			missing++
		case !used[network]:
			return network, nil
		}
	}
	if len(pool) == missing {
		return "", &Refused{Reason: fmt.Sprintf("cluster %s has none of the %d isolated networks that the configuration names", cluster, len(pool)), Next: "make them, or name those that there are"}
	}
	return "", &Waits{fmt.Sprintf("all %d isolated networks of cluster %s are in use", len(pool)-missing, cluster)}
}

// networksNamed lists the networks that a layer of the stack, or what may stand or come
// back there, puts something on.
func networksNamed(p drivers.Property, stack *scheduler.Stack) []string {
	var all []string
	for _, layer := range stack.Layers {
		all = append(all, networksOf(p, layer.Goal)...)
	}
	values := stack.Expected()
	if stack.Found != nil {
		values = append(values, *stack.Found)
	}
	for _, value := range values {
		all = append(all, networksOf(p, scheduler.Goal{Value: &value})...)
	}
	return all
}

// networksOf lists the networks that a goal puts something on.
func networksOf(p drivers.Property, goal scheduler.Goal) []string {
	v := goal.Value
	switch {
	case v == nil:
	case p.Name == drivers.NIC:
		return []string{v.Text}
	case v.Spec != nil && v.Spec.VM != nil:
		var all []string
		for _, slot := range sortedNames(v.Spec.VM.Networks) {
			all = append(all, v.Spec.VM.Networks[slot])
		}
		return all
	}
	return nil
}
