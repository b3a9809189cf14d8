package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hotspare/hotspare/scheduler/api"
)

// Groups writes the protection groups of the site.
func Groups(p *Page, all []api.Group) {
	if len(all) == 0 {
		p.Line(Plain, "No protection groups. Add a protection_group block to the site's files, then: hotspare config validate")
		return
	}
	groupTable(p, "", all)
}

func groupTable(p *Page, indent string, all []api.Group) {
	t := newTable(">PRIORITY", "GROUP", "STATE", "RTO", "RESTORE POINT", "VMS ON", "RUNS", "OWNER", "PROBLEM")
	for i := range all {
		g := &all[i]
		style := Plain
		if g.Problem != "" {
			style = Alarm
		}
		t.add(style, strconv.Itoa(g.Priority), g.Name, g.State, Age(g.RTO), ageAgainst(g.Age, g.RPO),
			fmt.Sprintf("%d of %d", vmsOn(g), len(g.VMs)), strings.Join(g.Runs, ","), g.Owner, g.Problem)
	}
	p.table(indent, t)
}

func vmsOn(g *api.Group) int {
	on := 0
	for _, vm := range g.VMs {
		if vm.Power == "on" {
			on++
		}
	}
	return on
}

// ageAgainst sets the age of a restore point beside the objective.
func ageAgainst(age, rpo time.Duration) string {
	switch {
	case age == 0:
		return "NONE complete"
	case rpo == 0:
		return Age(age) + " old"
	case age > rpo:
		return fmt.Sprintf("%s old, OVER RPO %s", Age(age), Age(rpo))
	default:
		return fmt.Sprintf("%s old, RPO %s", Age(age), Age(rpo))
	}
}

// Group writes all about one protection group.
func Group(p *Page, g *api.Group, now time.Time) {
	p.Line(Strong, "Protection group %s: %s", g.Name, g.State)
	if g.Problem != "" {
		p.Line(Alarm, "  Cannot fail over: %s", g.Problem)
	}
	p.Line(Plain, "  Priority %d   RTO %s   RPO %s   owner %s", g.Priority, Age(g.RTO), Age(g.RPO), dash(g.Owner))
	copyBy := "nobody"
	if len(g.CopyBy) > 0 {
		copyBy = strings.ReplaceAll(strings.Join(g.CopyBy, ", "), "*", "anyone")
	}
	p.Line(Plain, "  May be copied by %s", copyBy)
	if len(g.Runs) > 0 {
		p.Line(Plain, "  Held by %s; to take it all back: hotspare plan revert %s", strings.Join(g.Runs, ", "), g.Name)
	}
	if len(g.VMs) > 0 {
		t := newTable(">START", "VM", "POWER", "HOST", "USE", "READY", "ID")
		for _, vm := range g.VMs {
			t.add(Plain, strconv.Itoa(vm.Start), vm.Name, vm.Power, vm.Host, vm.Use, vm.Ready, vm.ID)
		}
		p.table("  ", t)
	}
	restorePoints(p, g, now)
	kept(p, "  ", g.Kept, now)
}

func restorePoints(p *Page, g *api.Group, now time.Time) {
	if len(g.Points) == 0 {
		p.Line(Alarm, "  No restore points: there is nothing to fail over to.")
		return
	}
	t := newTable("RESTORE POINT", "TIME", "AGE", ">VOLUMES", "")
	for i := len(g.Points) - 1; i >= 0; i-- {
		point := &g.Points[i]
		style, mark := Plain, "complete"
		if !point.Complete {
			style, mark = Alarm, "NOT complete"
		}
		t.add(style, point.ID, Stamp(point.Time), Age(now.Sub(point.Time)), strconv.Itoa(len(point.Volumes)), mark)
	}
	p.table("  ", t)
}

// kept writes kept volumes, each with its endpoints.
func kept(p *Page, indent string, all []api.Kept, now time.Time) {
	if len(all) == 0 {
		return
	}
	t := newTable("KEPT", "GROUP", "SINCE", "UNTIL", ">VOLUMES", "ENDPOINTS")
	for _, k := range all {
		until := "a person says"
		if !k.Until.IsZero() {
			until = Stamp(k.Until) + " (" + left(now, k.Until) + ")"
		}
		endpoints := make([]string, 0, 2)
		for i, v := range k.Volumes {
			if i == 2 {
				endpoints = append(endpoints, fmt.Sprintf("and %d more", len(k.Volumes)-2))
				break
			}
			endpoints = append(endpoints, shorten(v, 36))
		}
		t.add(Plain, k.Name, k.Group, Stamp(k.Since), until, strconv.Itoa(len(k.Volumes)), strings.Join(endpoints, ", "))
	}
	p.table(indent, t)
}
