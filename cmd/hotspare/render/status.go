package render

import (
	"fmt"
	"strings"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// LendingOpen is what [api.Status.Lending] says where the site lends.
const LendingOpen = "open"

// Status writes the site at one glance: what needs a person first.
func Status(p *Page, s *api.Status, version string) {
	style, headline := headline(s)
	p.Line(style, "%s: %s", s.Site, headline)
	for i := range s.Runs {
		if r := &s.Runs[i]; NeedsPerson(r) {
			p.Line(Alarm, "  %s %s %s is held on %s: hotspare run show %s", r.ID, r.Verb, r.Target, count(r.Held, "step"), r.ID)
		}
	}
	for _, group := range groupsThat(s, func(g *api.Group) bool { return g.State == scheduler.GroupReclaimed }) {
		p.Line(Plain, "  %s is reclaimed, its production not started: hotspare failover %s --declared-dead-by NAME, or hotspare revert %s", group, group, group)
	}
	for _, r := range s.Refused {
		p.Line(Alarm, "  monitoring was refused %s, last at %s: %s", count(r.Count, "time"), Stamp(r.Last), r.Reason)
	}
	for _, d := range s.Drained {
		p.Line(Plain, "  host %s of %s is drained since %s: %s", d.Host, d.Cluster, Stamp(d.Since), d.Reason)
	}
	if s.Lending != LendingOpen {
		p.Line(Plain, "  nothing is lent now: %s", s.Lending)
	}
	other := ""
	if version != "" && version != s.Version {
		other = fmt.Sprintf(", and this command is %s", version)
	}
	p.Line(Plain, "  as of %s, server %s up %s%s, %d records in the journal",
		Stamp(s.Now), s.Version, Age(s.Now.Sub(s.Started)), other, s.Records)

	section(p, "Drivers")
	if len(s.Drivers) > 0 {
		driverTable(p, "  ", s.Drivers, s.Now)
	} else {
		p.Line(Alarm, "  No drivers: no hypervisor can be reached.")
	}
	section(p, "Protection groups")
	if len(s.Groups) > 0 {
		groupTable(p, "  ", s.Groups)
	} else {
		p.Line(Plain, "  No protection groups.")
	}
	section(p, "Workspaces")
	if len(s.Workspaces) > 0 {
		workspaceTable(p, "  ", s.Workspaces, s.Now)
	} else {
		p.Line(Plain, "  No workspaces.")
	}
	section(p, "Runs")
	if len(s.Runs) > 0 {
		runTable(p, "  ", s.Runs, s.Now)
	} else {
		p.Line(Plain, "  No runs. Those that have ended: hotspare run list --all")
	}
	if len(s.Kept) > 0 {
		section(p, "Kept volumes")
		kept(p, "  ", s.Kept, s.Now)
	}
}

func section(p *Page, title string) {
	p.Blank()
	p.Line(Strong, "%s", title)
}

// headline says what matters, the worst first.
func headline(s *api.Status) (Style, string) {
	var parts []string
	style := Strong
	alarm := func(format string, names []string) {
		if len(names) > 0 {
			style = Alarm
			parts = append(parts, fmt.Sprintf(format, strings.Join(names, ", ")))
		}
	}
	var held, broken []string
	for i := range s.Runs {
		if NeedsPerson(&s.Runs[i]) {
			held = append(held, s.Runs[i].ID)
		}
	}
	for _, d := range s.Drivers {
		if d.State != DriverReady {
			broken = append(broken, d.Cluster+" "+d.State)
		}
	}
	alarm("NEEDS A PERSON: %s held", held)
	if len(s.Refused) > 0 {
		style, parts = Alarm, append(parts, "monitoring was REFUSED")
	}
	alarm("failing over: %s", groupsThat(s, func(g *api.Group) bool { return g.State == scheduler.GroupFailing }))
	alarm("failed over: %s", groupsThat(s, func(g *api.Group) bool { return g.State == scheduler.GroupProduces }))
	alarm("drivers: %s", broken)
	alarm("cannot fail over: %s", groupsThat(s, func(g *api.Group) bool { return g.Problem != "" }))
	if s.Drifts == 1 {
		style, parts = Alarm, append(parts, "drift on 1 property: hotspare drift list")
	} else if s.Drifts > 1 {
		style, parts = Alarm, append(parts, fmt.Sprintf("drift on %d properties: hotspare drift list", s.Drifts))
	}
	if len(parts) == 0 {
		parts = append(parts, "nothing needs a person")
	}
	for _, state := range []string{scheduler.GroupReclaimed, scheduler.GroupReverting} {
		if names := groupsThat(s, func(g *api.Group) bool { return g.State == state }); len(names) > 0 {
			parts = append(parts, state+": "+strings.Join(names, ", "))
		}
	}
	if s.Lending == LendingOpen {
		return style, strings.Join(append(parts, "lending open"), "; ")
	}
	return style, strings.Join(append(parts, "lending CLOSED"), "; ")
}

func groupsThat(s *api.Status, is func(*api.Group) bool) []string {
	var names []string
	for i := range s.Groups {
		if is(&s.Groups[i]) {
			names = append(names, s.Groups[i].Name)
		}
	}
	return names
}
