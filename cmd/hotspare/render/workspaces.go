package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/hotspare/hotspare/scheduler/api"
)

// Workspaces writes a list of workspaces.
func Workspaces(p *Page, all []api.Workspace, now time.Time) {
	if len(all) == 0 {
		p.Line(Plain, "No workspaces. Request one: hotspare workspace request --copy GROUP --for 4h")
		return
	}
	workspaceTable(p, "", all, now)
}

func workspaceTable(p *Page, indent string, all []api.Workspace, now time.Time) {
	t := newTable("WORKSPACE", "OWNER", "NAME", "WHAT", "STATE", "LEASE", "NETWORK", "RUN", "WHY")
	for i := range all {
		w := &all[i]
		t.add(Plain, w.ID, w.Owner, w.Name, w.What, workspaceState(w), lease(w, now), w.Network, w.Run, w.Waits)
	}
	p.table(indent, t)
}

func workspaceState(w *api.Workspace) string {
	if w.Queue > 0 {
		return fmt.Sprintf("%s, place %d", w.State, w.Queue)
	}
	return w.State
}

// lease says in a few words how long the workspace may still be there.
func lease(w *api.Workspace, now time.Time) string {
	switch {
	case w.Gone:
		return "ended " + Stamp(w.Ended)
	case w.Expired && !w.Keep.IsZero():
		return "over; volumes kept " + left(now, w.Keep)
	case w.Expired:
		return "over"
	case !w.Covered.IsZero() && !w.Ends.IsZero():
		return Age(max(w.Ends.Sub(w.Covered), 0)) + " left, clock stands"
	case w.Ends.IsZero():
		return Age(w.Lease) + " asked"
	default:
		return Age(max(w.Ends.Sub(now), 0)) + " left"
	}
}

func left(now, until time.Time) string {
	if !until.After(now) {
		return "until now"
	}
	return "for " + Age(until.Sub(now))
}

// Workspace writes all about one workspace.
func Workspace(p *Page, w *api.Workspace, now time.Time) {
	p.Line(Strong, "Workspace %s", workspaceTitle(w))
	p.Line(Plain, "  State    %s", workspaceState(w))
	if w.Waits != "" {
		p.Line(Plain, "  Waits    %s", w.Waits)
	}
	p.Line(Plain, "  Lease    %s", leaseLong(w, now))
	if w.Restore != "" {
		p.Line(Plain, "  From     restore point %s", w.Restore)
	}
	if w.Network != "" {
		p.Line(Plain, "  Network  %s, isolated", w.Network)
	}
	if w.Run != "" {
		p.Line(Plain, "  Run      %s works on it: hotspare run watch %s", w.Run, w.Run)
	}
	if len(w.VMs) > 0 {
		t := newTable("VM", "POWER", "HOST", "NETWORK", "ADDRESS", "ID")
		for _, vm := range w.VMs {
			t.add(Plain, vm.Name, vm.Power, vm.Host, vm.Network, strings.Join(vm.Addresses, ", "), vm.ID)
		}
		p.table("  ", t)
	}
	volumes(p, "  ", "Volumes", w.Volumes)
}

func leaseLong(w *api.Workspace, now time.Time) string {
	text := lease(w, now)
	if !w.Ends.IsZero() && !w.Expired && !w.Gone && w.Covered.IsZero() {
		text += ", ends " + Stamp(w.Ends)
	}
	if w.Expired && !w.Keep.IsZero() {
		text += ", until " + Stamp(w.Keep)
	}
	return text
}

// Extended writes what is left of a lease that was extended.
func Extended(p *Page, w *api.Workspace, now time.Time) {
	p.Line(Plain, "%s: %s", workspaceTitle(w), leaseLong(w, now))
}

// workspaceTitle is a workspace in a few words: ws-7 "load test" of anna, copy of payments.
func workspaceTitle(w *api.Workspace) string {
	parts := []string{w.ID}
	if w.Name != "" {
		parts = append(parts, quoted(w.Name))
	}
	if w.Owner != "" {
		parts = append(parts, "of "+w.Owner)
	}
	title := strings.Join(parts, " ")
	if w.What != "" {
		title += ", " + w.What
	}
	return title
}

func volumes(p *Page, indent, title string, endpoints []string) {
	if len(endpoints) == 0 {
		return
	}
	p.Line(Strong, "%s%s (%d)", indent, title, len(endpoints))
	for _, endpoint := range endpoints {
		p.Line(Plain, "%s  %s", indent, shorten(endpoint, 72))
	}
}

// Queued writes that a request waits in the queue, why, and what a person can do.
func Queued(p *Page, w *api.Workspace) {
	place := ""
	if w.Queue > 0 {
		place = fmt.Sprintf(" at place %d", w.Queue)
	}
	p.Line(Plain, "%s waits in the queue%s: %s", workspaceTitle(w), place, dash(w.Waits))
	p.Line(Plain, "  It is lent by itself when it can be. To look: hotspare workspace show %s; to give up: hotspare workspace return %s", w.ID, w.ID)
}
