package journal_test

import (
	"path/filepath"
	"testing"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/journal"
)

var nic = drivers.Property{Cluster: "c1", Kind: drivers.VM, Target: "vm-1", Name: drivers.NIC, Slot: "nic0"}

// stood brings the NIC from prod to iso, for ws-1, by run r-1.
func stood(t *testing.T, j *journal.Journal) {
	t.Helper()
	prod, iso := drivers.Value{Text: "prod"}, drivers.Value{Text: "iso"}
	write(t, j, journal.Record{WorkspaceRequested: &journal.WorkspaceRequested{Workspace: scheduler.Workspace{ID: "ws-1", Owner: "anna"}}},
		journal.Record{RunAccepted: &journal.RunAccepted{Plan: &scheduler.Plan{Run: "r-1", Verb: scheduler.Lend, Workspace: "ws-1",
			Puts:  []scheduler.Put{{Property: nic, Layer: scheduler.Layer{Holder: "ws-1", Goal: scheduler.Literal("iso")}}},
			Steps: []scheduler.Step{{ID: 1, Property: nic, Goal: scheduler.Literal("iso")}}}}})
	refused(t, j, "a drift of what nobody has looked at", driftTo("lab"))
	write(t, j, journal.Record{StepBegun: &journal.StepBegun{Run: "r-1", Step: 1, Found: &prod, Expected: []drivers.Value{prod}, Goal: &iso}})
	refused(t, j, "a drift of what is being changed", driftTo("lab"))
	write(t, j, journal.Record{StepEnded: &journal.StepEnded{Run: "r-1", Step: 1, State: scheduler.StepDone, Stands: &iso}},
		journal.Record{RunEnded: &journal.RunEnded{Run: "r-1"}})
}

func driftTo(text string) journal.Record {
	return journal.Record{DriftFound: &journal.DriftFound{Property: nic, Found: drivers.Value{Text: text}}}
}

func decided(as, by string) journal.Record {
	return journal.Record{DriftDecided: &journal.DriftDecided{Property: nic, As: as, By: by}}
}

func TestADriftIsOpenUntilItIsDecided(t *testing.T) {
	for as, want := range map[string][3]string{ // bottom, top, what stands
		journal.DriftPutBack: {"prod", "iso", "lab"},
		journal.DriftAsLayer: {"prod", "lab", "lab"},
		journal.DriftAsFound: {"lab", "iso", "lab"},
	} {
		path := filepath.Join(t.TempDir(), "journal.db")
		j := open(t, path, journal.Options{})
		stood(t, j)
		refused(t, j, "a drift to what stands", driftTo("iso"))
		refused(t, j, "a decision on nothing", decided(as, "maria"))
		refused(t, j, "the end of nothing", journal.Record{DriftGone: &journal.DriftGone{Property: nic}})
		write(t, j, driftTo("other"), driftTo("lab"))
		refused(t, j, "a decision by nobody", decided(as, ""))
		refused(t, j, "a decision that is none", decided("perhaps", "maria"))
		j = replayed(t, j, path)
		j.View(func(s *scheduler.State) {
			if d := s.Drifts[nic]; len(s.Drifts) != 1 || d.ID != "d-1" || d.Stands.Text != "iso" || d.Found.Text != "lab" || d.Since.IsZero() {
				t.Errorf("drift: %+v", d)
			}
		})
		write(t, j, decided(as, "maria"))
		j = replayed(t, j, path)
		j.View(func(s *scheduler.State) {
			stack := s.Stacks[nic]
			if got := [3]string{stack.Found.Text, stack.Top().Text(), stack.Stands.Text}; got != want || len(s.Drifts) != 0 {
				t.Errorf("%s gives %v, not %v", as, got, want)
			}
		})
		write(t, j, journal.Record{DriftFound: &journal.DriftFound{Property: nic, Found: drivers.Value{Text: "again"}}}, journal.Record{DriftGone: &journal.DriftGone{Property: nic}})
		j.View(func(s *scheduler.State) {
			if len(s.Drifts) != 0 || s.NextDrift() != "d-3" {
				t.Errorf("the next is %s, and open are %v", s.NextDrift(), s.Drifts)
			}
		})
		j.Close()
	}
}

func TestAChangeEndsTheDrift(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.db"), journal.Options{})
	defer j.Close()
	stood(t, j)
	lab := drivers.Value{Text: "lab"}
	write(t, j, driftTo("lab"),
		journal.Record{RunAccepted: &journal.RunAccepted{Plan: &scheduler.Plan{Run: "r-2", Verb: scheduler.Return, Workspace: "ws-1",
			Drops: []scheduler.Drop{{Property: nic, Holder: "ws-1"}}, Steps: []scheduler.Step{{ID: 1, Property: nic, Goal: scheduler.FoundGoal}}}}},
		journal.Record{StepBegun: &journal.StepBegun{Run: "r-2", Step: 1, Goal: &drivers.Value{Text: "prod"}}})
	refused(t, j, "a decision while it is changed", decided(journal.DriftAsFound, "maria"))
	write(t, j, journal.Record{StepEnded: &journal.StepEnded{Run: "r-2", Step: 1, State: scheduler.StepHeld, Found: &lab, Note: "drift"}},
		journal.Record{StepEnded: &journal.StepEnded{Run: "r-2", Step: 1, State: scheduler.StepSkipped, Stands: &lab, Note: "by maria"}})
	j.View(func(s *scheduler.State) {
		if len(s.Drifts) != 0 {
			t.Errorf("open: %v", s.Drifts)
		}
	})
}
