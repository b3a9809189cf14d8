package journal_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/journal"
)

func one(r ...journal.Record) func(*scheduler.State) ([]journal.Record, error) {
	return func(*scheduler.State) ([]journal.Record, error) { return r, nil }
}

// A fault in one planner is an error of that one request; the runs of all others go on.
func TestAPanicOfTheDeciderIsAnError(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.db"), journal.Options{})
	defer j.Close()
	err := j.Update(t.Context(), func(s *scheduler.State) ([]journal.Record, error) { panic("no such host") })
	if err == nil || !strings.Contains(err.Error(), "a fault of hotspare; please report it: no such host") {
		t.Errorf("got %v", err)
	}
	if err := j.Update(t.Context(), request); err != nil || j.Seq() != 1 {
		t.Errorf("after it: %v, record %d", err, j.Seq())
	}
}

// Records that belong together are all recorded, or none is, whoever shares their commit.
func TestAnUpdateIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, journal.Options{SnapshotEvery: 10})
	half := one(journal.Record{AlertSeen: &journal.AlertSeen{Key: "half"}}, journal.Record{RunEnded: &journal.RunEnded{Run: "r-9"}})
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for i := range 20 {
				if i%3 == 0 {
					if err := j.Update(context.Background(), half); !errors.Is(err, journal.ErrIllegal) {
						t.Errorf("half of an update: %v", err)
					}
				} else if err := j.Update(context.Background(), request); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	j.View(func(s *scheduler.State) {
		if len(s.Alerts) > 0 || s.LastWorkspace != 16*13 {
			t.Errorf("alerts %v, %d workspaces of %d", s.Alerts, s.LastWorkspace, 16*13)
		}
	})
	want := stateOf(t, j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, path, journal.Options{})
	defer j.Close()
	if got := stateOf(t, j); got != want {
		t.Errorf("replay gives\n%s, not\n%s", got, want)
	}
}

// What cannot be written is an error of that one update, not of the journal.
func TestAValueThatIsNoJSONIsRefused(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.db"), journal.Options{})
	defer j.Close()
	power := vm("vm-1", drivers.Power, "")
	accept := &scheduler.Plan{Run: "r-1", Verb: scheduler.Reclaim, Group: "g", Steps: []scheduler.Step{{ID: 1, Property: power, Goal: scheduler.Literal(drivers.Off)}}}
	if err := j.Update(t.Context(), one(journal.Record{RunAccepted: &journal.RunAccepted{Plan: accept}})); err != nil {
		t.Fatal(err)
	}
	before := stateOf(t, j)
	bad := drivers.Value{Text: drivers.On, Rest: json.RawMessage(`{"format":`)}
	if _, err := j.Begin(t.Context(), "r-1", 1, &bad, drivers.Value{Text: drivers.Off}, false); err == nil || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("got %v", err)
	}
	if stateOf(t, j) != before {
		t.Error("the state shows it")
	}
	good := drivers.Value{Text: drivers.On, Rest: json.RawMessage("{ \"note\": \"a<b\" }")}
	if _, err := j.Begin(t.Context(), "r-1", 1, &good, drivers.Value{Text: drivers.Off}, false); err != nil {
		t.Error(err)
	}
}

// The state in memory is what a replay gives, also in what JSON may write in two ways: the
// bytes of a driver's rest, and times.
func TestTheStateInMemoryIsThatOfAReplay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, journal.Options{})
	power := vm("vm-1", drivers.Power, "")
	plan := &scheduler.Plan{Run: "r-1", Verb: scheduler.Reclaim, Group: "g", Steps: []scheduler.Step{{ID: 1, Property: power, Goal: scheduler.Literal(drivers.Off)}}}
	if err := j.Update(t.Context(), one(journal.Record{RunAccepted: &journal.RunAccepted{Plan: plan}})); err != nil {
		t.Fatal(err)
	}
	found := drivers.Value{Text: drivers.On, Rest: json.RawMessage("{ \"note\": \"a<b\" }")}
	if _, err := j.Begin(t.Context(), "r-1", 1, &found, drivers.Value{Text: drivers.Off}, false); err != nil {
		t.Fatal(err)
	}
	look := func(j *journal.Journal) (rest, accepted string) {
		j.View(func(s *scheduler.State) {
			rest, accepted = string(s.Stacks[power].Stands.Rest), s.Runs["r-1"].Accepted.String()
		})
		return rest, accepted
	}
	rest, accepted := look(j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, path, journal.Options{})
	defer j.Close()
	if r, a := look(j); r != rest || a != accepted {
		t.Errorf("before the restart %s at %s, after it %s at %s", rest, accepted, r, a)
	}
}
