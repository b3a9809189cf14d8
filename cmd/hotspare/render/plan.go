package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// PlanView is a plan and what helps a person to read it; only Plan must be there.
type PlanView struct {
	Plan       *scheduler.Plan
	Group      *api.Group
	Workspaces []api.Workspace
	// Command runs the plan as it was asked for.
	Command string
	// Partial says why Group or Workspaces could not be had.
	Partial string
}

// Plan writes a plan before it runs.
func Plan(p *Page, v PlanView) {
	plan := v.Plan
	p.Line(Strong, "Plan %s   %s   site as of %s, %s old   nothing has been changed",
		plan.Run, planTitle(plan), clock(plan.MadeAt.Add(-plan.SiteAge)), Took(plan.SiteAge))
	if plan.Reason != "" {
		p.Line(Plain, "%-16s %s", "Because", plan.Reason)
	}
	planHead(p, v)
	p.Blank()
	steps(p, plan, nil)
	planFoot(p, v)
	p.Blank()
	switch {
	case plan.Missing != "":
		p.Line(Alarm, "Would be refused now: %s", plan.Missing)
	case v.Command != "":
		p.Line(Strong, "Nothing has been changed. To run it: %s", v.Command)
	default:
		p.Line(Strong, "Nothing has been changed.")
	}
}

// PlanSummary is a plan in one line.
func PlanSummary(plan *scheduler.Plan) string {
	parts := []string{count(len(plan.Steps), "step")}
	if n := len(plan.Victims); n > 0 {
		parts = append(parts, fmt.Sprintf("%s (%s)", count(n, "victim"), victimIDs(plan.Victims)))
	}
	if back := coming(plan.Returning, false); len(back) > 0 {
		parts = append(parts, fmt.Sprintf("%s back (%s)", count(len(back), "workspace"), victimIDs(back)))
	}
	if r := plan.RestorePoint; r != nil {
		parts = append(parts, fmt.Sprintf("%s (%s old)", restoreName(r), Age(r.Age)))
	}
	if n := len(notExact(plan)); n > 0 {
		parts = append(parts, fmt.Sprintf("%s NOT EXACT to take back", count(n, "step")))
	}
	if len(plan.TakesOver) > 0 {
		parts = append(parts, "takes over "+strings.Join(plan.TakesOver, ", "))
	}
	return plan.Run + "  " + planTitle(plan) + ": " + strings.Join(parts, ", ")
}

func planTitle(plan *scheduler.Plan) string {
	title := string(plan.Verb) + " " + plan.Group + plan.Workspace
	if plan.Verb == scheduler.Failover && len(plan.Victims) > 0 {
		title += " (with its reclaim)"
	}
	return title
}

func planHead(p *Page, v PlanView) {
	plan := v.Plan
	victims(p, "Victims", plan.Victims, v.Workspaces)
	victims(p, "Come back", coming(plan.Returning, false), v.Workspaces)
	victims(p, "Stay parked", coming(plan.Returning, true), v.Workspaces)
	if r := plan.RestorePoint; r != nil {
		style, text := restoreLine(r, v.Group)
		p.Line(style, "%-16s %s", "Restore point", text)
	}
	if plan.RTO > 0 {
		p.Line(Plain, "%-16s %s", "RTO", Age(plan.RTO))
	}
	if w := plan.Writes; w.What != "" {
		p.Line(Plain, "%-16s %s, by the word of %s", "Writes", w.What, w.By)
	}
	if len(plan.TakesOver) > 0 {
		p.Line(Plain, "%-16s %s", "Takes over", strings.Join(plan.TakesOver, ", "))
	}
	for i, note := range plan.Notes {
		label := ""
		if i == 0 {
			label = "Notes"
		}
		p.Line(Plain, "%-16s %s", label, note)
	}
}

func victims(p *Page, title string, all []scheduler.Victim, known []api.Workspace) {
	for i, v := range all {
		label := ""
		if i == 0 {
			label = fmt.Sprintf("%s (%d)", title, len(all))
		}
		p.Line(Plain, "%-16s %s: %s", label, titleOf(v.Workspace, known), v.Why)
	}
}

func titleOf(id string, known []api.Workspace) string {
	for i := range known {
		if known[i].ID == id {
			return workspaceTitle(&known[i])
		}
	}
	return id
}

