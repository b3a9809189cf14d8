package server

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/journal"
	"github.com/hotspare/hotspare/scheduler/plan"
)

const lendingOpen = "open"

// lending says whether anything is lent now, or why not.
func (s *Server) lending() string {
	if s.journal.Full() {
		return "the disk of the journal is full; free space there, and it goes on by itself"
	}
	return lendingOpen
}

// lendingNow is lending, for people: requests join the queue where no cluster has news, but
// nothing is lent.
func (s *Server) lendingNow() string {
	if why := s.lending(); why != lendingOpen {
		return why
	}
	inv, stale := s.currentInventory(), ""
	for _, cluster := range s.site.Clusters {
		known := inv[cluster.Name]
		if known != nil && time.Since(known.At) <= plan.MaxInventoryAge {
			return lendingOpen
		}
		stale = "no inventory of " + cluster.Name + " was read yet"
		if known != nil {
			stale = fmt.Sprintf("the inventory of %s is older than %s", cluster.Name, scheduler.Span(plan.MaxInventoryAge))
		}
	}
	if stale == "" {
		return lendingOpen
	}
	return stale
}

func (s *Server) tendSoon() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// tend does what time and events bring, until the server closes.
func (s *Server) tend() {
	for s.ctx.Err() == nil {
		wait(s.ctx, s.opts.TendEvery, s.poke)
		if s.ctx.Err() != nil {
			return
		}
		if err := s.journal.Recover(); err != nil {
			s.log.Error("tend", "error", err)
		}
		if err := s.finishReverts(); err != nil && s.ctx.Err() == nil {
			s.log.Error("tend", "error", err)
		}
		for _, id := range s.needsCare() {
			if err := s.careFor(id); err != nil && s.ctx.Err() == nil {
				s.log.Error("tend", "workspace", id, "error", err)
			}
		}
	}
}

// finishReverts begins what reverts left to do that other runs have taken over.
func (s *Server) finishReverts() error {
	var left []string
	s.journal.View(func(state *scheduler.State) {
		for id, run := range state.Runs {
			if len(plan.Unfinished(state, run)) > 0 {
				left = append(left, id)
			}
		}
	})
	slices.Sort(left)
	for _, id := range left {
		_, err := s.accept(s.ctx, func(snap *scheduler.Snapshot) (*scheduler.Plan, error) {
			run := snap.State.Runs[id]
			if len(plan.Unfinished(snap.State, run)) == 0 {
				return nil, &plan.Waits{Reason: "another run has finished it"}
			}
			return plan.Finish(snap, run)
		})
		if err != nil && !plan.IsWaits(err) {
			return fmt.Errorf("finish revert %s: %w", id, err)
		}
	}
	return nil
}

// needsCare lists the workspaces that something may have to be done for, the oldest
// first: that is the queue.
func (s *Server) needsCare() []string {
	var ids []string
	s.journal.View(func(state *scheduler.State) {
		now := time.Now()
		for _, w := range state.SortedWorkspaces() {
			if care(state, w, now) != nil {
				ids = append(ids, w.ID)
			}
		}
	})
	return ids
}

type planner func(*scheduler.Snapshot, *scheduler.Workspace) (*scheduler.Plan, error)

// care decides what a workspace needs now; nil is nothing.
func care(state *scheduler.State, w *scheduler.Workspace, now time.Time) planner {
	giveBack := func(snap *scheduler.Snapshot, w *scheduler.Workspace) (*scheduler.Plan, error) {
		return plan.ReturnWorkspace(snap, w, "hotspare", time.Time{})
	}
	run := state.RunOf(w)
	stuck := run != nil && run.Plan.Verb == scheduler.Lend && run.Stuck() && now.After(w.Ends)
	switch {
	case w.Gone, run != nil && !stuck: // a lend that is held ends with its lease
		return nil
	case w.Returning:
		return giveBack
	case w.Admitted.IsZero():
		return plan.LendWorkspace
	case w.Expired && now.After(w.Keep):
		return giveBack
	case w.Expired && plan.CutOff(state, w):
		return func(snap *scheduler.Snapshot, w *scheduler.Workspace) (*scheduler.Plan, error) {
			return plan.ReturnWorkspace(snap, w, "hotspare", w.Keep)
		}
	case w.Expired:
		return nil
	case !w.Covered.IsZero() && state.Covers(w.Holder()):
		return nil
	case !w.Covered.IsZero():
		return plan.LendWorkspace
	case now.After(w.Ends):
		return func(snap *scheduler.Snapshot, w *scheduler.Workspace) (*scheduler.Plan, error) {
			return plan.ReturnWorkspace(snap, w, "hotspare", snap.Now.Add(retention(snap.Site, w)))
		}
	case state.StateOf(w) == scheduler.WorkspaceLending: // cut off by a run that has gone home
		return plan.LendWorkspace
	}
	return nil
}

// retention is how long the volumes of a workspace are kept after its lease.
func retention(site *scheduler.Site, w *scheduler.Workspace) time.Duration {
	if g := site.Group(w.Copy); g != nil && g.Copy != nil && g.Copy.Retention > 0 {
		return g.Copy.Retention
	}
	if t := site.TemplateNamed(w.From); t != nil && t.Retention > 0 {
		return t.Retention
	}
	return site.Rules.Retention
}

// careFor plans and begins what the workspace needs, or notes why it waits.
func (s *Server) careFor(id string) error {
	var run string
	err := s.journal.Update(s.ctx, func(state *scheduler.State) ([]journal.Record, error) {
		w := state.Workspaces[id]
		if w == nil {
			return nil, nil
		}
		make := care(state, w, time.Now())
		if make == nil {
			return nil, nil
		}
		snap := s.snapshot(state)
		p, err := make(snap, w)
		if err == nil && p.Verb == scheduler.Lend && s.lending() != lendingOpen {
			err = &plan.Waits{Reason: s.lending()}
		}
		var refused *plan.Refused
		if plan.IsWaits(err) || errors.As(err, &refused) {
			reason := err.Error()
			if reason == w.Waits || state.StateOf(w) == scheduler.WorkspaceLending {
				return nil, nil // told already; or what it waits for is the run that brings it back
			}
			return []journal.Record{{WorkspaceNoted: &journal.WorkspaceNoted{Workspace: id, Waits: &reason}}}, nil
		}
		if err != nil {
			return nil, err
		}
		run = p.Run
		return acceptance(snap, p)
	})
	if err == nil && run != "" {
		s.engine.Start(run)
	}
	return err
}
