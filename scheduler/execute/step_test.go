package execute_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/execute"
	"github.com/hotspare/hotspare/scheduler/journal"
)

// one host, with no latency.
var small = sim.Shape{Hosts: 1}

func TestTheValueFoundIsDurableBeforeTheCall(t *testing.T) {
	facts(t, small, func(r *rig) {
		vm := r.machines(1, 1, sim.Guest{})[0]
		r.site.SetFaultHook(func(op string, p drivers.Property, _ drivers.Value) error {
			if op == sim.OpApply {
				if sr := r.step("r-1", 1); sr.State != scheduler.Intent || len(sr.Expected) != 1 || sr.Expected[0].Text != drivers.On || sr.Attempts != 1 {
					t.Errorf("at the call the step is %+v", sr)
				}
			}
			return nil
		})
		run := r.begin(scheduler.Plan{Shutdown: time.Minute}, forced(vm))
		r.rest(run)
		sr := r.step(run, 1)
		if got, _ := r.site.VM(vm.Target); sr.State != scheduler.StepDone || sr.Forced || got.Power != drivers.Off {
			t.Errorf("%+v, power %s", sr, got.Power)
		}
		if r.run(run).State != scheduler.RunDone {
			t.Errorf("the run is %s", r.run(run).State)
		}
	})
}

func TestAFailureIsTriedAgainAndThenHeld(t *testing.T) {
	facts(t, small, func(r *rig) {
		vms := r.machines(2, 1, sim.Guest{})
		r.site.AddFault(sim.Fault{Mode: sim.FailBefore, Property: vms[0], Message: "no route to host"})
		r.site.AddFault(sim.Fault{Mode: sim.FailBefore, Property: vms[1], Times: 3, Message: "connection reset"})
		run := r.begin(scheduler.Plan{Shutdown: time.Minute}, forced(vms[0]), forced(vms[1]))
		took := r.rest(run)
		r.want(run, 1, scheduler.StepHeld)
		r.want(run, 2, scheduler.StepDone)
		if took < time.Minute || took > time.Minute+6*time.Second {
			t.Errorf("it was held after %s, not after a minute", took)
		}
		if sr := r.step(run, 1); !strings.Contains(sr.Note, "no route to host") || !strings.Contains(sr.Note, "it failed for 1m") {
			t.Errorf("it was held for %q", sr.Note)
		}
		if sr := r.step(run, 2); !strings.Contains(sr.Note, "done after 3 calls failed, the last: ") || !strings.Contains(sr.Note, "connection reset") {
			t.Errorf("what it took is told as %q", sr.Note)
		}
		if calls := len(r.site.Calls()); calls > 30 {
			t.Errorf("%d calls in a minute: it does not back off", calls)
		}
		r.site.ClearFaults()
		if err := r.journal.Retry(context.Background(), run, 1, "olga"); err != nil {
			t.Fatal(err)
		}
		r.engine.Start(run)
		r.rest(run)
		r.want(run, 1, scheduler.StepDone)
	})
}

func TestWaitingIsNoFailure(t *testing.T) {
	facts(t, small, func(r *rig) {
		vms := r.machines(3, 1, sim.Guest{})
		r.site.SetLimits([]drivers.Limit{{Kind: drivers.VM, Name: drivers.Power, PerCluster: 1}})
		for range 3 { // it fails for half a minute, and is then busy for more than four
			r.site.AddFault(sim.Fault{Mode: sim.FailBefore, Property: vms[0], Times: 10})
			r.site.AddFault(sim.Fault{Mode: sim.FailBefore, Kind: drivers.Busy, Property: vms[0], Times: 1000})
		}
		run := r.begin(scheduler.Plan{Shutdown: time.Hour}, forced(vms[0]))
		if took := r.rest(run); took < 13*time.Minute {
			t.Errorf("it was busy and failed for more than 13m, and it took %s", took)
		}
		r.want(run, 1, scheduler.StepDone)

		r.site.EditVM(vms[1].Target, func(vm *sim.VM) { vm.Guest.Shutdown = 20 * time.Minute })
		r.site.AddFault(sim.Fault{Mode: sim.FailBefore, Property: vms[2], Times: 2})
		run = r.begin(scheduler.Plan{Shutdown: time.Hour}, forced(vms[1]), forced(vms[2]))
		r.rest(run)
		r.want(run, 2, scheduler.StepDone) // it waited 20 minutes for its slot, and failed twice after that
	})
}

