package execute_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/execute"
)

// One deadline holds for all guests of a run, however many ignore it and however few may
// be asked at once. Production is never cut off.
func TestOneDeadlineForAllGuests(t *testing.T) {
	const guests, limit, hosts = 500, 50, 10
	shape := sim.Shape{Hosts: hosts, Latency: sim.Latency{PowerOff: time.Second}, Limits: []drivers.Limit{{Kind: drivers.VM, Name: drivers.Power, PerCluster: limit}}}
	facts(t, shape, func(r *rig) {
		vms := r.machines(guests+1, hosts, sim.Guest{IgnoresShutdown: true})
		var steps []scheduler.Step
		for _, vm := range vms[:guests] {
			steps = append(steps, forced(vm))
		}
		production := off(vms[guests])
		production.Production = true
		const shutdown = 2 * time.Minute
		run := r.begin(scheduler.Plan{Shutdown: shutdown}, append(steps, production)...)
		r.rest(run)
		least, last := shutdown+guests/limit*time.Second, time.Duration(0)
		for i := range guests {
			sr := r.step(run, i+1)
			if sr.State != scheduler.StepDone || !sr.Forced || !strings.Contains(sr.Note, "cut off") {
				t.Fatalf("step %d: %+v", i+1, sr)
			}
			last = max(last, sr.Ended.Sub(r.run(run).Accepted))
		}
		if last < least || last > least+5*time.Second {
			t.Errorf("the last was off after %s; the deadline and ten rounds of cutting off are %s", last, least)
		}
		sr := r.step(run, guests+1)
		if vm, _ := r.site.VM(vms[guests].Target); sr.State != scheduler.StepHeld || vm.Power != drivers.On || !strings.Contains(sr.Note, "a production VM is never cut off: shut it down by hand, then: hotspare run retry "+run) {
			t.Errorf("production is %s: %+v", vm.Power, sr)
		}
		if v := r.site.Violations(); len(v) > 0 {
			t.Error(v)
		}
	})
}

func TestLimitsAreKeptAndUsed(t *testing.T) {
	shape := sim.Shape{Hosts: 6, Latency: sim.Latency{GuestShutdown: time.Second},
		Limits: []drivers.Limit{{Kind: drivers.VM, Name: drivers.Power, PerCluster: 7, PerHost: 2}}}
	facts(t, shape, func(r *rig) {
		var steps []scheduler.Step
		for i, vm := range r.machines(84, 6, sim.Guest{}) {
			step := forced(vm)
			step.Host = host(i, 6)
			steps = append(steps, step)
		}
		took := r.rest(r.begin(scheduler.Plan{Shutdown: time.Hour}, steps...))
		if cluster, one := r.site.MostInFlight(drivers.VM, drivers.Power, ""), r.site.MostInFlight(drivers.VM, drivers.Power, "host-03"); cluster != 7 || one != 2 {
			t.Errorf("%d at once in the cluster and %d on a host, not 7 and 2", cluster, one)
		}
		if v := r.site.Violations(); len(v) > 0 {
			t.Error(v)
		}
		if took > 14*time.Second { // 84 ÷ 7 rounds, and a little for the last hosts
			t.Errorf("it took %s", took)
		}
	})
}

// Slots go by priority, and a reclaim's before those of all that is less urgent.
func TestPriorityGetsSlotsFirst(t *testing.T) {
	shape := sim.Shape{Hosts: 1, Latency: sim.Latency{GuestShutdown: time.Second}, Limits: []drivers.Limit{{Kind: drivers.VM, Name: drivers.Power, PerCluster: 1}}}
	facts(t, shape, func(r *rig) {
		vms := r.machines(9, 1, sim.Guest{})
		steps := func(vms []drivers.Property, priorities ...int) (all []scheduler.Step) {
			for i, vm := range vms {
				step := forced(vm)
				step.Priority = priorities[i]
				all = append(all, step)
			}
			return all
		}
		revert := r.begin(scheduler.Plan{Verb: scheduler.Revert, Shutdown: time.Hour}, steps(vms[:3], 1, 1, 1)...)
		synctest.Wait()
		third := r.begin(scheduler.Plan{Shutdown: time.Hour}, steps(vms[3:6], 3, 3, 3)...)
		synctest.Wait()
		first := r.begin(scheduler.Plan{Shutdown: time.Hour}, steps(vms[6:], 1, 2, 1)...)
		for _, run := range []string{revert, third, first} {
			r.rest(run)
		}
		var order []int
		for _, call := range r.site.Calls() {
			order = append(order, slices.IndexFunc(vms, func(p drivers.Property) bool { return p.Target == call.Change.Property.Target }))
		}
		// One of the revert's had its turn before the others came.
		if want := []int{6, 8, 7, 3, 4, 5}; len(order) != 9 || !slices.Equal(order[1:7], want) || order[7] > order[8] {
			t.Errorf("the order is %v, not %v after the first", order, want)
		}
	})
}

