package preempt_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/place"
	"github.com/hotspare/hotspare/scheduler/preempt"
)

const gib = 1 << 10

// vm is one VM: on host "c1/h1" it takes memory, for a workspace (or for nobody that may
// be moved).
type vm struct {
	host      string
	memory    int64
	workspace string // "ws-3" was lent third
	covered   bool   // another run holds it down
	claim     string
}

type need struct {
	name, host string
	memory     int64
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		fact    string
		hosts   map[string]int64 // GiB
		vms     []vm
		needs   []need
		must    string
		victims string
		short   string
	}{
		{"with room for all nobody goes", map[string]int64{"c1/h1": 16}, []vm{{"c1/h1", 4, "ws-1", false, ""}}, []need{{"db", "c1/h1", 12}}, "", "", ""},
		{"whoever was lent last goes first", map[string]int64{"c1/h1": 16},
			[]vm{{"c1/h1", 4, "ws-1", false, ""}, {"c1/h1", 4, "ws-2", false, ""}, {"c1/h1", 4, "ws-3", false, ""}}, []need{{"db", "c1/h1", 8}}, "", "ws-3", ""},
		{"no more go than are needed", map[string]int64{"c1/h1": 16},
			[]vm{{"c1/h1", 10, "ws-1", false, ""}, {"c1/h1", 2, "ws-2", false, ""}, {"c1/h1", 2, "ws-3", false, ""}}, []need{{"db", "c1/h1", 12}}, "", "ws-1", ""},
		{"of those not needed the one lent first stays", map[string]int64{"c1/h1": 11},
			[]vm{{"c1/h1", 5, "ws-1", false, ""}, {"c1/h1", 3, "ws-2", false, ""}, {"c1/h1", 3, "ws-3", false, ""}}, []need{{"db", "c1/h1", 8}}, "", "ws-1 ws-3", ""},
		{"a workspace goes whole", map[string]int64{"c1/h1": 8, "c1/h2": 8},
			[]vm{{"c1/h1", 4, "ws-1", false, ""}, {"c1/h2", 4, "ws-1", false, ""}}, []need{{"db", "c1/h1", 8}, {"web", "c1/h2", 8}}, "", "ws-1", ""},
		{"what one host makes needless stays on the other", map[string]int64{"c1/h1": 8, "c1/h2": 8},
			[]vm{{"c1/h1", 4, "ws-1", false, ""}, {"c1/h2", 8, "ws-1", false, ""}, {"c1/h1", 4, "ws-2", false, ""}}, []need{{"db", "c1/h1", 4}, {"web", "c1/h2", 8}}, "", "ws-1", ""},
		{"a lease elsewhere helps nobody", map[string]int64{"c1/h1": 8, "c1/h2": 8}, []vm{{"c1/h2", 8, "ws-1", false, ""}, {"c1/h1", 8, "ws-2", false, ""}}, []need{{"db", "c1/h1", 8}}, "", "ws-2", ""},
		{"hosts of one name in two clusters are two hosts", map[string]int64{"c1/h1": 8, "c2/h1": 8},
			[]vm{{"c1/h1", 8, "ws-1", false, ""}, {"c2/h1", 8, "ws-2", false, ""}}, []need{{"db", "c2/h1", 8}}, "", "ws-2", ""},
		{"no lease is ended for a claim that cannot be met", map[string]int64{"c1/h1": 8}, []vm{{"c1/h1", 2, "ws-1", false, ""}}, []need{{"db", "c1/h1", 9}}, "", "", "db"},
		{"production of others is never a victim", map[string]int64{"c1/h1": 8}, []vm{{"c1/h1", 4, "", false, ""}, {"c1/h1", 4, "ws-1", false, ""}}, []need{{"db", "c1/h1", 6}}, "", "", "db"},
		{"the claims of others stand", map[string]int64{"c1/h1": 8}, []vm{{"c1/h1", 4, "ws-1", true, "other"}, {"c1/h1", 4, "ws-2", false, ""}}, []need{{"db", "c1/h1", 4}}, "", "ws-2", ""},
		{"a host that cannot hold all holds the first", map[string]int64{"c1/h1": 8}, []vm{{"c1/h1", 4, "ws-1", false, ""}}, []need{{"db", "c1/h1", 6}, {"web", "c1/h1", 6}}, "", "ws-1", "web"},
		{"a host that is gone holds nothing", map[string]int64{"c1/h1": 8}, []vm{{"c1/h1", 8, "ws-1", false, ""}}, []need{{"db", "c1/h9", 1}}, "", "", "db"},
		{"a copy on the group's own VMs goes in any case", map[string]int64{"c1/h1": 64}, []vm{{"c1/h1", 4, "ws-1", false, ""}}, []need{{"db", "c1/h1", 4}}, "ws-1", "ws-1", ""},
		{"and may make the room by itself", map[string]int64{"c1/h1": 8}, []vm{{"c1/h1", 4, "ws-1", false, ""}, {"c1/h1", 4, "ws-2", false, ""}}, []need{{"db", "c1/h1", 4}}, "ws-1", "ws-1", ""},
		{"a workspace that is down for another group counts as up", map[string]int64{"c1/h1": 8}, []vm{{"c1/h1", 8, "ws-1", true, ""}}, []need{{"db", "c1/h1", 4}}, "", "ws-1", ""},
	} {
		t.Run(c.fact, func(t *testing.T) {
			for range 5 { // results repeat
				snap, needs, must := build(c.hosts, c.vms, c.needs), needsOf(c.needs), map[string]string{}
				if c.must != "" {
					must[c.must] = "a copy on its standby VMs"
				}
				rooms := place.Rooms(snap)
				got := preempt.Choose(snap, rooms, "payments", needs, must)
				var victims, ids, short []string
				for _, v := range got.Victims {
					victims = append(victims, v.Workspace)
					ids = append(ids, v.Workspace)
					if v.Owner != "anna" || v.What != "1 new VM from small" || v.Why == "" {
						t.Errorf("the victim is not told in full: %+v", v)
					}
				}
				for _, n := range needs {
					if got.Short[n.VM] != "" {
						short = append(short, n.Name)
					}
				}
				if strings.Join(victims, " ") != c.victims || strings.Join(short, " ") != c.short {
					t.Fatalf("victims %v, short %v %v", victims, short, got.Short)
				}
				for _, id := range ids {
					if id != c.must && !preempt.Helps(rooms, needs, ids, id) {
						t.Errorf("%s goes, and that helps nobody", id)
					}
				}
			}
		})
	}
}

