package place_test

import (
	"errors"
	"testing"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/place"
)

const gib = 1 << 10

// snapshot is a cluster "c1" with hosts h1 (32 GiB) and h2 (16 GiB), 4 threads each.
func snapshot(vms ...drivers.VMItem) *scheduler.Snapshot {
	inv := &scheduler.ClusterInventory{Hosts: map[string]drivers.HostItem{
		"h1": {Name: "h1", CPUs: 4, MemoryMiB: 32 * gib, Connected: true, Networks: []string{"i1", "i2"}},
		"h2": {Name: "h2", CPUs: 4, MemoryMiB: 16 * gib, Connected: true, Networks: []string{"i1"}},
	}, VMs: map[string]drivers.VMItem{}}
	for _, vm := range vms {
		inv.VMs[vm.ID] = vm
	}
	return &scheduler.Snapshot{
		Site:      &scheduler.Site{Clusters: []scheduler.Cluster{{Name: "c1", Room: scheduler.RoomRules{CPURatio: 2, MemoryRatio: 1}}}},
		State:     scheduler.NewState(),
		Inventory: scheduler.Inventory{"c1": inv},
	}
}

func vm(id, host, power string, memory int64) drivers.VMItem {
	return drivers.VMItem{ID: id, Name: id, Host: host, Power: power, CPUs: 1, MemoryMiB: memory * gib}
}

func room(s *scheduler.Snapshot, host string) *place.Room {
	return place.Rooms(s)[place.HostKey{Cluster: "c1", Host: host}]
}

func power(id string) drivers.Property { return scheduler.Power("c1", id) }

// claim lets a reclaim of a group hold a claim for a VM on a host.
func claim(s *scheduler.Snapshot, id, host string, memory int64) {
	c := scheduler.Claim{Group: "g", VM: power(id), Name: id, Host: host, Size: scheduler.Size{CPUs: 1, MemoryMiB: memory * gib}}
	s.State.Runs["r-1"] = &scheduler.Run{ID: "r-1", Plan: &scheduler.Plan{Run: "r-1", Verb: scheduler.Reclaim, Group: "g", Claims: []scheduler.Claim{c}}}
	s.State.Stacks.Put(power(id), scheduler.Layer{Holder: scheduler.RunHolder("r-1", "g"), Goal: scheduler.Literal(drivers.Off)})
}

func made(s *scheduler.Snapshot, id, host string, memory int64) *scheduler.Stack {
	s.State.Workspaces["ws-1"] = &scheduler.Workspace{ID: "ws-1"}
	presence := power(id).On(drivers.Presence, "")
	s.State.Stacks.Put(presence, scheduler.Layer{Holder: "ws-1", Goal: scheduler.Goal{Value: &drivers.Value{Text: drivers.Present,
		Spec: &drivers.Spec{VM: &drivers.VMSpec{Name: id, Host: host, CPUs: 1, MemoryMiB: memory * gib}}}}})
	s.State.Stacks.Put(power(id), scheduler.Layer{Holder: "ws-1", Goal: scheduler.Literal(drivers.On)})
	return s.State.Stacks[presence]
}