func TestDriftIsHeldWithWhatWasFound(t *testing.T) {
	facts(t, small, func(r *rig) {
		nic := r.machines(1, 1, sim.Guest{})[0].On(drivers.NIC, "nic0")
		r.site.AddNetwork("blue")
		r.site.AddNetwork("green")
		r.site.EditVM(nic.Target, func(vm *sim.VM) { vm.NICs = map[string]sim.NIC{"nic0": {Network: "prod"}} })
		r.site.AddFault(sim.Fault{Mode: sim.FailBefore, Times: 3})
		run := r.begin(scheduler.Plan{}, scheduler.Step{Property: nic, Goal: scheduler.Literal("blue")})
		time.Sleep(50 * time.Millisecond)
		r.site.EditVM(nic.Target, func(vm *sim.VM) { vm.NICs = map[string]sim.NIC{"nic0": {Network: "green"}} })
		r.rest(run)
		if sr := r.step(run, 1); sr.State != scheduler.StepHeld || sr.Found == nil || sr.Found.Text != "green" {
			t.Errorf("%+v", sr)
		}
	})
}

func TestAPanicOfTheDriverIsAFailureOfThatCall(t *testing.T) {
	facts(t, small, func(r *rig) {
		vms := r.machines(2, 1, sim.Guest{})
		r.driver = panics{r.driver, map[string]int{vms[0].Target: 2, vms[1].Target: 1000}}
		run := r.begin(scheduler.Plan{Shutdown: time.Minute}, forced(vms[0]), forced(vms[1]))
		r.rest(run)
		r.want(run, 1, scheduler.StepDone)
		r.want(run, 2, scheduler.StepHeld)
		if note := r.step(run, 2).Note; !strings.Contains(note, "the driver failed: panic: a nil map") {
			t.Errorf("it was held for %q", note)
		}
	})
}

// panics is a driver that panics so many times for a target; the calls come one after the
// other for each.
type panics struct {
	drivers.Driver
	left map[string]int
}

func (d panics) Apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	if progress(drivers.Progress{Message: "asking"}); d.take(c.Property.Target) {
		panic("a nil map")
	}
	return d.Driver.Apply(ctx, c, progress)
}

func (d panics) take(target string) bool {
	lock <- struct{}{}
	defer func() { <-lock }()
	d.left[target]--
	return d.left[target] >= 0
}

var lock = make(chan struct{}, 1)

// A value that cannot be recorded is held, and never asked for again and again.
func TestAValueThatIsNoJSONIsHeld(t *testing.T) {
	facts(t, small, func(r *rig) {
		vm := r.machines(1, 1, sim.Guest{})[0]
		r.driver = garbled{r.driver}
		run := r.begin(scheduler.Plan{Shutdown: time.Minute}, forced(vm))
		r.rest(run)
		r.want(run, 1, scheduler.StepHeld)
		if note := r.step(run, 1).Note; !strings.Contains(note, "no JSON") {
			t.Errorf("it was held for %q", note)
		}
	})
}

type garbled struct{ drivers.Driver }

func (d garbled) Apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	v, err := d.Driver.Apply(ctx, c, progress)
	v.Rest = json.RawMessage("{")
	return v, err
}