func TestTiesEndInAFixedKey(t *testing.T) {
	snap := build(map[string]int64{"c1/h1": 40}, nil, nil)
	for n := 2; n <= 11; n++ { // all lent at one instant
		addVM(snap, vm{"c1/h1", 4, fmt.Sprint("ws-", n), false, ""}, n)
		snap.State.Workspaces[fmt.Sprint("ws-", n)].Admitted = time.Unix(0, 0)
	}
	needs := needsOf([]need{{"db", "c1/h1", 4}})
	got := preempt.Choose(snap, place.Rooms(snap), "payments", needs, nil)
	if len(got.Victims) != 1 || got.Victims[0].Workspace != "ws-11" {
		t.Errorf("victims %+v, want ws-11, whose number is the highest", got.Victims)
	}
}

func TestWhatIsShortIsSaidInOneSentence(t *testing.T) {
	needs := []need{{"db", "c1/h1", 9}, {"web", "c1/h9", 1}}
	snap := build(map[string]int64{"c1/h1": 8}, nil, needs)
	got := preempt.Choose(snap, place.Rooms(snap), "payments", needsOf(needs), nil)
	for name, want := range map[string]string{
		"db":  "host h1 has 256 CPUs and 8 GiB for db of payments, which needs 1 CPUs and 9 GiB, even with nothing lent",
		"web": "web is to start on host h9, which is gone from the inventory",
	} {
		if says := got.Short[scheduler.Power("c1", name)]; says != want {
			t.Errorf("%s: %q, want %q", name, says, want)
		}
	}
}

func needsOf(needs []need) []place.Need {
	var all []place.Need
	for _, n := range needs {
		cluster, host, _ := strings.Cut(n.host, "/")
		all = append(all, place.Need{VM: scheduler.Power(cluster, n.name), Name: n.name, Cluster: cluster, Host: host, Size: scheduler.Size{CPUs: 1, MemoryMiB: n.memory * gib}})
	}
	return all
}

func build(hosts map[string]int64, vms []vm, needs []need) *scheduler.Snapshot {
	snap := &scheduler.Snapshot{Site: &scheduler.Site{}, State: scheduler.NewState(), Inventory: scheduler.Inventory{}}
	for key, memory := range hosts {
		cluster, host, _ := strings.Cut(key, "/")
		if snap.Inventory[cluster] == nil {
			snap.Inventory[cluster] = &scheduler.ClusterInventory{Hosts: map[string]drivers.HostItem{}, VMs: map[string]drivers.VMItem{}}
		}
		snap.Inventory[cluster].Hosts[host] = drivers.HostItem{Name: host, CPUs: 64, MemoryMiB: memory * gib, Connected: true}
	}
	for i, v := range vms {
		addVM(snap, v, i)
	}
	for _, n := range needs {
		cluster, host, _ := strings.Cut(n.host, "/")
		snap.Inventory[cluster].VMs[n.name] = drivers.VMItem{ID: n.name, Name: n.name, Host: host, Power: drivers.Off, CPUs: 1, MemoryMiB: n.memory * gib}
	}
	return snap
}

func addVM(snap *scheduler.Snapshot, v vm, i int) {
	cluster, host, _ := strings.Cut(v.host, "/")
	id := fmt.Sprint("vm-", i)
	snap.Inventory[cluster].VMs[id] = drivers.VMItem{ID: id, Name: id, Host: host, Power: drivers.On, CPUs: 1, MemoryMiB: v.memory * gib}
	power := scheduler.Power(cluster, id)
	if v.workspace != "" {
		var n int
		fmt.Sscanf(v.workspace, "ws-%d", &n)
		snap.State.Workspaces[v.workspace] = &scheduler.Workspace{ID: v.workspace, Owner: "anna", From: "small", Count: 1, Admitted: time.Unix(int64(n), 0)}
		snap.State.Stacks.Put(power, scheduler.Layer{Holder: scheduler.Holder(v.workspace), Goal: scheduler.Literal(drivers.On)})
	}
	if v.covered {
		snap.State.Stacks.Put(power, scheduler.Layer{Holder: scheduler.RunHolder("r-1", "other"), Goal: scheduler.Literal(drivers.Off)})
		snap.State.Stacks[power].Stands = &drivers.Value{Text: drivers.Off}
	}
	if v.claim != "" {
		snap.State.Runs["r-1"] = &scheduler.Run{ID: "r-1", Plan: &scheduler.Plan{Run: "r-1", Verb: scheduler.Reclaim, Group: v.claim, Claims: []scheduler.Claim{{Group: v.claim, VM: power, Host: host}}}}
	}
}
