package plan_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/plan"
)

// answer gives the kind of an error and its sentence.
func answer(err error) string {
	var refused *plan.Refused
	var already *plan.Already
	switch {
	case err == nil:
		return "a plan"
	case errors.As(err, &refused):
		return "refused: " + err.Error()
	case errors.As(err, &already):
		return "already " + already.Run + ": " + err.Error()
	case plan.IsWaits(err):
		return "waits: " + err.Error()
	}
	return "no answer: " + err.Error()
}

func TestWhyNothingIsLent(t *testing.T) {
	for _, c := range []struct {
		fact string
		set  func(*world)
		ws   scheduler.Workspace
		want string
	}{
		{"a copy", nil, scheduler.Workspace{Copy: "payments"}, "a plan"},
		{"new VMs", nil, scheduler.Workspace{From: "small", Count: 2}, "a plan"},
		{"no such group", nil, scheduler.Workspace{Copy: "x"}, "refused: there is no protection group"},
		{"no such template", nil, scheduler.Workspace{From: "x", Count: 1}, "refused: there is no template"},
		{"an owner who may not", func(w *world) { w.site.Groups[0].Copy.Allow = []string{"ben"} }, scheduler.Workspace{Copy: "payments"}, "refused: anna may not have a copy"},
		{"a disk that nobody mapped", func(w *world) { w.at[disk(w, "db", "d1")] = drivers.Value{Text: "[ds1] db-log"} }, scheduler.Workspace{Copy: "payments"}, "refused: db has a disk d1 that the configuration does not map"},
		{"a mapped disk that is not there", func(w *world) { delete(w.at, disk(w, "db", "d0")) }, scheduler.Workspace{Copy: "payments"}, "refused: db has no disk d0"},
		{"two disks of one volume name", func(w *world) { w.site.Groups[0].VMs[1].Disks[0].Volume = "db" }, scheduler.Workspace{Copy: "payments"}, "refused: disk d0 of db and disk d0 of web are both mapped to a volume"},
		{"a VM that the inventory lacks", func(w *world) { delete(w.vms, scheduler.Power("c1", "id-db")) }, scheduler.Workspace{Copy: "payments"}, "refused: protection group payments: the site has no VM"},
		{"a standby VM that somebody has on", func(w *world) { w.at[scheduler.Power("c1", "id-db")] = drivers.Value{Text: drivers.On} }, scheduler.Workspace{Copy: "payments"}, "waits: db is on"},
		{"the group is copied", func(w *world) { w.lend(scheduler.Workspace{Copy: "payments"}) }, scheduler.Workspace{Copy: "payments"}, "waits: the standby VMs of payments are in use: it is copied"},
		{"the group is reclaimed", func(w *world) { w.run(w.must(plan.Reclaim(w.snap(), req()))) }, scheduler.Workspace{Copy: "payments"}, "waits: the standby VMs of payments are in use: it is reclaimed"},
		{"the last copy of the group is only kept", func(w *world) {
			id := w.lend(scheduler.Workspace{Copy: "payments"})
			w.run(w.must(plan.ReturnWorkspace(w.snap(), w.state.Workspaces[id], "", w.now.Add(time.Hour))))
		}, scheduler.Workspace{Copy: "payments"}, "a plan"},
		{"all isolated networks in use", func(w *world) {
			for range 3 {
				w.lend(scheduler.Workspace{From: "small", Count: 1})
			}
		}, scheduler.Workspace{From: "small", Count: 1}, "waits: all 3 isolated networks of cluster c1 are in use"},
		{"no isolated network is there", func(w *world) { w.site.Isolated[0].PortGroups = []string{"i8", "i9"} }, scheduler.Workspace{From: "small", Count: 1}, "refused: cluster c1 has none of the 2 isolated networks"},
		{"a template on production's network", func(w *world) { w.site.Template[0].Network = "prod-c1" }, scheduler.Workspace{From: "small", Count: 1}, "refused: template small would be on network"},
		{"more than the site has", nil, scheduler.Workspace{From: "small", Count: 17}, "refused: the site has no room for this, even with nothing lent"},
		{"more than is free", func(w *world) { w.lend(scheduler.Workspace{From: "small", Count: 10}) }, scheduler.Workspace{From: "small", Count: 8}, "waits: no room now"},
		{"more than claims leave", func(w *world) { w.run(w.must(plan.Reclaim(w.snap(), req()))) }, scheduler.Workspace{From: "small", Count: 11}, "waits: no room now"},
		{"all hosts in maintenance", func(w *world) { maintain(w, "h1"); maintain(w, "h2") }, scheduler.Workspace{From: "small", Count: 1}, "waits: no room now: no host of cluster c1 can run"},
		{"a datastore below its floor", func(w *world) {
			w.site.Clusters[0].Room.FloorStorage = 0.5
			w.stores["c1"] = []drivers.DatastoreItem{{Name: "ds1", CapacityMiB: 100, FreeMiB: 40}}
		}, scheduler.Workspace{From: "small", Count: 1}, "waits: datastore ds1 is below the floor"},
		{"a restore point that is not complete", nil, scheduler.Workspace{Copy: "payments", Restore: "rp-3"}, `refused: restore point "rp-3" of payments cannot be used: rp-3 is not complete`},
	} {
		t.Run(c.fact, func(t *testing.T) {
			w := payments(t)
			if c.set != nil {
				c.set(w)
			}
			_, p, err := w.request(c.ws)
			if got := answer(err); !strings.HasPrefix(got, c.want) {
				t.Fatalf("%s, want %s", got, c.want)
			}
			if p != nil {
				w.run(p)
			}
		})
	}
}

