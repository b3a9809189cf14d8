package server

import (
	"context"
	"sync"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/journal"
)

// Looking for drift is of low priority: so many looks at once, each for so long, and none
// while a reclaim or a failover goes on.
const (
	driftLooks = 8
	driftTime  = time.Minute
)

// lookForDrift looks now and then, until the server closes, whether what stands is at the
// site.
func (s *Server) lookForDrift() {
	for {
		wait(s.ctx, s.opts.DriftEvery, nil)
		if s.ctx.Err() != nil {
			return
		}
		var looks sync.WaitGroup
		slots := make(chan struct{}, driftLooks)
		for p, stands := range s.standing() {
			slots <- struct{}{}
			looks.Go(func() {
				defer func() { <-slots }()
				if err := s.compare(p, stands); err != nil && s.ctx.Err() == nil {
					s.log.Info("look for drift", "property", p, "error", err)
				}
			})
		}
		looks.Wait()
	}
}

// standing gives what is known for certain to stand, of targets that no run works on. A
// value of the journal is never changed in place, so its address tells later whether the
// same one still stands.
func (s *Server) standing() map[drivers.Property]*drivers.Value {
	all := map[drivers.Property]*drivers.Value{}
	s.journal.View(func(state *scheduler.State) {
		for p, stack := range state.Stacks {
			if s.certain(state, p, stack.Stands) {
				all[p] = stack.Stands
			}
		}
	})
	return all
}

// certain reports whether this value stands, and no run is about to change the target.
func (s *Server) certain(state *scheduler.State, p drivers.Property, stands *drivers.Value) bool {
	stack, d := state.Stacks[p], s.drivers[p.Cluster]
	switch {
	case stack == nil || stands == nil || stack.Stands != stands || stack.Uncertain():
		return false
	case d == nil || p.Name == drivers.HostOf && d.description().MovesVMs:
		return false
	default:
		return state.WorkedOn(p) == ""
	}
}

// urgent reports whether a reclaim or a failover goes on. One that is held for a person
// does not.
func (s *Server) urgent() bool {
	urgent := false
	s.journal.View(func(state *scheduler.State) {
		for _, run := range state.RunningRuns() {
			urgent = urgent || run.Plan.Verb.Urgent() && !run.Stuck()
		}
	})
	return urgent
}

// compare looks at one property, and records a drift, or the end of one.
func (s *Server) compare(p drivers.Property, stands *drivers.Value) error {
	if s.urgent() || s.ctx.Err() != nil {
		return nil
	}
	driver, _, err := s.driverOf(p.Cluster)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, driftTime)
	defer cancel()
	found, err := driver.Observe(ctx, p)
	gone := drivers.KindOf(err) == drivers.NotFound
	if err != nil && !gone {
		return err
	}
	if gone {
		found = drivers.Value{Text: drivers.Absent}
	}
	return s.journal.Update(s.ctx, func(state *scheduler.State) ([]journal.Record, error) {
		if !s.certain(state, p, stands) || gone && p.Name != drivers.Presence && state.Stacks.IsMade(p) { // its presence tells
			return nil, nil
		}
		open := state.Drifts[p]
		switch same := scheduler.SameValue(*stands, found); {
		case same && open != nil:
			return []journal.Record{{DriftGone: &journal.DriftGone{Property: p}}}, nil
		case same, open != nil && scheduler.SameValue(open.Found, found):
			return nil, nil
		}
		records := []journal.Record{{DriftFound: &journal.DriftFound{Property: p, Found: found}}}
		if stack := state.Stacks[p]; len(stack.Layers) == 0 && stack.Found != nil && scheduler.SameValue(*stack.Found, found) {
			// What a person did after a skipped step is what was left to do.
			return append(records, journal.Record{DriftDecided: &journal.DriftDecided{Property: p, As: journal.DriftAsFound, By: "hotspare"}}), nil
		}
		s.log.Info("drift", "property", p, "stands", stands.Text, "found", found.Text)
		return records, nil
	})
}
