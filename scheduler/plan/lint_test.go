package plan_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/plan"
)

// payments is a site with one group of two VMs, a template, and room for both at once.
func payments(t tb) *world {
	w := newWorld(t)
	w.cluster("c1", 3, 16, 16)
	w.template("c1", "small", 2)
	w.group("payments", standby{"db", "c1", "h1", 8, 1}, standby{"web", "c1", "h2", 4, 2})
	return w
}

func req() plan.Request {
	return plan.Request{Group: "payments", By: "op", DeclaredDeadBy: "op", Writes: scheduler.WritesWord{What: scheduler.WritesKept, By: "op"}}
}

// must gives the plan of a planner that has no reason to refuse.
func (w *world) must(p *scheduler.Plan, err error) *scheduler.Plan {
	w.Helper()
	if err != nil {
		w.Fatalf("no plan: %v", err)
	}
	return p
}

func (w *world) lendPlan(ws scheduler.Workspace) *scheduler.Plan {
	_, p, err := w.request(ws)
	return w.must(p, err)
}

func step(p *scheduler.Plan, target, change, to string) *scheduler.Step {
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Target == target && strings.HasPrefix(s.Change, change) && strings.HasPrefix(s.To, to) {
			return s
		}
	}
	panic("no step " + target + " " + change + " " + to + "\n" + tell(p))
}

// clone gives a plan that shares nothing with p.
func clone(p *scheduler.Plan) *scheduler.Plan {
	data, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	var c scheduler.Plan
	if err := json.Unmarshal(data, &c); err != nil {
		panic(err)
	}
	return &c
}

