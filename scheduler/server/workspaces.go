package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
	"github.com/hotspare/hotspare/scheduler/journal"
	"github.com/hotspare/hotspare/scheduler/plan"
)

// maxCount is how many new VMs one workspace may ask for.
const maxCount = 1000

func (s *Server) checkRequest(req *api.WorkspaceRequest) error {
	usage := func(message, next string) error {
		return &api.Error{Code: api.CodeUsage, Message: message, Next: next}
	}
	for what, text := range map[string]*string{"owner": &req.Owner, "name": &req.Name} {
		if err := readable(what, text); err != nil {
			return err
		}
	}
	switch {
	case (req.Copy == "") == (req.Template == ""):
		return usage("a workspace is a copy of one protection group, or new VMs from one template", "say --copy GROUP, or --template NAME")
	case req.Owner == "":
		return usage("a workspace has an owner", "say --owner NAME")
	case req.Copy != "" && req.Count > 1:
		return usage("a copy of a group has the group's VMs, and no count", "leave the count away")
	case req.Template != "" && req.RestorePoint != "":
		return usage("new VMs have no restore point", "leave it away, or ask for a copy")
	case req.Count < 0 || req.Count > maxCount:
		return usage(fmt.Sprintf("%d VMs are not possible", req.Count), fmt.Sprintf("ask for 1 to %d", maxCount))
	}
	return s.checkLease(req.For)
}

// RequestWorkspace implements [api.Service]. Where there is no room now the request joins
// the queue; where there never is, nothing is written.
func (s *Server) RequestWorkspace(ctx context.Context, req api.WorkspaceRequest) (*api.Accepted, error) {
	if err := s.checkRequest(&req); err != nil {
		return nil, err
	}
	if why := s.lending(); why != lendingOpen {
		return nil, &api.Error{Code: api.CodeRefused, Message: "nothing is lent now: " + why}
	}
	var w scheduler.Workspace
	var p *scheduler.Plan
	err := s.journal.Update(ctx, func(state *scheduler.State) ([]journal.Record, error) {
		w = scheduler.Workspace{ID: state.NextWorkspace(), Name: req.Name, Owner: req.Owner, Copy: req.Copy, From: req.Template,
			Count: max(req.Count, 1), Restore: req.RestorePoint, Lease: req.For, Requested: time.Now().UTC()}
		if w.Copy != "" {
			w.Count = 0
		}
		snap := s.snapshot(state)
		made, err := plan.LendWorkspace(snap, &w)
		var waits *plan.Waits
		if errors.As(err, &waits) {
			w.Waits = waits.Reason
			return []journal.Record{{WorkspaceRequested: &journal.WorkspaceRequested{Workspace: w}}}, nil
		}
		if err != nil {
			return nil, err
		}
		p = made
		return acceptance(snap, p, journal.Record{WorkspaceRequested: &journal.WorkspaceRequested{Workspace: w}})
	})
	if err != nil {
		return nil, told(err)
	}
	answer := &api.Accepted{}
	if p != nil {
		answer.Run, answer.Plan = p.Run, p
		s.engine.Start(p.Run)
	}
	answer.Workspace, err = s.Workspace(ctx, w.ID)
	return answer, err
}

// ReturnWorkspace implements [api.Service]. A return that has to wait for a run is
// remembered, and carried out after it.
func (s *Server) ReturnWorkspace(ctx context.Context, id, by string) (*api.Accepted, error) {
	answer := &api.Accepted{}
	var p *scheduler.Plan
	err := s.journal.Update(ctx, func(state *scheduler.State) ([]journal.Record, error) {
		w := state.Workspaces[id]
		switch {
		case w == nil:
			return nil, noWorkspace(id)
		case w.Gone:
			answer.Already = fmt.Sprintf("workspace %s is gone already", id)
			return nil, nil
		case w.Admitted.IsZero():
			answer.Already = fmt.Sprintf("workspace %s was only waiting: its request is withdrawn", id)
			return []journal.Record{{WorkspaceNoted: &journal.WorkspaceNoted{Workspace: id, Gone: true}}}, nil
		}
		if run := state.RunOf(w); run != nil && run.Plan.Verb == scheduler.Return && run.Plan.Keep.IsZero() {
			answer.Run, answer.Already = run.ID, fmt.Sprintf("workspace %s is being returned, by run %s", id, run.ID)
			return nil, nil
		}
		var err error
		snap := s.snapshot(state)
		p, err = plan.ReturnWorkspace(snap, w, by, time.Time{})
		if plan.IsWaits(err) {
			reason := err.Error()
			answer.Already = "its return is noted: " + reason
			return []journal.Record{{WorkspaceNoted: &journal.WorkspaceNoted{Workspace: id, Returning: true, Waits: &reason}}}, nil
		}
		if err != nil {
			return nil, err
		}
		return acceptance(snap, p)
	})
	if err != nil {
		return nil, told(err)
	}
	if p != nil && answer.Already == "" {
		answer.Run, answer.Plan = p.Run, p
		s.engine.Start(p.Run)
	}
	answer.Workspace, err = s.Workspace(ctx, id)
	return answer, err
}

func noWorkspace(id string) error {
	return &api.Error{Code: api.CodeNotFound, Message: fmt.Sprintf("there is no workspace %q", id), Next: "see: hotspare workspace list"}
}