func TestChecks(t *testing.T) {
	facts(t, sim.Shape{Hosts: 1, Latency: sim.Latency{Boot: 20 * time.Second}}, func(r *rig) {
		vm := r.machines(1, 1, sim.Guest{})[0]
		r.site.EditVM(vm.Target, func(vm *sim.VM) { vm.Power = drivers.Off })
		check := func(c scheduler.Check) scheduler.Step {
			return after(scheduler.Step{Target: "guest-001", Change: string(c.Kind), Check: &c}, 1)
		}
		ready := func(within time.Duration) scheduler.Check {
			return scheduler.Check{Kind: scheduler.CheckReady, Ready: &scheduler.ReadyCheck{Address: "guest-001", Within: within}}
		}
		run := r.begin(scheduler.Plan{}, on(vm),
			check(ready(time.Minute)), check(ready(10*time.Second)), check(scheduler.Check{Kind: scheduler.CheckReady}),
			check(scheduler.Check{Kind: scheduler.CheckFenced, Word: "olga"}), check(scheduler.Check{Kind: scheduler.CheckHome}),
			check(scheduler.Check{Kind: "humidity"}))
		r.rest(run)
		for step, want := range map[int]struct {
			state scheduler.StepState
			note  string
		}{
			2: {scheduler.StepDone, ""},
			3: {scheduler.StepHeld, "guest-001 is not ready within 10s: guest-001 does not answer; see why, then: hotspare run retry " + run + " 3"},
			4: {scheduler.StepHeld, "nothing says how to ask it"},
			5: {scheduler.StepDone, "by the word of olga"},
			6: {scheduler.StepHeld, "nobody has given a word for home"},
			7: {scheduler.StepHeld, `this hotspare does not know the check "humidity"`},
		} {
			sr := r.step(run, step)
			if sr.State != want.state || !strings.Contains(sr.Note, want.note) {
				t.Errorf("check %d is %s (%q), not %s (%q)", step, sr.State, sr.Note, want.state, want.note)
			}
			if sr.State == scheduler.StepHeld && step == 3 && sr.Ended.Sub(sr.Began) != 10*time.Second {
				t.Errorf("it was held after %s", sr.Ended.Sub(sr.Began))
			}
		}
		if err := r.journal.Retry(context.Background(), run, 3, ""); err != nil {
			t.Fatal(err)
		}
		r.engine.Start(run)
		r.rest(run)
		r.want(run, 3, scheduler.StepDone)
	})
}

// What others needed of a step that was skipped is not known: they are held, and say so.
func TestASkippedMakerHoldsWhoNeedsIt(t *testing.T) {
	facts(t, sim.Shape{Hosts: 1, Groups: 1, VMsPerGroup: 1}, func(r *rig) {
		clone := drivers.Property{Cluster: "c1", Kind: drivers.Volume, Target: "ws-1/vm-01", Name: drivers.Presence}
		disk := drivers.Property{Cluster: "c1", Kind: drivers.VM, Target: sim.ID("group-01-vm-01"), Name: drivers.Disk, Slot: "disk0"}
		present := drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{Volume: &drivers.VolumeSpec{Replica: "/replicas/group-01", RestorePoint: "rp-1", Volume: "vm-01"}}}
		r.site.AddFault(sim.Fault{Mode: sim.FailBefore, Property: clone, Kind: drivers.Refused, Message: "no licence"})
		run := r.begin(scheduler.Plan{},
			scheduler.Step{Target: "vm-01", Change: "clone", Property: clone, Goal: scheduler.Goal{Value: &present}},
			after(scheduler.Step{Target: "group-01-vm-01", Change: "disk", Property: disk, Goal: scheduler.MadeBy(clone, drivers.MadeEndpoint)}, 1))
		r.rest(run)
		r.want(run, 1, scheduler.StepHeld)
		r.want(run, 2, scheduler.Pending)
		if err := r.journal.Skip(context.Background(), run, 1, "tomorrow", &drivers.Value{Text: drivers.Absent}, false); err != nil {
			t.Fatal(err)
		}
		r.engine.Start(run)
		r.rest(run)
		r.want(run, 2, scheduler.StepHeld)
		if note := r.step(run, 2).Note; !strings.Contains(note, "the step that makes it was skipped") || !strings.Contains(note, "skip this step with a reason, or revert") {
			t.Errorf("it was held for %q", note)
		}
	})
}

