package plan_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/journal"
	"github.com/hotspare/hotspare/scheduler/plan"
)

// Whatever is planned, on whatever site and in whatever order its steps happen, also while
// other runs go on: no plan breaks a rule, no host holds more than it has, no volume is
// on two running VMs, no copy is off its isolated network, only a workspace is ever cut
// off, and when everyone is gone the site is as it was.
func TestPlansHoldInAnyLegalOrder(t *testing.T) {
	if flag.Lookup("rapid.checks").Value.String() == "100" { // its default
		flag.Set("rapid.checks", "2000")
		defer flag.Set("rapid.checks", "100")
	}
	rapid.Check(t, func(t *rapid.T) {
		h := &history{T: t, world: anySite(t)}
		before := maps.Clone(h.at)
		for range rapid.IntRange(1, 12).Draw(t, "acts") {
			h.act()
			h.goOn(rapid.SampledFrom([]int{0, 1, 3, 9, 1000}).Draw(t, "events"))
		}
		h.endAll()
		h.asBefore(before)
	})
}

type history struct {
	*rapid.T
	*world
}

func (h *history) Helper()                   { h.T.Helper() }
func (h *history) Fatalf(f string, a ...any) { h.T.Helper(); h.T.Fatalf(f, a...) }
func (h *history) Logf(f string, a ...any)   { h.T.Logf(f, a...) }

func anySite(t *rapid.T) *world {
	w := newWorld(t)
	clusters := []string{"c1", "c2"}[:rapid.IntRange(1, 2).Draw(t, "clusters")]
	hosts := map[string]int{}
	for _, c := range clusters {
		hosts[c] = rapid.IntRange(1, 2).Draw(t, "hosts")
		var memory []int64
		for range hosts[c] {
			memory = append(memory, int64(rapid.IntRange(6, 16).Draw(t, "host GiB")))
		}
		w.cluster(c, 3, memory...)
		w.site.Clusters[len(w.site.Clusters)-1].Room.FloorMemory = rapid.SampledFrom([]float64{0, 0.1}).Draw(t, "floor")
		w.template(c, "small-"+c, 2)
		w.template(c, "large-"+c, 4)
		if rapid.Bool().Draw(t, "own VM") {
			w.vm(c, "infra-"+c, "h1", 1, drivers.On)
		}
	}
	for g := range rapid.IntRange(1, 3).Draw(t, "groups") {
		var vms []standby
		for v := range rapid.IntRange(1, 3).Draw(t, "VMs") {
			c := rapid.SampledFrom(clusters).Draw(t, "cluster")
			vms = append(vms, standby{
				name: fmt.Sprintf("g%dv%d", g, v), cluster: c, host: fmt.Sprintf("h%d", rapid.IntRange(1, hosts[c]).Draw(t, "host")),
				memoryGiB: int64(rapid.IntRange(1, 5).Draw(t, "GiB")), start: rapid.IntRange(1, 2).Draw(t, "start"),
			})
		}
		w.group(fmt.Sprintf("g%d", g), vms...)
	}
	return w
}

func (h *history) act() {
	group := rapid.SampledFrom(h.site.Groups).Draw(h.T, "group").Name
	req := plan.Request{Group: group, By: "op", DeclaredDeadBy: "op", Writes: scheduler.WritesWord{What: scheduler.WritesKept, By: "op"}}
	acts := []string{"copy", "copy", "new", "new", "return", "expire", "resume", "reclaim", "failover", "revert", "finish", "maintenance"}
	switch rapid.SampledFrom(acts).Draw(h.T, "act") {
	case "copy":
		_, p, err := h.request(scheduler.Workspace{Copy: group})
		h.try(p, err)
	case "new":
		template := rapid.SampledFrom(h.site.Template).Draw(h.T, "template").Name
		_, p, err := h.request(scheduler.Workspace{From: template, Count: rapid.IntRange(1, 3).Draw(h.T, "count")})
		h.try(p, err)
	case "return":
		if ws := h.someone(); ws != nil {
			h.giveBack(ws, time.Time{})
		}
	case "expire":
		if ws := h.someone(); ws != nil && ws.Covered.IsZero() && !ws.Returning && !ws.Expired && !ws.Admitted.IsZero() {
			h.giveBack(ws, h.now.Add(24*time.Hour))
		}
	case "resume":
		h.resume()
	case "reclaim":
		h.try(plan.Reclaim(h.snap(), req))
	case "failover":
		req.RestorePoint = rapid.SampledFrom([]string{"", "rp-1"}).Draw(h.T, "restore point")
		h.try(plan.Failover(h.snap(), req))
	case "revert":
		h.try(plan.Revert(h.snap(), req))
	case "finish":
		h.finish()
	case "maintenance":
		host := h.hosts["c1"]["h1"]
		host.Maintenance = !host.Maintenance
		h.hosts["c1"]["h1"] = host
	}
}

