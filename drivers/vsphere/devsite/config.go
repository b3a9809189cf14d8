package devsite

import (
	"fmt"
	"strings"
)

// configuration is the site's configuration file, complete.
func (i Info) configuration() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# The development site. Paths are relative to this file.")
	line("site \"dr-dev\" {")
	line("  state_dir = \".\"")
	line("  listen {")
	line("    unix = \"hotspare.sock\"")
	line("    tcp  = \"127.0.0.1:%d\"", i.ServerPort)
	line("  }")
	line("}")
	line("")
	line("cluster \"dr1\" {")
	line("  driver = \"vsphere\"")
	line("  config {")
	line("    url               = %q", i.URL)
	line("    thumbprint        = %q", i.Thumbprint)
	line("    username          = %q", i.Username)
	line("    password_file     = %q", i.Password)
	line("    datacenter        = %q", datacenterName)
	line("    compute           = %q", clusterName)
	line("    folder            = %q", folderName)
	line("    volumes_datastore = %q", volumeStore)
	line("  }")
	line("  room {")
	line("    cpu_ratio     = 4")
	line("    memory_ratio  = 1")
	line("    floor_memory  = \"10%%\"")
	line("    floor_storage = \"15%%\"")
	line("  }")
	line("}")
	for _, n := range []struct{ name, portGroup, role string }{
		{"prod-app", networkApp, "production"}, {"prod-db", networkDB, "production"}, {"standby", standbyNetwork, "standby"},
	} {
		line("")
		line("network %q {", n.name)
		line("  cluster    = \"dr1\"")
		line("  port_group = %q", n.portGroup)
		line("  role       = %q", n.role)
		line("}")
	}
	line("")
	line("isolated_networks \"iso\" {")
	line("  cluster     = \"dr1\"")
	line("  port_groups = [%s]", quoted(isolatedNetworks))
	line("}")
	line("")
	line("workspaces {")
	line("  max_lease = \"72h\"")
	line("  retention = \"7d\"")
	line("  notice    = \"10m\"")
	line("  shutdown  = \"10s\"")
	line("}")
	for _, g := range groups {
		i.group(line, g)
	}
	for _, t := range templates {
		line("")
		line("template %q {", t.alias)
		line("  cluster   = \"dr1\"")
		line("  source    = %q", t.name)
		line("  cpus      = %d", t.cpus)
		line("  memory    = \"%dGiB\"", t.memoryGiB)
		line("  network   = \"isolated\"")
		line("  retention = \"24h\"")
		line("}")
	}
	line("")
	line("trigger \"alertmanager\" \"prod\" {")
	line("  token_file  = %q", tokenFile)
	line("  group_label = \"failover_group\"")
	line("  starts      = \"reclaim\"")
	line("}")
	return b.String()
}

func (i Info) group(line func(string, ...any), g group) {
	line("")
	line("protection_group %q {", g.name)
	line("  priority = %d", g.priority)
	line("  rto      = %q", g.rto)
	line("  rpo      = %q", g.rpo)
	line("  owner    = %q", g.owner)
	if g.copied {
		line("")
		line("  copy {")
		line("    allow     = [\"*\"]")
		line("    retention = \"3d\"")
		line("  }")
	}
	line("")
	line("  replica %q {", g.name)
	line("    cluster = \"dr1\"")
	line("    path    = %q", g.replica())
	line("  }")
	for _, vm := range g.vms {
		line("")
		line("  vm %q {", vm.name)
		line("    cluster = \"dr1\"")
		line("    start   = %d", vm.start)
		for unit, volume := range vm.volumes {
			line("    disk \"scsi0:%d\" {", unit)
			line("      replica = %q", g.name)
			line("      volume  = %q", volume)
			line("    }")
		}
		line("    nic \"ethernet0\" {")
		line("      production = %q", vm.role)
		line("    }")
		line("    ready \"http\" {")
		line("      url    = \"http://127.0.0.1:%d/healthz\"", i.HealthPorts[vm.name])
		line("      within = \"5m\"")
		line("    }")
		line("  }")
	}
	line("}")
}

func quoted(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(list, ", ")
}