// A call that never returns keeps its target from nobody for ever: it is cut off, tried
// again by force, and held for a person, who can skip it.
func TestACallThatHangsIsHeldForAPerson(t *testing.T) {
	facts(t, sim.Shape{Hosts: 1}, func(r *rig) {
		vm := r.machines(1, 1, sim.Guest{})[0]
		r.site.AddFault(sim.Fault{Mode: sim.Hang, Property: vm})
		run := r.begin(scheduler.Plan{Shutdown: 2 * time.Minute}, forced(vm))
		time.Sleep(time.Hour)
		if sr := r.step(run, 1); sr.State != scheduler.StepHeld || !sr.Forced || !strings.Contains(sr.Note, "did not end within") {
			t.Errorf("after an hour the step is %s, forced %t: %s", sr.State, sr.Forced, sr.Note)
		}
		if err := r.journal.Skip(context.Background(), run, 1, "by hand", &drivers.Value{Text: drivers.Off}, false); err != nil {
			t.Error(err)
		}
		r.site.ClearFaults()
	})
}

// The clock goes back an hour in a reclaim: its guests get their time, and not an hour more.
func TestAClockThatGoesBackGivesNoGuestMoreTime(t *testing.T) {
	facts(t, sim.Shape{Hosts: 1}, func(r *rig) {
		r.engine.Close()
		if err := r.journal.Close(); err != nil {
			t.Fatal(err)
		}
		ahead := journal.Options{ReserveMiB: -1, Now: func() time.Time { return time.Now().Add(time.Hour) }}
		j, err := journal.Open(filepath.Join(t.TempDir(), "journal.db"), ahead)
		if err != nil {
			t.Fatal(err)
		}
		r.opts.Journal, r.journal = j, j
		r.engine = execute.New(r.opts)
		vm := r.machines(1, 1, sim.Guest{IgnoresShutdown: true})[0]
		began := time.Now()
		r.rest(r.begin(scheduler.Plan{Shutdown: 2 * time.Minute}, forced(vm)))
		if took := time.Since(began); took > 3*time.Minute {
			t.Errorf("a guest that had 2 minutes was cut off after %s", took)
		}
	})
}

// One call of a power-on hangs, once: it is cut off, and tried again.
func TestACallThatHangsOnceIsTriedAgain(t *testing.T) {
	facts(t, sim.Shape{Hosts: 1}, func(r *rig) {
		vm := r.machines(1, 1, sim.Guest{})[0]
		r.rest(r.begin(scheduler.Plan{Shutdown: time.Minute}, forced(vm)))
		r.site.AddFault(sim.Fault{Mode: sim.Hang, Property: vm, Goal: drivers.On, Times: 1})
		run := r.begin(scheduler.Plan{}, on(vm))
		r.rest(run)
		if sr := r.step(run, 1); sr.State != scheduler.StepDone || !strings.Contains(sr.Note, "did not end within") {
			t.Errorf("the step is %s: %s", sr.State, sr.Note)
		}
	})
}

// A person skipped the power-off in one run. The other run, which waits for the same VM,
// goes for it still.
func TestASkippedStepOfALaterRunIsNotTheDeed(t *testing.T) {
	facts(t, sim.Shape{Hosts: 1}, func(r *rig) {
		vm := r.machines(1, 1, sim.Guest{})[0]
		var runs []string
		for range 2 {
			r.site.AddFault(sim.Fault{Mode: sim.FailBefore, Property: vm, Goal: drivers.Off, Kind: drivers.Refused})
			run := r.begin(scheduler.Plan{Shutdown: 2 * time.Minute}, forced(vm))
			r.rest(run)
			r.want(run, 1, scheduler.StepHeld)
			runs = append(runs, run)
		}
		r.site.ClearFaults()
		if err := r.journal.Skip(context.Background(), runs[1], 1, "leave it on", &drivers.Value{Text: drivers.On}, false); err != nil {
			t.Fatal(err)
		}
		r.engine.Start(runs[1])
		if err := r.journal.Retry(context.Background(), runs[0], 1, "maria"); err != nil {
			t.Fatal(err)
		}
		r.engine.Start(runs[0])
		r.rest(runs[0])
		if at, _ := r.site.VM(vm.Target); at.Power != drivers.Off {
			t.Errorf("the first run's step is %s, and the VM is %s", r.step(runs[0], 1).State, at.Power)
		}
	})
}