// try accepts what was planned; what was not must have been answered for.
func (h *history) try(p *scheduler.Plan, err error) bool {
	h.Helper()
	var refused *plan.Refused
	var already *plan.Already
	switch {
	case err == nil:
		h.accept(p)
		h.Logf("accepted: %s", tell(p))
		return true
	case !plan.IsWaits(err) && !errors.As(err, &refused) && !errors.As(err, &already):
		h.Fatalf("not an answer: %v", err)
	}
	h.Logf("answered: %v", err)
	return false
}

func (h *history) goOn(events int) {
	for range events {
		if !h.event(func(n int) int { return rapid.IntRange(0, n-1).Draw(h.T, "next") }) {
			return
		}
	}
}

func (h *history) someone() *scheduler.Workspace {
	var all []*scheduler.Workspace
	for _, ws := range h.state.SortedWorkspaces() {
		if !ws.Gone && h.state.RunOf(ws) == nil {
			all = append(all, ws)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return rapid.SampledFrom(all).Draw(h.T, "workspace")
}

func (h *history) giveBack(ws *scheduler.Workspace, keep time.Time) {
	if ws.Admitted.IsZero() {
		h.fold(journal.Record{WorkspaceNoted: &journal.WorkspaceNoted{Workspace: ws.ID, Gone: true}})
		return
	}
	p, err := plan.ReturnWorkspace(h.snap(), ws, ws.Owner, keep)
	if !h.try(p, err) && keep.IsZero() {
		h.fold(journal.Record{WorkspaceNoted: &journal.WorkspaceNoted{Workspace: ws.ID, Returning: true}})
	}
}

func (h *history) resume() {
	for _, ws := range h.state.SortedWorkspaces() {
		lending := !ws.Covered.IsZero() || ws.Admitted.IsZero() || h.state.StateOf(ws) == scheduler.WorkspaceLending
		if lending && !ws.Gone && !ws.Returning && !ws.Expired && h.state.RunOf(ws) == nil {
			h.try(plan.LendWorkspace(h.snap(), ws))
		}
	}
}

func (h *history) finish() (left bool) {
	for n := range h.state.LastRun {
		run := h.state.Runs[fmt.Sprint("r-", n+1)]
		if len(plan.Unfinished(h.state, run)) > 0 {
			left = true
			h.try(plan.Finish(h.snap(), run))
		}
	}
	return left
}

// endAll reverts every group and returns every workspace.
func (h *history) endAll() {
	for range 20 {
		h.goOn(1 << 20)
		left := h.finish()
		h.goOn(1 << 20)
		for _, g := range h.site.Groups {
			if len(h.state.HoldersOf(g.Name)) > 0 {
				left = true
				h.try(plan.Revert(h.snap(), plan.Request{Group: g.Name, Writes: scheduler.WritesWord{What: scheduler.WritesKept, By: "op"}}))
			}
		}
		for _, ws := range h.state.SortedWorkspaces() {
			if !ws.Gone && h.state.RunOf(ws) == nil {
				left = true
				h.giveBack(ws, time.Time{})
			}
		}
		if !left && len(h.state.RunningRuns()) == 0 {
			return
		}
	}
	h.Fatalf("it does not come to an end: %d runs, stacks %v", len(h.state.RunningRuns()), slices.Collect(maps.Keys(h.state.Stacks)))
}

func (h *history) asBefore(before map[drivers.Property]drivers.Value) {
	for p, value := range before {
		if now := h.at[p]; now.Text != value.Text {
			h.Fatalf("everyone is gone, and %s is %q; it was %q", p, now.Text, value.Text)
		}
	}
	for p, value := range h.at {
		if _, was := before[p]; !was {
			h.Fatalf("everyone is gone, and %s is %q; it was not there", p, value.Text)
		}
	}
	if len(h.state.Stacks) > 0 {
		h.Fatalf("everyone is gone, and stacks are left: %v", slices.Collect(maps.Keys(h.state.Stacks)))
	}
}
