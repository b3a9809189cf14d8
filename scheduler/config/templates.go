package config

import (
	"fmt"

	"github.com/hotspare/hotspare/scheduler"
)

func (b *builder) templates() []scheduler.Template {
	var all []scheduler.Template
	for _, o := range b.root.blocks["template"] {
		t := scheduler.Template{
			Name: o.name(), Cluster: b.cluster(o), Source: o.text("source"), CPUs: o.count("cpus"), MemoryMiB: get[int64](o, "memory"),
			Network: o.text("network"), Retention: o.duration("retention"), UserData: o.text("user_data"),
		}
		if t.Network == scheduler.IsolatedNetworkName {
			b.needsIsolated(o, "network", t.Cluster)
		} else {
			b.templateNetwork(o)
		}
		all = append(all, t)
	}
	return all
}

// templateNetwork keeps developers' VMs off the networks of production.
func (b *builder) templateNetwork(o *object) {
	network := b.refer(o, "network", b.root, "network")
	b.sameCluster(o, o, "network", network)
	if network != nil && network.text("role") == scheduler.ProductionNetwork {
		b.wrong(o, "network", fmt.Sprintf("network %q is production's, and a workspace is never on it", network.name()), `write "isolated", or a network of role standby; this one is at `+place(network.place("role")))
	}
}
