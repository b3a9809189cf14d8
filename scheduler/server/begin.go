package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
	"github.com/hotspare/hotspare/scheduler/journal"
	"github.com/hotspare/hotspare/scheduler/plan"
)

// accept makes a plan and its acceptance one: nothing comes between the snapshot that the
// plan was made from and the change of layers. with are further records that belong to
// it. The run is started.
func (s *Server) accept(ctx context.Context, make func(*scheduler.Snapshot) (*scheduler.Plan, error), with ...journal.Record) (*scheduler.Plan, error) {
	var accepted *scheduler.Plan
	err := s.journal.Update(ctx, func(state *scheduler.State) ([]journal.Record, error) {
		snap := s.snapshot(state)
		p, err := make(snap)
		if err != nil {
			return nil, err
		}
		if p.Missing != "" {
			return nil, &missing{p}
		}
		accepted = p
		return acceptance(snap, p, with...)
	})
	if err != nil {
		return nil, err
	}
	s.engine.Start(accepted.Run)
	s.log.Info("accepted", "run", accepted.Run, "verb", accepted.Verb, "group", accepted.Group, "workspace", accepted.Workspace, "steps", len(accepted.Steps))
	return accepted, nil
}

// acceptance gives the records that make a plan a run, after those that belong to it. A
// plan that breaks a rule is not begun.
func acceptance(snap *scheduler.Snapshot, p *scheduler.Plan, with ...journal.Record) ([]journal.Record, error) {
	if found := plan.Lint(snap, p); len(found) > 0 {
		return nil, fmt.Errorf("the plan breaks a rule that no plan may break, so it was not begun: %s; this is a fault of hotspare: please report it", strings.Join(found, "; "))
	}
	return append(with, journal.Record{RunAccepted: &journal.RunAccepted{Plan: p}}), nil
}

// missing is a plan that waits for a person's word.
type missing struct{ plan *scheduler.Plan }

func (m *missing) Error() string { return m.plan.Missing }

// maker gives the planner of a request.
func maker(req api.PlanRequest) (func(*scheduler.Snapshot) (*scheduler.Plan, error), error) {
	for what, text := range map[string]*string{"name of who asks": &req.By, "name of who declares production dead": &req.DeclaredDeadBy,
		"name of who speaks for the writes": &req.Writes.By, "reason": &req.Reason} {
		if err := readable(what, text); err != nil {
			return nil, err
		}
	}
	r := plan.Request{Group: req.Group, By: req.By, Reason: req.Reason, DeclaredDeadBy: req.DeclaredDeadBy,
		RestorePoint: req.RestorePoint, Kept: req.FromKept, Writes: req.Writes}
	if req.RestorePoint != "" && req.FromKept != "" {
		return nil, &api.Error{Code: api.CodeUsage, Message: "a restore point and kept writes were both named", Next: "name one of them"}
	}
	switch w := req.Writes; {
	case w.What != "" && w.What != scheduler.WritesKept && w.What != scheduler.WritesHome:
		return nil, &api.Error{Code: api.CodeUsage, Message: fmt.Sprintf("the writes are %q", w.What), Next: "say kept, or home"}
	case w.What != "" && w.By == "":
		return nil, &api.Error{Code: api.CodeUsage, Message: "nobody stands for what becomes of the writes", Next: "say by whose word: --by NAME"}
	}
	switch req.Verb {
	case scheduler.Reclaim:
		return func(snap *scheduler.Snapshot) (*scheduler.Plan, error) { return plan.Reclaim(snap, r) }, nil
	case scheduler.Failover:
		return func(snap *scheduler.Snapshot) (*scheduler.Plan, error) { return plan.Failover(snap, r) }, nil
	case scheduler.Revert:
		return func(snap *scheduler.Snapshot) (*scheduler.Plan, error) { return plan.Revert(snap, r) }, nil
	}
	return nil, &api.Error{Code: api.CodeUsage, Message: fmt.Sprintf("there is no plan to %q", req.Verb), Next: "reclaim, failover or revert"}
}

// Plan implements [api.Service]: it shows, and changes nothing.
func (s *Server) Plan(_ context.Context, req api.PlanRequest) (*api.Accepted, error) {
	makePlan, err := maker(req)
	if err != nil {
		return nil, err
	}
	var p *scheduler.Plan
	s.journal.View(func(state *scheduler.State) { p, err = makePlan(s.snapshot(state)) })
	var already *plan.Already
	if errors.As(err, &already) {
		return &api.Accepted{Run: already.Run, Already: already.Reason}, nil
	}
	if err != nil {
		return nil, told(err)
	}
	return &api.Accepted{Plan: p}, nil
}

// Begin implements [api.Service].
func (s *Server) Begin(ctx context.Context, req api.PlanRequest) (*api.Accepted, error) {
	makePlan, err := maker(req)
	if err != nil {
		return nil, err
	}
	p, err := s.accept(ctx, makePlan)
	var already *plan.Already
	if errors.As(err, &already) {
		return &api.Accepted{Run: already.Run, Already: already.Reason}, nil
	}
	if err != nil {
		return nil, told(err)
	}
	return &api.Accepted{Run: p.Run, Plan: p}, nil
}

// told turns what a planner says into what a client can act on.
func told(err error) error {
	var refused *plan.Refused
	var waits *plan.Waits
	var without *missing
	switch {
	case errors.As(err, &refused) && strings.HasPrefix(refused.Reason, "there is no "):
		return &api.Error{Code: api.CodeNotFound, Message: refused.Reason, Next: refused.Next}
	case errors.As(err, &refused):
		return &api.Error{Code: api.CodeRefused, Message: refused.Reason, Next: refused.Next}
	case errors.As(err, &waits):
		return &api.Error{Code: api.CodeWaits, Message: waits.Reason}
	case errors.As(err, &without):
		return &api.Error{Code: api.CodeWaits, Message: without.plan.Missing}
	default:
		return err
	}
}

// readable takes the space off a text that a person gave, and refuses one that is longer
// than 200 bytes or could change a terminal. What is only space is as if it was not given.
func readable(what string, text *string) error {
	*text = strings.TrimSpace(*text)
	if len(*text) > 200 || strings.ContainsFunc(*text, unicode.IsControl) {
		return &api.Error{Code: api.CodeUsage, Message: fmt.Sprintf("the %s is longer than 200 bytes, or has control characters in it", what), Next: "shorten it"}
	}
	return nil
}

// checkLease bounds what a lease may be.
func (s *Server) checkLease(d time.Duration) error {
	longest := s.site.Rules.MaxLease
	if d <= 0 || d > longest {
		return &api.Error{Code: api.CodeUsage, Message: fmt.Sprintf("a lease of %s is not possible", scheduler.Span(d)), Next: "ask for more than 0 and at most " + scheduler.Span(longest)}
	}
	return nil
}