func TestRoomOfAHost(t *testing.T) {
	for _, c := range []struct {
		fact string
		vms  []drivers.VMItem
		set  func(*scheduler.Snapshot)
		free int64 // GiB on h1 for what is to be lent; -1: the host is not usable
	}{
		{"an empty host has all of its memory", nil, nil, 32},
		{"a VM that is off takes nothing", []drivers.VMItem{vm("a", "h1", drivers.Off, 8)}, nil, 32},
		{"a suspended VM takes nothing", []drivers.VMItem{vm("a", "h1", drivers.Suspended, 8)}, nil, 32},
		{"a VM that is on takes its size", []drivers.VMItem{vm("a", "h1", drivers.On, 8), vm("b", "h2", drivers.On, 4)}, nil, 24},
		{"a template takes nothing", []drivers.VMItem{{ID: "t", Host: "h1", Power: drivers.On, MemoryMiB: 8 * gib, Template: true}}, nil, 32},
		{"memory is multiplied by its ratio", nil, func(s *scheduler.Snapshot) { s.Site.Clusters[0].Room.MemoryRatio = 1.5 }, 48},
		{"the floor is never lent", nil, func(s *scheduler.Snapshot) { s.Site.Clusters[0].Room.FloorMemory = 0.25 }, 24},
		{"a host in maintenance counts for nothing", nil, func(s *scheduler.Snapshot) { host(s, func(h *drivers.HostItem) { h.Maintenance = true }) }, -1},
		{"a host that is not connected counts for nothing", nil, func(s *scheduler.Snapshot) { host(s, func(h *drivers.HostItem) { h.Connected = false }) }, -1},
		{"a claim takes room while its VM is off", []drivers.VMItem{vm("a", "h1", drivers.Off, 8)}, func(s *scheduler.Snapshot) { claim(s, "a", "h1", 8) }, 24},
		{"a claim takes room while the inventory lacks its VM", nil, func(s *scheduler.Snapshot) { claim(s, "a", "h1", 8) }, 24},
		{"a VM that is yet to be made takes its room", nil, func(s *scheduler.Snapshot) { made(s, "a", "h1", 8) }, 24},
		{"a VM that is being taken away takes its room until it is off", nil, func(s *scheduler.Snapshot) {
			presence := made(s, "a", "h1", 8)
			presence.Stands = presence.Layers[0].Goal.Value
			presence.Layers = nil
			s.State.Stacks[power("a")] = &scheduler.Stack{Stands: &drivers.Value{Text: drivers.On}}
		}, 24},
		{"what the journal knows corrects an old inventory", []drivers.VMItem{vm("a", "h1", drivers.On, 8)}, func(s *scheduler.Snapshot) {
			s.State.Stacks[power("a")] = &scheduler.Stack{Stands: &drivers.Value{Text: drivers.Off}, Layers: []scheduler.Layer{{Holder: "r-1.g", Goal: scheduler.Literal(drivers.Off)}}}
		}, 32},
		{"a VM that may have come on takes room", []drivers.VMItem{vm("a", "h1", drivers.Off, 8)}, func(s *scheduler.Snapshot) {
			s.State.Stacks[power("a")] = &scheduler.Stack{Stands: &drivers.Value{Text: drivers.Off}, InFlight: []drivers.Value{{Text: drivers.On}}, Layers: []scheduler.Layer{{Holder: "r-1.g", Goal: scheduler.Literal(drivers.Off)}}}
		}, 24},
	} {
		t.Run(c.fact, func(t *testing.T) {
			s := snapshot(c.vms...)
			if c.set != nil {
				c.set(s)
			}
			r := room(s, "h1")
			if (r == nil) != (c.free < 0) {
				t.Fatalf("room %v", r)
			}
			if r == nil {
				return
			}
			if free := r.Free(place.Counted).Minus(r.Floor).MemoryMiB; free != c.free*gib {
				t.Errorf("%d MiB are free, want %d GiB", free, c.free)
			}
		})
	}
}

func host(s *scheduler.Snapshot, change func(*drivers.HostItem)) {
	h := s.Inventory["c1"].Hosts["h1"]
	change(&h)
	s.Inventory["c1"].Hosts["h1"] = h
}

func need(id, host string, cpus float64, memory int64, reach ...string) place.Need {
	return place.Need{VM: power(id), Name: id, Cluster: "c1", Host: host, Size: scheduler.Size{CPUs: cpus, MemoryMiB: memory * gib}, Reach: reach}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		fact     string
		vms      []drivers.VMItem
		needs    []place.Need
		hosts    string // one letter for each need
		says     string
		unusable bool
	}{
		{"the host with most memory free is taken, and counts the next time", nil,
			[]place.Need{need("a", "", 1, 20), need("b", "", 1, 12), need("c", "", 1, 12)}, "121", "", false},
		{"of equal hosts the first by name", []drivers.VMItem{vm("x", "h1", drivers.On, 16)}, []place.Need{need("a", "", 1, 4)}, "1", "", false},
		{"a VM's own use counts once", []drivers.VMItem{vm("a", "h2", drivers.On, 12)}, []place.Need{need("a", "h2", 1, 16)}, "2", "", false},
		{"only hosts that reach the networks", nil, []place.Need{need("a", "", 1, 1, "i1", "i2"), need("b", "", 1, 14, "i2"), need("c", "", 1, 14, "i2")}, "111", "", false},
		{"too much memory", nil, []place.Need{need("a", "", 1, 33)}, "", "a needs 1 CPUs and 33 GiB, and host h1 has 8 CPUs and 32 GiB free", false},
		{"too many CPUs, with the ratio", nil, []place.Need{need("a", "", 9, 1)}, "", "a needs 9 CPUs and 1 GiB, and host h1 has 8 CPUs and 32 GiB free", false},
		{"never less than nothing is free", []drivers.VMItem{vm("x", "h2", drivers.On, 20)}, []place.Need{need("a", "h2", 1, 1)}, "", "a needs 1 CPUs and 1 GiB, and host h2 has 7 CPUs and 0 GiB free", false},
		{"a network that no host reaches", nil, []place.Need{need("a", "", 1, 1, "i9")}, "", "no host of cluster c1 can run a (gone, in maintenance, drained, or none reaches its networks)", true},
		{"a host that is gone", nil, []place.Need{need("a", "h9", 1, 1)}, "", "host h9 of a is not usable now (gone, in maintenance, drained, or does not reach its networks)", true},
	} {
		t.Run(c.fact, func(t *testing.T) {
			for range 5 { // results repeat
				hosts, err := place.Fit(place.Rooms(snapshot(c.vms...)), c.needs, place.Counted)
				got := ""
				for _, h := range hosts {
					got += h[1:]
				}
				says := ""
				if err != nil {
					says = err.Error()
				}
				var unusable *place.Unusable
				if got != c.hosts || says != c.says || errors.As(err, &unusable) != c.unusable {
					t.Fatalf("hosts %q, error %q", got, says)
				}
			}
		})
	}
}
