package config

import (
	"fmt"
	"slices"

	"github.com/hotspare/hotspare/scheduler"
)

func (b *builder) networks() []scheduler.Network {
	var all []scheduler.Network
	first := map[[2]string]*object{}
	for _, o := range b.root.blocks["network"] {
		n := scheduler.Network{Name: o.name(), Cluster: b.cluster(o), PortGroup: o.text("port_group"), Role: o.text("role")}
		if n.Name == scheduler.IsolatedNetworkName {
			b.errs.add(o.at, o.title, flaw{`the name "isolated" means a workspace's own network`, "give it another name"})
		}
		key := [2]string{n.Cluster, n.PortGroup}
		if before := first[key]; before == nil {
			first[key] = o
		} else if o.has("port_group") && o.has("cluster") {
			b.wrong(o, "port_group", fmt.Sprintf("port group %q is network %q already", n.PortGroup, before.name()), "the first is at "+place(before.place("port_group")))
		}
		all = append(all, n)
	}
	return all
}

// isolated reads the pools. A network that leads nowhere is in one pool, and nothing else.
func (b *builder) isolated() []scheduler.IsolatedPool {
	var all []scheduler.IsolatedPool
	first := map[[2]string]*object{}
	for _, o := range b.root.blocks["isolated_networks"] {
		pool := scheduler.IsolatedPool{Name: o.name(), Cluster: b.cluster(o), PortGroups: o.texts("port_groups")}
		for _, portGroup := range pool.PortGroups {
			key := [2]string{pool.Cluster, portGroup}
			if before := first[key]; before != nil && before != o && o.has("cluster") {
				b.wrong(o, "port_groups", fmt.Sprintf("port group %q is in pool %q already", portGroup, before.name()), "the first is at "+place(before.place("port_groups")))
			}
			first[key] = o
			b.leadsNowhere(o, portGroup)
		}
		all = append(all, pool)
	}
	return all
}

func (b *builder) leadsNowhere(o *object, portGroup string) {
	for _, n := range b.root.blocks["network"] {
		if n.has("port_group") && n.text("port_group") == portGroup && n.has("cluster") && n.text("cluster") == o.text("cluster") {
			b.wrong(o, "port_groups", fmt.Sprintf("port group %q leads somewhere: it is the %s network %q", portGroup, n.text("role"), n.name()), "take it out of the pool; the network is at "+place(n.place("port_group")))
			return
		}
	}
}

// needsIsolated checks that a workspace at the cluster can have a network of its own.
func (b *builder) needsIsolated(o *object, attributeName, cluster string) {
	if b.root.named("cluster", cluster) == nil || slices.ContainsFunc(b.root.blocks["isolated_networks"], func(pool *object) bool {
		return !pool.has("cluster") || pool.text("cluster") == cluster
	}) {
		return
	}
	b.wrong(o, attributeName, fmt.Sprintf("a workspace needs an isolated network, and cluster %q has none", cluster), fmt.Sprintf("write an isolated_networks block with cluster = %q", cluster))
}