// coming picks the workspaces that come back with a revert, or those that stay parked.
func coming(all []scheduler.Victim, stays bool) []scheduler.Victim {
	var some []scheduler.Victim
	for _, v := range all {
		if v.Stays == stays {
			some = append(some, v)
		}
	}
	return some
}

func victimIDs(all []scheduler.Victim) string {
	return victimsAs(all, func(v scheduler.Victim) string { return v.Workspace })
}

// parked names workspaces that stay parked, each with the reason.
func parked(all []scheduler.Victim) string {
	return victimsAs(all, func(v scheduler.Victim) string {
		if v.Why == "" {
			return v.Workspace
		}
		return v.Workspace + " (" + v.Why + ")"
	})
}

// victimsAs names the first of many workspaces, each as it is told to.
func victimsAs(all []scheduler.Victim, name func(scheduler.Victim) string) string {
	const shown = 6
	var names []string
	for i, v := range all {
		if i == shown {
			names = append(names, fmt.Sprintf("and %d more", len(all)-shown))
			break
		}
		names = append(names, name(v))
	}
	return strings.Join(names, ", ")
}

func restoreName(r *scheduler.ChosenRestore) string {
	if r.Kept != "" {
		return "kept writes " + r.Kept
	}
	return "restore point " + r.ID
}

func restoreLine(r *scheduler.ChosenRestore, g *api.Group) (Style, string) {
	what := r.ID + ", complete over " + count(r.Volumes, "volume")
	if r.Kept != "" {
		what = "the kept writes " + r.Kept + ", " + count(r.Volumes, "volume")
	}
	text := fmt.Sprintf("%s, %s, age %s", what, Stamp(r.Time), Age(r.Age))
	switch {
	case g == nil || g.RPO == 0:
		return Plain, text
	case r.Age > g.RPO:
		return Alarm, fmt.Sprintf("%s (OVER the RPO of %s)", text, Age(g.RPO))
	default:
		return Plain, fmt.Sprintf("%s (RPO %s: ok)", text, Age(g.RPO))
	}
}

// planFoot tells what cannot be taken back, and the room that is claimed.
func planFoot(p *Page, v PlanView) {
	for _, s := range notExact(v.Plan) {
		p.Line(Alarm, "NOT EXACT: step %d, %s of %s: %s", s.ID, s.Change, s.Target, s.NotExact)
	}
	claims(p, v)
	if v.Partial != "" {
		p.Line(Plain, "Not all could be read: %s", v.Partial)
	}
}

func notExact(plan *scheduler.Plan) []*scheduler.Step {
	var all []*scheduler.Step
	for i := range plan.Steps {
		if plan.Steps[i].NotExact != "" {
			all = append(all, &plan.Steps[i])
		}
	}
	return all
}

// claims writes the room that the group has a right to, one line for each host.
func claims(p *Page, v PlanView) {
	var hosts []string
	sizes, names := map[string]scheduler.Size{}, map[string][]string{}
	for _, c := range v.Plan.Claims {
		host := c.VM.Cluster + "/" + c.Host
		if _, seen := sizes[host]; !seen {
			hosts = append(hosts, host)
		}
		sizes[host] = sizes[host].Plus(c.Size)
		names[host] = append(names[host], vmName(v, c))
	}
	for i, host := range hosts {
		label := ""
		if i == 0 {
			label = "Claims room"
		}
		suffix := ""
		if i == len(hosts)-1 {
			suffix = "; until the revert"
		}
		p.Line(Plain, "%-16s %s: %s for %s%s", label, host, size(sizes[host]), strings.Join(names[host], ", "), suffix)
	}
}

func vmName(v PlanView, c scheduler.Claim) string {
	if v.Group != nil {
		for _, vm := range v.Group.VMs {
			if vm.ID == c.VM.Target {
				return vm.Name
			}
		}
	}
	for i := range v.Plan.Steps {
		if s := &v.Plan.Steps[i]; s.Property.On("", "") == c.VM.On("", "") {
			return s.Target
		}
	}
	return c.VM.Target
}

func size(s scheduler.Size) string {
	return fmt.Sprintf("%g CPUs, %s", s.CPUs, memory(s.MemoryMiB))
}

// usual gives the usual time of a step in a cell.
func usual(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return Took(d)
}
