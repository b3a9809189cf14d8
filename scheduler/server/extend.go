package server

import (
	"context"
	"fmt"
	"time"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
	"github.com/hotspare/hotspare/scheduler/journal"
)

// ExtendWorkspace implements [api.Service]: the end of the lease moves, also of a parked
// workspace, whose clock stands still. From now on no lease is longer than the site allows.
func (s *Server) ExtendWorkspace(ctx context.Context, id string, req api.ExtendRequest) (*api.Workspace, error) {
	if req.For <= 0 {
		return nil, &api.Error{Code: api.CodeUsage, Message: fmt.Sprintf("a lease is not extended by %s", scheduler.Span(req.For)), Next: "ask for more than 0"}
	}
	err := s.journal.Update(ctx, func(state *scheduler.State) ([]journal.Record, error) {
		if err := s.extendable(state, id, req.For, time.Now()); err != nil {
			return nil, err
		}
		return []journal.Record{{WorkspaceExtended: &journal.WorkspaceExtended{Workspace: id, For: req.For, By: req.By}}}, nil
	})
	if err != nil {
		return nil, err
	}
	return s.Workspace(ctx, id)
}

// extendable says why a lease cannot be extended by this much; nil where it can.
func (s *Server) extendable(state *scheduler.State, id string, by time.Duration, now time.Time) error {
	w := state.Workspaces[id]
	if w == nil {
		return noWorkspace(id)
	}
	refused := func(why, next string) error {
		return &api.Error{Code: api.CodeRefused, Message: fmt.Sprintf("workspace %s %s", id, why), Next: next}
	}
	anew := "ask for a new one: hotspare workspace request"
	switch state.StateOf(w) {
	case scheduler.WorkspaceGone:
		return refused("is gone", anew)
	case scheduler.WorkspaceReturning:
		return refused("is being taken away", anew)
	case scheduler.WorkspaceKept:
		return refused("is over, and only its volumes are kept", anew)
	case scheduler.WorkspaceWaiting:
		return refused("waits in the queue: its lease begins when it is lent", fmt.Sprintf("to ask for another time: hotspare workspace return %s, and hotspare workspace request", id))
	}
	if !w.Covered.IsZero() {
		now = w.Covered
	}
	left, longest := max(w.Ends.Sub(now), 0), s.site.Rules.MaxLease
	if by > longest-left {
		next := fmt.Sprintf("it can be extended by %s now", scheduler.Span(longest-left))
		if longest-left < time.Second {
			next = "ask again when some of it is over"
		}
		return refused(fmt.Sprintf("has %s left, and the site lends for at most %s", scheduler.Span(left), scheduler.Span(longest)), next)
	}
	return nil
}
