package main

import (
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

var scriptNow = time.Date(2026, 11, 20, 14, 55, 16, 400e6, time.UTC)

func before(d time.Duration) time.Time { return scriptNow.Add(-d) }

func workspace(id, owner, name, what, state string) api.Workspace {
	return api.Workspace{Workspace: scheduler.Workspace{ID: id, Owner: owner, Name: name, Lease: 4 * time.Hour}, What: what, State: state}
}

func group(name string, priority int, rto, rpo, age time.Duration, state string, vms ...api.GroupVM) api.Group {
	return api.Group{Name: name, Priority: priority, RTO: rto, RPO: rpo, Age: age, State: state, Owner: "shop", CopyBy: []string{"*"}, VMs: vms,
		Points: []drivers.RestorePoint{
			{ID: "rp-40", Time: before(age + 5*time.Minute), Complete: true, Volumes: map[string]string{"root": "/r/root", "data": "/r/data"}},
			{ID: "rp-41", Time: before(age), Complete: true, Volumes: map[string]string{"root": "/r/root", "data": "/r/data"}},
			{ID: "rp-42", Time: before(age / 2), Volumes: map[string]string{"root": "/r/root"}},
		}}
}

// quietSite lends, and nothing is wrong.
func quietSite() *api.Status {
	lent := workspace("ws-7", "anna", "load test", "copy of payments", scheduler.WorkspaceLent)
	lent.Ends, lent.Network, lent.Copy = before(-3*time.Hour), "ISO-02", "payments"
	lent.VMs = []api.WorkspaceVM{{Name: "pay-db-01", ID: "4210-1", Host: "esx-1", Power: "on", Network: "ISO-02", Addresses: []string{"10.0.0.7"}},
		{Name: "pay-app-01", ID: "4210-2", Host: "esx-2", Power: "on", Network: "ISO-02"}}
	lent.Volumes = []string{"[LocalDS_1] hotspare/dr-east/ws-7/pay-db-01-root.vmdk"}
	waits := workspace("ws-9", "ben", "", "3 new VMs from loadgen", scheduler.WorkspaceWaiting)
	waits.Queue, waits.Waits = 1, "orders would miss its RTO"
	return &api.Status{
		Site: "dr-east", Version: "v1.2.3", Now: scriptNow, Started: before(76 * time.Hour), Lending: "open", Records: 1204,
		Drivers: []api.Driver{{Cluster: "dr1", Driver: "vsphere", Version: "v1.2.3", State: "ready", Proven: before(2 * time.Second), Inventory: before(14 * time.Second), Hosts: 4, VMs: 31}},
		Groups: []api.Group{
			group("payments", 1, 15*time.Minute, 5*time.Minute, 4*time.Minute+16*time.Second, scheduler.GroupCopied,
				api.GroupVM{Name: "pay-db-01", ID: "4210-1", Start: 1, Host: "esx-1", Power: "on", Use: "ws-7"},
				api.GroupVM{Name: "pay-app-01", ID: "4210-2", Start: 2, Host: "esx-2", Power: "on", Use: "ws-7"}),
			group("orders", 2, 30*time.Minute, 15*time.Minute, 8*time.Minute, scheduler.GroupStandby,
				api.GroupVM{Name: "ord-db-01", ID: "4210-3", Start: 1, Host: "esx-3", Power: "off"}),
			group("reports", 3, 4*time.Hour, time.Hour, 26*time.Minute, scheduler.GroupStandby,
				api.GroupVM{Name: "rep-01", ID: "4210-4", Start: 1, Host: "esx-3", Power: "off"}),
		},
		Workspaces: []api.Workspace{lent, waits},
		Runs:       []api.RunLine{},
	}
}

// nightSite is in the middle of a disaster.
func nightSite() *api.Status {
	s := quietSite()
	s.Version = "v1.2.2"
	s.Lending = "a failover runs"
	s.Drivers = append(s.Drivers, api.Driver{Cluster: "kvm", Driver: "libvirt", State: "failing", Error: "log in to kvm-1: connection refused", Restarts: 3})
	s.Groups[0].State, s.Groups[0].Runs = scheduler.GroupFailing, []string{"r-15"}
	s.Groups[2].Age, s.Groups[2].Problem = 0, "it has no complete restore point"
	parked := &s.Workspaces[0]
	parked.State, parked.Covered = scheduler.WorkspaceParked, before(time.Minute)
	s.Runs = []api.RunLine{heldRun().RunLine, goingRun().RunLine}
	s.Kept = keptWrites()
	return s
}

func keptWrites() []api.Kept {
	return []api.Kept{{Name: "r-3.payments", Group: "payments", Since: scriptNow, Volumes: []string{
		"[LocalDS_0] replica/payments/kept/r-3.payments/pay-db-01-root.vmdk", "[LocalDS_0] replica/payments/kept/r-3.payments/pay-db-01-data.vmdk", "c"}}}
}

// emptySite has nothing yet.
func emptySite() *api.Status {
	return &api.Status{Site: "dr-east", Version: "v1.2.3", Now: scriptNow, Started: before(time.Second), Lending: "open"}
}

// driftsOf is the drift of a site that has drifted.
func driftsOf(s *api.Status) []api.Drift {
	if s.Drifts == 0 {
		return []api.Drift{}
	}
	return []api.Drift{
		{ID: "d-3", Label: "pay-db-01 nic ethernet0", Since: before(10 * time.Minute), Holder: "ws-7", Before: "PG-STANDBY", Wanted: "ISO-02", Stands: "ISO-02", Found: "PG-LAB"},
		{ID: "d-4", Label: "[LocalDS_0] replica/payments replica role", Since: before(time.Minute), Before: "secondary", Wanted: "secondary", Stands: "secondary", Found: "secondary", Detail: true,
			Stuck: "a replica is promoted and demoted by failover and revert alone: put it back at the storage"},
	}
}

// hostsOf are the hosts of a site that is not empty.
func hostsOf(s *api.Status) []api.Host {
	if len(s.Groups) == 0 {
		return []api.Host{}
	}
	all := scheduler.Size{CPUs: 64, MemoryMiB: 128 << 10}
	return []api.Host{
		{Cluster: "dr1", Name: "esx-1", State: api.HostConnected, Capacity: all, Lent: scheduler.Size{CPUs: 4, MemoryMiB: 8 << 10},
			Others: scheduler.Size{CPUs: 2, MemoryMiB: 4 << 10}, Free: scheduler.Size{CPUs: 58, MemoryMiB: 116 << 10}, Workspaces: []string{"ws-7"}, Standby: []string{"payments/pay-db-01"}},
		{Cluster: "dr1", Name: "esx-2", State: api.HostMaintenance, Capacity: all},
		{Cluster: "dr1", Name: "esx-3", State: api.HostDrained, Capacity: all,
			Drained: &scheduler.Drained{Cluster: "dr1", Host: "esx-3", By: "maria", Reason: "memory errors", Since: before(time.Hour)}},
	}
}

func driverCheck(d api.Driver) *api.DriverCheck {
	check := &api.DriverCheck{Cluster: d.Cluster, OK: d.State == "ready"}
	check.About = drivers.Description{Driver: d.Driver, Version: d.Version,
		Limits:     []drivers.Limit{{Kind: drivers.VM, Name: drivers.Power, PerHost: 8}},
		Properties: []drivers.Capability{{Kind: drivers.Replica, Name: drivers.Role, NotExact: "a forced promotion needs a full resync afterwards"}}}
	check.Lines = []api.CheckLine{{What: "log in", OK: check.OK, Took: 42 * time.Millisecond, Error: d.Error},
		{What: "list the hosts", OK: check.OK, Took: 1200 * time.Millisecond, Found: "4 hosts"}}
	return check
}
