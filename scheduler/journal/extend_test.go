package journal_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/journal"
)

// write writes records, one after the other.
func write(t *testing.T, j *journal.Journal, records ...journal.Record) {
	t.Helper()
	for _, r := range records {
		if err := j.Update(t.Context(), func(*scheduler.State) ([]journal.Record, error) { return []journal.Record{r}, nil }); err != nil {
			t.Fatal(err)
		}
	}
}

// refused writes a record that must not be legal, and must change nothing.
func refused(t *testing.T, j *journal.Journal, what string, r journal.Record) {
	t.Helper()
	before := stateOf(t, j)
	err := j.Update(t.Context(), func(*scheduler.State) ([]journal.Record, error) { return []journal.Record{r}, nil })
	if !errors.Is(err, journal.ErrIllegal) {
		t.Errorf("%s: got %v", what, err)
	}
	if stateOf(t, j) != before {
		t.Errorf("%s changed the state", what)
	}
}

// replayed closes the journal and opens it again: the state must be the same.
func replayed(t *testing.T, j *journal.Journal, path string) *journal.Journal {
	t.Helper()
	before := stateOf(t, j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, path, journal.Options{})
	if after := stateOf(t, j); after != before {
		t.Errorf("replay gives\n%s, not\n%s", after, before)
	}
	return j
}

func lendRecord(run, workspace string) journal.Record {
	return journal.Record{RunAccepted: &journal.RunAccepted{Plan: &scheduler.Plan{Run: run, Verb: scheduler.Lend, Workspace: workspace}}}
}

func TestAnExtendedLeaseEndsLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, journal.Options{})
	asked := scheduler.Workspace{ID: "ws-1", Owner: "anna", Lease: time.Hour}
	extended := func(id string, by time.Duration) journal.Record {
		return journal.Record{WorkspaceExtended: &journal.WorkspaceExtended{Workspace: id, For: by, By: "anna"}}
	}
	write(t, j, journal.Record{WorkspaceRequested: &journal.WorkspaceRequested{Workspace: asked}})
	refused(t, j, "more time for one that waits", extended("ws-1", time.Hour))
	write(t, j, lendRecord("r-1", "ws-1"), journal.Record{RunEnded: &journal.RunEnded{Run: "r-1"}}, extended("ws-1", 2*time.Hour))
	j.View(func(s *scheduler.State) {
		if w := s.Workspaces["ws-1"]; w.Ends.Sub(w.Admitted) != 3*time.Hour {
			t.Errorf("an hour and two more end after %s", w.Ends.Sub(w.Admitted))
		}
	})
	refused(t, j, "more time for nobody", extended("ws-2", time.Hour))
	refused(t, j, "no time", extended("ws-1", 0))
	refused(t, j, "less time", extended("ws-1", -time.Hour))
	j = replayed(t, j, path)
	defer j.Close()
	write(t, j, journal.Record{WorkspaceNoted: &journal.WorkspaceNoted{Workspace: "ws-1", Returning: true}})
	refused(t, j, "more time for one that is returned", extended("ws-1", time.Hour))
}
