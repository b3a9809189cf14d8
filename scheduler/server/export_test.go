package server

import (
	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/plan"
)

// Unfinished reports whether the server still has to finish a revert that was taken over.
func (s *Server) Unfinished() bool {
	left := false
	s.journal.View(func(state *scheduler.State) {
		for _, run := range state.Runs {
			left = left || len(plan.Unfinished(state, run)) > 0
		}
	})
	return left
}

// LooksAt reports whether it is looked for drift of p, where something stands there.
func (s *Server) LooksAt(p drivers.Property) bool {
	state, stands := scheduler.NewState(), &drivers.Value{Text: "here"}
	state.Stacks[p] = &scheduler.Stack{Stands: stands}
	return s.certain(state, p, stands)
}