// Each good plan passes; broken in one way, just that is found.
func TestLintFindsWhatAPlanMustNeverContain(t *testing.T) {
	failover := func(w *world) *scheduler.Plan { return w.must(plan.Failover(w.snap(), req())) }
	copied := func(w *world) *scheduler.Plan { return w.lendPlan(scheduler.Workspace{Copy: "payments"}) }
	fresh := func(w *world) *scheduler.Plan { return w.lendPlan(scheduler.Workspace{From: "small", Count: 1}) }
	crowded := func(w *world) *scheduler.Plan { // a victim on each host makes the room
		w.lend(scheduler.Workspace{From: "small", Count: 7})
		w.lend(scheduler.Workspace{From: "small", Count: 8})
		return failover(w)
	}
	revert := func(w *world) *scheduler.Plan {
		w.run(failover(w))
		return w.must(plan.Revert(w.snap(), req()))
	}
	giveBack := func(w *world) *scheduler.Plan {
		id := w.lend(scheduler.Workspace{From: "small", Count: 1})
		return w.must(plan.ReturnWorkspace(w.snap(), w.state.Workspaces[id], "anna", time.Time{}))
	}
	for _, c := range []struct {
		rule string
		make func(*world) *scheduler.Plan
		harm func(*world, *scheduler.Snapshot, *scheduler.Plan)
		says string
	}{
		{"0: a step waits only for earlier ones", failover, func(_ *world, _ *scheduler.Snapshot, p *scheduler.Plan) {
			p.Steps[0].After = []int{len(p.Steps)}
		}, "waits for step"},
		{"1: promoted before production is fenced", failover, func(_ *world, _ *scheduler.Snapshot, p *scheduler.Plan) {
			step(p, "/r/payments", "replica role", "primary").After = nil
		}, "before production is fenced"},
		{"1: declared dead by nobody", failover, func(_ *world, _ *scheduler.Snapshot, p *scheduler.Plan) {
			step(p, "payments", "check fenced", "").Check.Word = ""
		}, "before production is fenced"},
		{"1: demoted before the writes are home", revert, func(_ *world, _ *scheduler.Snapshot, p *scheduler.Plan) {
			step(p, "payments", "check home", "").Check.Word = ""
		}, "before its last writes are home"},
		{"1: demoted before production is off", revert, func(_ *world, _ *scheduler.Snapshot, p *scheduler.Plan) {
			home, off := step(p, "payments", "check home", ""), step(p, "web", "power", "off")
			keepWaits(home, func(id int) bool { return id != off.ID })
			keepWaits(step(p, "web", "disk", ""), func(id int) bool { return id != off.ID })
		}, "before web is off"},
		{"2: a workspace's disk is the replica", copied, func(_ *world, _ *scheduler.Snapshot, p *scheduler.Plan) {
			putOf(p, drivers.Disk).Layer.Goal = scheduler.Literal("replica:db")
		}, "which is no clone"},
		{"2: one clone on two disks", copied, func(w *world, _ *scheduler.Snapshot, p *scheduler.Plan) {
			goal := putOf(p, drivers.Disk).Layer.Goal
			for i := range p.Puts {
				if p.Puts[i].Property.Name == drivers.Disk {
					p.Puts[i].Layer.Goal = goal
				}
			}
		}, "would both show"},
		{"3: a workspace on production's network", copied, func(_ *world, _ *scheduler.Snapshot, p *scheduler.Plan) {
			putOf(p, drivers.NIC).Layer.Goal = scheduler.Literal("prod")
		}, "on production network prod"},
		{"3: new VMs on production's network", fresh, func(_ *world, _ *scheduler.Snapshot, p *scheduler.Plan) {
			putOf(p, drivers.Presence).Layer.Goal.Value.Spec.VM.Networks["n0"] = "prod"
		}, "on production network prod"},
		{"3: a copy on a network that is not isolated", copied, func(_ *world, _ *scheduler.Snapshot, p *scheduler.Plan) {
			putOf(p, drivers.NIC).Layer.Goal = scheduler.Literal("standby")
		}, "which is not isolated"},
		{"3: two workspaces on one isolated network", func(w *world) *scheduler.Plan {
			w.lend(scheduler.Workspace{From: "small", Count: 1})
			return copied(w)
		}, func(_ *world, _ *scheduler.Snapshot, p *scheduler.Plan) {
			putOf(p, drivers.NIC).Layer.Goal = scheduler.Literal("i1")
		}, "which ws-1 has"},
		{"4: not exact, and does not say so", failover, func(_ *world, s *scheduler.Snapshot, _ *scheduler.Plan) {
			s.Drivers = map[string]drivers.Description{"c1": {Properties: []drivers.Capability{{Kind: drivers.Replica, Name: drivers.Role, NotExact: "needs a resync"}}}}
		}, "does not say so"},
		{"5: started before its room is free", crowded, func(_ *world, _ *scheduler.Snapshot, p *scheduler.Plan) {
			for i := range p.Steps {
				if p.Steps[i].TurnsOn() {
					p.Steps[i].After = []int{step(p, "payments", "check fenced", "").ID}
				}
			}
		}, "while host"},
		{"5: a host that does not reach the network", failover, func(_ *world, s *scheduler.Snapshot, _ *scheduler.Plan) {
			host := s.Inventory["c1"].Hosts["h1"]
			host.Networks = []string{"standby"}
			s.Inventory["c1"].Hosts["h1"] = host
		}, "which host h1 does not reach"},
		{"5: lent below the floor of storage", copied, func(w *world, s *scheduler.Snapshot, _ *scheduler.Plan) {
			w.site.Clusters[0].Room.FloorStorage = 0.5
			s.Inventory["c1"].Datastores["ds1"] = drivers.DatastoreItem{Name: "ds1", CapacityMiB: 100, FreeMiB: 10}
		}, "below the floor"},
		{"6: what is not ours is deleted", giveBack, func(_ *world, s *scheduler.Snapshot, p *scheduler.Plan) {
			step(p, "ws-1-small-1", "presence", "absent").Goal = scheduler.Literal(drivers.Absent)
			for p, stack := range s.State.Stacks {
				if p.Name == drivers.Presence {
					stack.Found = &drivers.Value{Text: drivers.Present}
				}
			}
		}, "which is not ours"},
		{"7: a lease that helps nobody", func(w *world) *scheduler.Plan {
			w.lend(scheduler.Workspace{From: "small", Count: 1})
			return failover(w)
		}, func(_ *world, _ *scheduler.Snapshot, p *scheduler.Plan) {
			p.Victims = append(p.Victims, scheduler.Victim{Workspace: "ws-1"})
		}, "that helps nobody"},
		{"7: a claim that can be met, and is said to be short", failover, func(_ *world, _ *scheduler.Snapshot, p *scheduler.Plan) {
			p.Claims[0].Short = "host h1 is small"
		}, "does not say truly"},
		{"8: a reclaim deletes", giveBack, func(_ *world, _ *scheduler.Snapshot, p *scheduler.Plan) {
			p.Verb, p.Group = scheduler.Reclaim, "payments"
		}, "deletes nothing"},
		{"8: an expiry deletes", giveBack, func(_ *world, _ *scheduler.Snapshot, p *scheduler.Plan) {
			p.Keep = start.Add(time.Hour)
		}, "deletes nothing"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			w := payments(t)
			p, snap := c.make(w), w.snap()
			if found := plan.Lint(snap, p); len(found) > 0 {
				t.Fatalf("the good plan breaks %q\n%s", found, tell(p))
			}
			p = clone(p)
			c.harm(w, snap, p)
			found := plan.Lint(snap, p)
			if len(found) == 0 {
				t.Fatalf("nothing is found\n%s", tell(p))
			}
			for _, sentence := range found {
				if !strings.Contains(sentence, c.says) {
					t.Errorf("found %q, want only what says %q\n%s", sentence, c.says, tell(p))
				}
			}
		})
	}
}

func keepWaits(s *scheduler.Step, keep func(int) bool) {
	var after []int
	for _, id := range s.After {
		if keep(id) {
			after = append(after, id)
		}
	}
	s.After = after
}

func putOf(p *scheduler.Plan, name drivers.Name) *scheduler.Put {
	for i := range p.Puts {
		if p.Puts[i].Property.Name == name && p.Puts[i].Property.Kind == drivers.VM {
			return &p.Puts[i]
		}
	}
	panic("no put of " + string(name))
}
