package render

import (
	"time"

	"github.com/hotspare/hotspare/scheduler/api"
)

// Drifts writes what is not as hotspare left it, and what a person can do about it.
func Drifts(p *Page, all []api.Drift, now time.Time) {
	if len(all) == 0 {
		p.Line(Plain, "No drift: what hotspare left is there, as far as it was looked at.")
		return
	}
	t := newTable("DRIFT", "PROPERTY", "HOLDER", "BEFORE", "WANTED", "STANDS", "FOUND", "SEEN", "RUN")
	for i := range all {
		d := &all[i]
		found := shorten(d.Found, 36)
		if d.Detail {
			found += ", other details"
		}
		t.add(Plain, d.ID, d.Label, d.Holder, shorten(d.Before, 36), shorten(d.Wanted, 36), shorten(d.Stands, 36), found, ago(now, d.Since), d.Run)
	}
	p.table("", t)
	open := ""
	for i := range all {
		if d := &all[i]; d.Stuck != "" {
			p.Line(Plain, "%s: %s.", d.ID, d.Stuck)
		} else if open == "" {
			open = d.ID
		}
	}
	if open != "" {
		p.Line(Plain, "To bring it back: hotspare drift put-back %s; to take it for right: hotspare drift accept %s --as layer, or --as found", open, open)
	}
}
