package scheduler_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// What a run has done after the inventory was read is seen at once; what it did before is
// in the inventory already; and the inventory itself stays as it was read.
func TestTheInventoryWithWhatHappenedSince(t *testing.T) {
	read := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	items := []drivers.Item{
		{Host: &drivers.HostItem{Name: "h1"}},
		{VM: &drivers.VMItem{ID: "a", Name: "a", Power: drivers.On, NICs: map[string]string{"n": "isolated"}}},
		{VM: &drivers.VMItem{ID: "b", Name: "b", Power: drivers.Off}},
		{VM: &drivers.VMItem{ID: "made", Name: "made", Power: drivers.Off}},
	}
	cluster, err := scheduler.NewClusterInventory(read, items)
	if err != nil {
		t.Fatal(err)
	}
	inv := scheduler.Inventory{"c": cluster}
	step := func(p drivers.Property, text string, after time.Duration) (scheduler.Step, *scheduler.StepRun) {
		return scheduler.Step{Property: p, Goal: scheduler.Literal(text)},
			&scheduler.StepRun{State: scheduler.StepDone, Goal: &drivers.Value{Text: text}, Ended: read.Add(after)}
	}
	a, b, made := scheduler.Power("c", "a"), scheduler.Power("c", "b"), scheduler.Power("c", "made")
	run := &scheduler.Run{ID: "r-1", State: scheduler.RunDone, Ended: read.Add(time.Minute), Plan: &scheduler.Plan{}}
	for _, change := range []struct {
		p     drivers.Property
		text  string
		after time.Duration
	}{
		{a, drivers.On, 3 * time.Second}, {a, drivers.Off, 2 * time.Second}, {b, drivers.On, -time.Second},
		{a.On(drivers.NIC, "n"), "standby", time.Second}, {b.On(drivers.Disk, "d"), "clone", time.Second},
		{made.On(drivers.Presence, ""), drivers.Absent, time.Second},
	} {
		s, sr := step(change.p, change.text, change.after)
		run.Plan.Steps, run.Steps = append(run.Plan.Steps, s), append(run.Steps, sr)
	}
	state := scheduler.NewState()
	if got := inv.Since(state); got["c"] != cluster {
		t.Error("nothing has happened, and the inventory was copied")
	}
	state.Runs["r-1"] = run
	want := map[string]drivers.VMItem{
		"a": {ID: "a", Name: "a", Power: drivers.On, NICs: map[string]string{"n": "standby"}},
		"b": {ID: "b", Name: "b", Power: drivers.Off, Disks: map[string]string{"d": "clone"}},
	}
	got := inv.Since(state)["c"]
	if diff := cmp.Diff(want, got.VMs, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if _, err := got.Named("made", false); err == nil {
		t.Error("a VM that was taken away is still found by its name")
	}
	if len(cluster.VMs) != 3 || cluster.VMs["a"].NICs["n"] != "isolated" {
		t.Errorf("what was read has changed: %v", cluster.VMs)
	}
}