// One call at a time works on a target, whichever run it belongs to; who waits for it
// keeps no slot from others.
func TestATargetIsWorkedOnByOneCallAtATime(t *testing.T) {
	shape := sim.Shape{Hosts: 1, Latency: sim.Latency{GuestShutdown: time.Minute},
		Limits: []drivers.Limit{{Kind: drivers.VM, Name: drivers.Power, PerCluster: 2}}}
	facts(t, shape, func(r *rig) {
		vms := r.machines(2, 1, sim.Guest{})
		nic := vms[0].On(drivers.NIC, "nic0")
		r.site.AddNetwork("blue")
		r.site.EditVM(nic.Target, func(vm *sim.VM) { vm.NICs = map[string]sim.NIC{"nic0": {Network: "prod"}} })
		a := r.begin(scheduler.Plan{Shutdown: time.Hour}, forced(vms[0]))
		synctest.Wait()
		b := r.begin(scheduler.Plan{Shutdown: time.Hour}, scheduler.Step{Property: nic, Goal: scheduler.Literal("blue")}, on(vms[0]), forced(vms[1]))
		r.rest(a)
		if took := r.rest(b); took != time.Minute {
			t.Errorf("%s: what has another target had to wait", took)
		}
		calls := r.site.Calls()
		for i, x := range calls {
			for _, y := range calls[:i] {
				if x.Change.Property.Target == y.Change.Property.Target && x.Start.Before(y.End) && y.Start.Before(x.End) {
					t.Errorf("at once: %v %s-%s and %v %s-%s", x.Change.Property, x.Start, x.End, y.Change.Property, y.Start, y.End)
				}
			}
		}
	})
}

// A run that was taken over gives up what waits, at once, and no call in flight.
func TestATakeOverCutsNoCallOff(t *testing.T) {
	shape := sim.Shape{Hosts: 1, Latency: sim.Latency{GuestShutdown: 30 * time.Second}, Limits: []drivers.Limit{{Kind: drivers.VM, Name: drivers.Power, PerCluster: 1}}}
	facts(t, shape, func(r *rig) {
		vms := r.machines(2, 1, sim.Guest{})
		for _, name := range []string{"blue", "green"} {
			r.site.AddNetwork(name)
		}
		nic := vms[1].On(drivers.NIC, "nic0")
		r.site.EditVM(nic.Target, func(vm *sim.VM) { vm.NICs = map[string]sim.NIC{"nic0": {Network: "prod"}} })
		r.site.AddFault(sim.Fault{Mode: sim.FailBefore, Property: nic})
		ready := scheduler.Step{Target: "x", Check: &scheduler.Check{Kind: scheduler.CheckReady, Ready: &scheduler.ReadyCheck{Address: "x", Within: time.Hour}}}
		old := r.begin(scheduler.Plan{Verb: scheduler.Revert, Shutdown: time.Hour}, forced(vms[0]))
		synctest.Wait()
		waits := r.begin(scheduler.Plan{Verb: scheduler.Revert, Shutdown: time.Hour},
			forced(vms[1]), scheduler.Step{Property: nic, Goal: scheduler.Literal("blue")}, ready)
		time.Sleep(12 * time.Second) // the NIC is between two attempts, the VM waits for its slot
		r.site.ClearFaults()
		began := time.Now()
		run := r.begin(scheduler.Plan{TakesOver: []string{old, waits}}, scheduler.Step{Property: nic, Goal: scheduler.Literal("green")})
		synctest.Wait()
		if got := r.ended.Load(); got != 2 || time.Since(began) != 0 {
			t.Errorf("%d runs have ended (the new one, and the one that only waited), after %s", got, time.Since(began))
		}
		r.want(run, 1, scheduler.StepDone)
		r.want(old, 1, scheduler.Intent)
		time.Sleep(time.Minute)
		r.want(old, 1, scheduler.StepDone) // the call went on, and what it did is on record
		r.want(waits, 1, scheduler.Pending)
		if got, calls := r.ended.Load(), r.site.Calls(); got != 3 || calls[len(calls)-1].Err != nil {
			t.Errorf("%d runs have ended, the last call: %v", got, calls[len(calls)-1].Err)
		}
	})
}

