package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// Hosts writes the hosts of the site and who uses their room.
func Hosts(p *Page, all []api.Host, now time.Time) {
	if len(all) == 0 {
		p.Line(Plain, "No hosts: no inventory was read yet. See why: hotspare driver list")
		return
	}
	t := newTable("HOST", "CLUSTER", "STATE", "CAPACITY", "WORKSPACES", "PRODUCTION", "OTHERS", "FREE", "STAND HERE", "WHY")
	for i := range all {
		h := &all[i]
		why := ""
		if d := h.Drained; d != nil {
			why = fmt.Sprintf("%s (%s, %s)", d.Reason, dash(d.By), ago(now, d.Since))
		}
		t.add(Plain, h.Name, h.Cluster, h.State, roomOf(h.Capacity), roomOf(h.Lent), roomOf(h.Production), roomOf(h.Others), roomOf(h.Free),
			strings.Join(h.Workspaces, ","), why)
	}
	p.table("", t)
}

// roomOf is room in a cell; "-" for none.
func roomOf(s scheduler.Size) string {
	if s == (scheduler.Size{}) {
		return "-"
	}
	return size(s)
}

// Drained writes what a drain of a host means for what is on it.
func Drained(p *Page, h *api.Host) {
	p.Line(Plain, "Host %s of %s is drained: nothing more is lent there. To put it back into use: hotspare host resume %s", h.Name, h.Cluster, h.Name)
	if len(h.Workspaces) > 0 {
		p.Line(Plain, "  %s on it, until returned: %s", count(len(h.Workspaces), "workspace"), strings.Join(h.Workspaces, ", "))
	}
	if len(h.Produces) > 0 {
		p.Line(Alarm, "  PRODUCTION RUNS ON IT, and goes on: %s", strings.Join(h.Produces, ", "))
	}
	if len(h.Standby) > 0 {
		p.Line(Alarm, "  No room is kept for %s on it: %s", count(len(h.Standby), "standby VM"), strings.Join(h.Standby, ", "))
		p.Line(Plain, "  Register them on another host, so that a failover finds room.")
	}
}

// Resumed writes that a host is in use again, or why not yet.
func Resumed(p *Page, h *api.Host) {
	if h.State != api.HostConnected {
		p.Line(Alarm, "Host %s of %s is drained no more, but it is %s: it lends nothing.", h.Name, h.Cluster, h.State)
		return
	}
	p.Line(Plain, "Host %s of %s is in use again, with %s to lend.", h.Name, h.Cluster, roomOf(h.Free))
}