func disk(w *world, vm, slot string) drivers.Property {
	return scheduler.Power("c1", "id-"+vm).On(drivers.Disk, slot)
}

func maintain(w *world, host string) {
	h := w.hosts["c1"][host]
	h.Maintenance = !h.Maintenance
	w.hosts["c1"][host] = h
}

func TestLendingWaitsForFreshNews(t *testing.T) {
	w := payments(t)
	snap := w.snap()
	snap.Now = snap.Now.Add(plan.MaxInventoryAge + time.Second)
	_, err := plan.LendWorkspace(snap, &scheduler.Workspace{ID: "ws-1", Owner: "anna", Copy: "payments"})
	if got := answer(err); !strings.HasPrefix(got, "waits: the inventory of cluster c1 is older than 5m") {
		t.Errorf("a lend: %s", got)
	}
	if _, err := plan.Failover(snap, req()); err != nil {
		t.Errorf("a failover does not wait for news: %s", answer(err))
	}
}

func TestRestorePoint(t *testing.T) {
	for _, c := range []struct {
		fact string
		set  func(*world)
		req  plan.Request
		want string
	}{
		{"the newest complete one", nil, plan.Request{}, "rp-2"},
		{"the one that is named", nil, plan.Request{RestorePoint: "rp-1"}, "rp-1"},
		{"one that is not complete", nil, plan.Request{RestorePoint: "rp-3"}, "refused"},
		{"one that is not there", nil, plan.Request{RestorePoint: "rp-9"}, "refused"},
		{"one that lacks a volume is passed over", func(w *world) {
			for _, points := range w.points {
				delete(points[1].Volumes, "web")
			}
		}, plan.Request{}, "rp-1"},
		{"none is complete", func(w *world) {
			for _, points := range w.points {
				points[0].Complete, points[1].Complete = false, false
			}
		}, plan.Request{}, "refused"},
		{"while there are kept writes a person chooses", keepWrites, plan.Request{}, "refused: payments has kept writes of an earlier failover (r-1.payments of "},
		{"the kept writes", keepWrites, plan.Request{Kept: "r-1.payments"}, "r-1.payments"},
		{"a restore point in spite of kept writes", keepWrites, plan.Request{RestorePoint: "rp-2"}, "rp-2"},
		{"kept writes that are not there", keepWrites, plan.Request{Kept: "r-7.payments"}, "refused: payments has no kept writes"},
		{"kept writes that lack a volume", func(w *world) {
			keepWrites(w)
			delete(w.state.Kept["r-1.payments"].Volumes, "web")
		}, plan.Request{Kept: "r-1.payments"}, "refused: kept writes r-1.payments lack volume web"},
	} {
		t.Run(c.fact, func(t *testing.T) {
			w := payments(t)
			if c.set != nil {
				c.set(w)
			}
			c.req.Group, c.req.DeclaredDeadBy = "payments", "op"
			p, err := plan.Failover(w.snap(), c.req)
			got := answer(err)
			if err == nil {
				got = p.RestorePoint.ID + p.RestorePoint.Kept
				w.run(p)
			}
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func keepWrites(w *world) {
	w.run(w.must(plan.Failover(w.snap(), req())))
	w.run(w.must(plan.Revert(w.snap(), req())))
}

func TestVerbsOverOneAnother(t *testing.T) {
	w := payments(t)
	say := func(want string, p *scheduler.Plan, err error) *scheduler.Plan {
		t.Helper()
		if got := answer(err); !strings.HasPrefix(got, want) {
			t.Fatalf("%s, want %s", got, want)
		}
		return p
	}
	ask := func(make func(*scheduler.Snapshot, plan.Request) (*scheduler.Plan, error), want string) *scheduler.Plan {
		t.Helper()
		p, err := make(w.snap(), req())
		return say(want, p, err)
	}
	ask(plan.Revert, "refused: nothing is held for payments")
	reclaim := ask(plan.Reclaim, "a plan")
	w.accept(reclaim)
	ask(plan.Reclaim, "already r-1: payments is reclaimed already, by run r-1")
	failover := ask(plan.Failover, "a plan")
	if fmt.Sprint(failover.TakesOver) != "[r-1]" {
		t.Errorf("the failover takes over %v, want the reclaim that runs", failover.TakesOver)
	}
	w.run(failover)
	ask(plan.Reclaim, "already r-2: payments is failed over already")
	ask(plan.Failover, "already r-2: payments is failed over already")
	revert := ask(plan.Revert, "a plan")
	w.accept(revert)
	ask(plan.Revert, "already r-3: payments is reverting already, by run r-3")
	again := ask(plan.Reclaim, "a plan")
	if fmt.Sprint(again.TakesOver) != "[r-3]" {
		t.Errorf("the reclaim takes over %v, want the revert that runs", again.TakesOver)
	}
	for _, s := range again.Steps {
		if s.TurnsOff() && (s.MayForce || !s.Production) {
			t.Errorf("%s runs production still, and step %d may cut it off", s.Target, s.ID)
		}
	}
	ask(plan.Failover, "refused: replica replica-c1 of payments is still promoted")
}

func TestAFailoverWaitsForAWord(t *testing.T) {
	w := payments(t)
	p := w.must(plan.Failover(w.snap(), plan.Request{Group: "payments"}))
	if !strings.HasPrefix(p.Missing, "nobody has declared production of payments dead") {
		t.Errorf("missing: %q", p.Missing)
	}
	w.run(w.must(plan.Failover(w.snap(), req())))
	for _, word := range []scheduler.WritesWord{{}, {What: scheduler.WritesKept}, {By: "op"}} {
		p := w.must(plan.Revert(w.snap(), plan.Request{Group: "payments", Writes: word}))
		if !strings.HasPrefix(p.Missing, "production of payments wrote here, and nobody has said") {
			t.Errorf("%+v: missing: %q", word, p.Missing)
		}
	}
}

func TestAFailoverIsRefusedWhereItsNetworkIsNotReached(t *testing.T) {
	w := payments(t)
	h := w.hosts["c1"]["h2"]
	h.Networks = []string{"standby", "i1"}
	w.hosts["c1"]["h2"] = h
	_, err := plan.Failover(w.snap(), req())
	if got := answer(err); !strings.HasPrefix(got, "refused: host h2 does not reach network prod, which NIC n0 of web is on in production") {
		t.Error(got)
	}
}

// Only a workspace is ever cut off.
func TestWhoMayBeCutOff(t *testing.T) {
	w := payments(t)
	w.lend(scheduler.Workspace{Copy: "payments"})
	failover := w.must(plan.Failover(w.snap(), req()))
	w.run(failover)
	revert := w.must(plan.Revert(w.snap(), req()))
	for what, p := range map[string]*scheduler.Plan{"a workspace": failover, "production": revert} {
		for _, s := range p.Steps {
			if s.TurnsOff() && (s.MayForce != (what == "a workspace") || s.Production != (what == "production")) {
				t.Errorf("%s runs %s: production %v, may be cut off %v", s.Target, what, s.Production, s.MayForce)
			}
		}
	}
	other := payments(t)
	other.at[scheduler.Power("c1", "id-db")] = drivers.Value{Text: drivers.On} // by nobody here
	p := other.must(plan.Reclaim(other.snap(), req()))
	if s := step(p, "db", "power", "off"); s.MayForce {
		t.Error("db runs something that is not ours, and may be cut off")
	}
	if !strings.Contains(strings.Join(p.Notes, "\n"), "db is on, and not by hotspare") {
		t.Errorf("the plan does not say that db is on: %v", p.Notes)
	}
}

func TestALaterStartWaitsUntilAllEarlierAreReady(t *testing.T) {
	w := newWorld(t)
	w.cluster("c1", 1, 64)
	w.group("shop", standby{"db1", "c1", "h1", 2, 1}, standby{"db2", "c1", "h1", 2, 1}, standby{"app", "c1", "h1", 2, 2}, standby{"web", "c1", "h1", 2, 3})
	w.site.Groups[0].VMs[1].Ready = nil
	p := w.must(plan.Failover(w.snap(), plan.Request{Group: "shop", DeclaredDeadBy: "op"}))
	waits := func(id, other int) bool {
		var walk func(int) bool
		walk = func(id int) bool {
			for _, a := range p.Steps[id-1].After {
				if a == other || walk(a) {
					return true
				}
			}
			return false
		}
		return walk(id)
	}
	app, web := step(p, "app", "power", "on"), step(p, "web", "power", "on")
	for _, c := range []struct {
		first *scheduler.Step
		then  *scheduler.Step
	}{
		{step(p, "db1", "check ready", ""), app}, {step(p, "db2", "power", "on"), app},
		{step(p, "app", "check ready", ""), web}, {step(p, "db1", "check ready", ""), web},
	} {
		if !waits(c.then.ID, c.first.ID) {
			t.Errorf("%s does not wait for %s %s\n%s", c.then.Target, c.first.Target, c.first.Change, tell(p))
		}
	}
	if waits(step(p, "db1", "power", "on").ID, step(p, "db2", "power", "on").ID) {
		t.Error("VMs of one start order wait for one another")
	}
}

// A restore point that the group does not have is refused at once, also while the request
// would have to wait: it could wait for ever.
func TestARestorePointThatThereIsNotIsNoReasonToWait(t *testing.T) {
	w := payments(t)
	snap := w.snap()
	snap.Now = snap.Now.Add(plan.MaxInventoryAge + time.Second)
	_, err := plan.LendWorkspace(snap, &scheduler.Workspace{ID: "ws-1", Owner: "anna", Copy: "payments", Restore: "nope"})
	if got := answer(err); !strings.HasPrefix(got, `refused: payments has no restore point "nope"`) || !strings.Contains(got, "rp-2") {
		t.Errorf("a lend of it: %s", got)
	}
}

// What was on before anybody asked for anything comes back on its host, also on one that a
// person has drained since: that is no fault of the plan's.
func TestARevertPutsBackOnADrainedHost(t *testing.T) {
	w := payments(t)
	power := scheduler.Power("c1", "id-db")
	w.at[power] = drivers.Value{Text: drivers.On}
	w.run(w.must(plan.Reclaim(w.snap(), req())))
	w.state.Drain(scheduler.Drained{Cluster: "c1", Host: w.vms[power].host, Reason: "memory errors"})
	p := w.must(plan.Revert(w.snap(), req()))
	if found := plan.Lint(w.snap(), p); len(found) > 0 {
		t.Errorf("the revert is refused: %q", found)
	}
}

// One machine stands in two groups, under two names. While it produces for one it is not
// taken down for the other.
func TestAVMThatProducesForAnotherGroupIsLeftAlone(t *testing.T) {
	w := payments(t)
	other := *w.site.Group("payments")
	other.Name, other.VMs = "reports", other.VMs[:1]
	w.site.Groups = append(w.site.Groups, other)
	w.run(w.must(plan.Failover(w.snap(), req())))
	_, err := plan.Reclaim(w.snap(), plan.Request{Group: "reports"})
	if got := answer(err); !strings.Contains(got, "is on for production of payments, by run r-1") {
		t.Errorf("a reclaim of the other group: %s", got)
	}
}