// Two groups may need the same victim off: what a later run has begun is not done twice,
// and never undone by the earlier run's late step.
func TestALaterRunSupersedesAPendingStep(t *testing.T) {
	facts(t, sim.Shape{Hosts: 1, Latency: sim.Latency{GuestShutdown: time.Second}}, func(r *rig) {
		vms := r.machines(2, 1, sim.Guest{})
		earlier := r.begin(scheduler.Plan{Shutdown: time.Hour}, forced(vms[0]), after(forced(vms[1]), 1))
		later := r.begin(scheduler.Plan{Shutdown: time.Hour}, forced(vms[1]), after(on(vms[1]), 1))
		r.rest(earlier)
		r.rest(later)
		r.want(earlier, 2, scheduler.StepDone)
		if note, vm := r.step(earlier, 2).Note, vms[1].Target; note != "run "+later+" has decided it since" || len(r.site.Calls()) != 3 {
			t.Errorf("%q, and %d calls", note, len(r.site.Calls()))
		} else if got, _ := r.site.VM(vm); got.Power != drivers.On {
			t.Errorf("the later run left it on, and it is %s", got.Power)
		}
	})
}

// What was cut off goes on with the value found that is on record: it is never read anew,
// when the half-made change would become "before".
func TestACutOffRunGoesOnFromTheRecord(t *testing.T) {
	facts(t, small, func(r *rig) {
		vm := r.machines(1, 1, sim.Guest{})[0]
		r.site.AddFault(sim.Fault{Mode: sim.Hang, Property: vm})
		run := r.begin(scheduler.Plan{Shutdown: time.Hour}, forced(vm))
		synctest.Wait()
		before := r.step(run, 1)
		r.restart()
		if got := r.run(run); got.State != scheduler.Running || r.step(run, 1).State != scheduler.Intent || r.ended.Load() != 0 {
			t.Fatalf("after the end of the process the run is %s, the step %+v", got.State, r.step(run, 1))
		}
		r.site.ClearFaults()
		var expected []drivers.Value
		looked := 0
		r.site.SetFaultHook(func(op string, _ drivers.Property, _ drivers.Value) error {
			if op == sim.OpObserve {
				looked++
			}
			return nil
		})
		r.engine.Start(run)
		r.rest(run)
		for _, call := range r.site.Calls() {
			expected = call.Change.Expected
		}
		if looked > 0 || len(expected) != 1 || expected[0].Text != before.Expected[0].Text || string(expected[0].Rest) != string(before.Expected[0].Rest) {
			t.Errorf("it looked %d times, and expected %v, not %v", looked, expected, before.Expected)
		}
		r.want(run, 1, scheduler.StepDone)
	})
}

// The end of the process is no failure of a step, however long its call had taken.
func TestCloseHoldsNothing(t *testing.T) {
	facts(t, small, func(r *rig) {
		r.opts.RetryFor = time.Second
		r.restart()
		var steps []scheduler.Step
		for _, vm := range r.machines(50, 1, sim.Guest{}) {
			steps = append(steps, forced(vm))
		}
		r.site.AddFault(sim.Fault{Mode: sim.Hang})
		run := r.begin(scheduler.Plan{Shutdown: time.Hour}, steps...)
		time.Sleep(time.Minute)
		r.engine.Close()
		for i := range steps {
			r.want(run, i+1, scheduler.Intent)
		}
		r.engine.Start(run) // after the end nothing begins
		synctest.Wait()
	})
}

// A journal that records nothing for a while is asked again, now and then, and the run
// goes on.
func TestAJournalThatFails(t *testing.T) {
	facts(t, small, func(r *rig) {
		failing := &failing{Journal: r.journal}
		r.opts.Journal = failing
		r.restart()
		vm := r.machines(1, 1, sim.Guest{})[0]
		failing.left.Store(60)
		run := r.begin(scheduler.Plan{Shutdown: time.Hour}, forced(vm))
		if took := r.rest(run); took < 30*time.Second || took > 2*time.Minute {
			t.Errorf("60 failures of the journal took %s", took)
		}
		if r.run(run).State != scheduler.RunDone {
			t.Errorf("%+v", r.run(run))
		}
	})
}

type failing struct {
	execute.Journal
	left atomic.Int64
}

var errDisk = errors.New("the disk is full")

func (f *failing) Begin(ctx context.Context, run string, step int, found *drivers.Value, goal drivers.Value, force bool) ([]drivers.Value, error) {
	if f.left.Add(-1) > 40 {
		return nil, errDisk
	}
	return f.Journal.Begin(ctx, run, step, found, goal, force)
}

func (f *failing) Finish(ctx context.Context, run string, step int, stands *drivers.Value, note string) error {
	if f.left.Add(-1) > 20 {
		return errDisk
	}
	return f.Journal.Finish(ctx, run, step, stands, note)
}

func (f *failing) EndRun(ctx context.Context, run string) error {
	if f.left.Add(-1) > 0 {
		return errDisk
	}
	return f.Journal.EndRun(ctx, run)
}
