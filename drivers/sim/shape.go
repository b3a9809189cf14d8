package sim

import (
	"fmt"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// Shape is what a site is made of, where a test does not care to say more. The names are
// always the same:
//
//	hosts           host-01, host-02, ...
//	networks        prod, and isolated-01, isolated-02, ...
//	datastore       ds1, on all hosts
//	templates       template-01, ... with disk "disk0" and NIC "nic0" on prod
//	groups          group-01, ... each with replica "/replicas/group-01"
//	standby VMs     group-01-vm-01, ... off, on the hosts in turn, disk "disk0" on the
//	                replica's volume "vm-01", NIC "nic0" on prod
//	restore points  rp-1, rp-2, ... five minutes apart, the last of them now
//	own VMs         infra-01, ... on, not replicated: what the site itself needs
//	callouts        fence-group-01, ... one for each group
type Shape struct {
	Hosts         int
	HostCPUs      int   // 0: 64
	HostMemoryMiB int64 // 0: 512 GiB
	Isolated      int   // networks; 0: 4
	Templates     int
	Groups        int
	VMsPerGroup   int
	VMMemoryMiB   int64 // 0: 8 GiB
	VMCPUs        int   // 0: 4
	RestorePoints int   // complete ones of each replica; 0: 2
	Incomplete    bool  // one more restore point, rp-incomplete, the newest
	OwnVMs        int
	Latency       Latency
	Limits        []drivers.Limit
}

func (s *Site) shape(shape Shape) {
	for field, fallback := range map[*int]int{&shape.HostCPUs: 64, &shape.Isolated: 4, &shape.VMCPUs: 4, &shape.RestorePoints: 2} {
		if *field == 0 {
			*field = fallback
		}
	}
	if shape.HostMemoryMiB == 0 {
		shape.HostMemoryMiB = 512 << 10
	}
	if shape.VMMemoryMiB == 0 {
		shape.VMMemoryMiB = 8 << 10
	}
	s.SetLatency(shape.Latency)
	s.SetLimits(shape.Limits)
	if shape.Hosts == 0 {
		return
	}
	var hosts []string
	for i := range shape.Hosts {
		hosts = append(hosts, fmt.Sprintf("host-%02d", i+1))
		s.AddHost(Host{Name: hosts[i], CPUs: shape.HostCPUs, MemoryMiB: shape.HostMemoryMiB})
	}
	s.AddNetwork("prod")
	for i := range shape.Isolated {
		s.AddNetwork(fmt.Sprintf("isolated-%02d", i+1))
	}
	s.AddDatastore(Datastore{Name: "ds1", LUN: "lun-1", Hosts: hosts})
	shape.addVMs(s, hosts)
}

func (shape Shape) addVMs(s *Site, hosts []string) {
	turn := 0
	add := func(name, endpoint, power string, template bool) {
		s.AddVM(VM{
			Name: name, Host: hosts[turn%len(hosts)], Power: power, CPUs: shape.VMCPUs, MemoryMiB: shape.VMMemoryMiB, Template: template,
			Disks: map[string]Disk{"disk0": {Endpoint: endpoint, Serial: "serial-" + name, BootOrder: 1}},
			NICs:  map[string]NIC{"nic0": {Network: "prod"}},
		})
		turn++
	}
	for i := range shape.Templates {
		name := fmt.Sprintf("template-%02d", i+1)
		add(name, "[ds1] templates/"+name, drivers.Off, true)
	}
	for i := range shape.OwnVMs {
		name := fmt.Sprintf("infra-%02d", i+1)
		add(name, "[ds1] infra/"+name, drivers.On, false)
	}
	now := time.Now()
	for g := range shape.Groups {
		group := fmt.Sprintf("group-%02d", g+1)
		path := "/replicas/" + group
		volumes := map[string]string{}
		for i := range shape.VMsPerGroup {
			volumes[fmt.Sprintf("vm-%02d", i+1)] = fmt.Sprintf("[ds1] replicas/%s/vm-%02d", group, i+1)
		}
		s.AddReplica(path, volumes)
		for i := range shape.RestorePoints {
			age := time.Duration(shape.RestorePoints-1-i) * 5 * time.Minute
			s.AddRestorePoint(path, fmt.Sprintf("rp-%d", i+1), now.Add(-age), true)
		}
		if shape.Incomplete {
			s.AddRestorePoint(path, "rp-incomplete", now, false)
		}
		for i := range shape.VMsPerGroup {
			volume := fmt.Sprintf("vm-%02d", i+1)
			add(group+"-"+volume, volumes[volume], drivers.Off, false)
		}
		s.AddCallout("fence-" + group)
	}
}
