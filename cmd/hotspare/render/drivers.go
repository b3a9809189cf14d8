package render

import (
	"strconv"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler/api"
)

// DriverReady is the state of a driver that works.
const DriverReady = "ready"

// Drivers writes the drivers of the site.
func Drivers(p *Page, all []api.Driver, now time.Time) {
	if len(all) == 0 {
		p.Line(Plain, "No drivers. The site's files name one for each cluster.")
		return
	}
	driverTable(p, "", all, now)
}

func driverTable(p *Page, indent string, all []api.Driver, now time.Time) {
	t := newTable("CLUSTER", "DRIVER", "STATE", "PROVEN", "INVENTORY", ">HOSTS", ">VMS", ">RESTARTS", "ERROR")
	for _, d := range all {
		style := Plain
		if d.State != DriverReady {
			style = Alarm
		}
		name := d.Driver
		if d.Version != "" {
			name += " " + d.Version
		}
		restarts := ""
		if d.Restarts > 0 {
			restarts = strconv.Itoa(d.Restarts)
		}
		t.add(style, d.Cluster, name, d.State, ago(now, d.Proven), ago(now, d.Inventory),
			strconv.Itoa(d.Hosts), strconv.Itoa(d.VMs), restarts, d.Error)
	}
	p.table(indent, t)
}

// DriverCheck writes what a check of a driver tried and found.
func DriverCheck(p *Page, c *api.DriverCheck) {
	verdict, style := "works", Plain
	if !c.OK {
		verdict, style = "does NOT work", Alarm
	}
	about := c.About.Driver
	if c.About.Version != "" {
		about += " " + c.About.Version
	}
	p.Line(style, "Cluster %s: the driver %s (%s). Nothing has been changed.", c.Cluster, verdict, dash(about))
	t := newTable("", "TRIED", ">TOOK", "FOUND")
	for _, line := range c.Lines {
		mark, found, style := "ok", line.Found, Plain
		if !line.OK {
			mark, found, style = "FAILED", line.Error, Alarm
		}
		took := ""
		if line.Took > 0 {
			took = Took(line.Took)
		}
		t.add(style, mark, line.What, took, found)
	}
	if len(t.rows) > 0 {
		p.table("  ", t)
	}
	for _, l := range c.About.Limits {
		p.Line(Plain, "  at once: %s of a %s%s", l.Name, l.Kind, limit(l))
	}
	for _, can := range c.About.Properties {
		if can.NotExact != "" {
			p.Line(Plain, "  NOT EXACT: %s of a %s: %s", can.Name, can.Kind, can.NotExact)
		}
	}
}

func limit(l drivers.Limit) string {
	text := ""
	if l.PerHost > 0 {
		text += " " + strconv.Itoa(l.PerHost) + " per host"
	}
	if l.PerCluster > 0 {
		text += " " + strconv.Itoa(l.PerCluster) + " in the cluster"
	}
	return text
}
