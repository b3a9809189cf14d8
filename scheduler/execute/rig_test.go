package execute_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/execute"
	"github.com/hotspare/hotspare/scheduler/journal"
)

// rig is an engine over a real journal and a simulated site. Within facts, time is that of
// a synctest bubble; a goroutine that an engine leaves behind fails the test.
type rig struct {
	testing.TB
	site    *sim.Site
	driver  drivers.Driver
	journal *journal.Journal
	engine  *execute.Engine
	opts    execute.Options
	ended   atomic.Int64
}

// facts runs a test in a bubble, on a site of this shape.
func facts(t *testing.T, shape sim.Shape, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, shape)
		defer r.close()
		test(r)
	})
}

func newRig(t testing.TB, shape sim.Shape) *rig {
	t.Helper()
	site := sim.NewSite(shape)
	r := &rig{TB: t, site: site, driver: sim.Configured(site, "dr", "c1")}
	j, err := journal.Open(filepath.Join(t.TempDir(), "journal.db"), journal.Options{ReserveMiB: -1})
	if err != nil {
		t.Fatal(err)
	}
	r.journal = j
	r.opts = execute.Options{Site: "dr", Journal: j, RetryFor: time.Minute,
		Driver: func(string) (drivers.Driver, drivers.Description, error) {
			d, err := r.driver.Describe(context.Background())
			return r.driver, d, err
		},
		Ready: func(_ context.Context, check *scheduler.ReadyCheck) error {
			if site.GuestReady(check.Address) {
				return nil
			}
			return fmt.Errorf("%s does not answer", check.Address)
		},
		Ended: func(string) { r.ended.Add(1) },
	}
	r.engine = execute.New(r.opts)
	return r
}

func (r *rig) close() {
	r.engine.Close()
	if err := r.journal.Close(); err != nil {
		r.Error(err)
	}
}

// restart ends the engine as the end of the process does, and starts another.
func (r *rig) restart() {
	r.engine.Close()
	r.engine = execute.New(r.opts)
}

// accept makes a plan of steps a run, which nobody executes yet.
func (r *rig) accept(p scheduler.Plan, steps ...scheduler.Step) string {
	r.Helper()
	var id string
	err := r.journal.Update(context.Background(), func(s *scheduler.State) ([]journal.Record, error) {
		p.Run, p.Group, p.MadeAt = s.NextRun(), "payments", time.Now()
		if p.Verb == "" {
			p.Verb = scheduler.Reclaim
		}
		p.Steps = steps
		for i := range p.Steps {
			p.Steps[i].ID = i + 1
		}
		id = p.Run
		return []journal.Record{{RunAccepted: &journal.RunAccepted{Plan: &p}}}, nil
	})
	if err != nil {
		r.Fatal(err)
	}
	return id
}

// begin accepts a plan and starts it.
func (r *rig) begin(p scheduler.Plan, steps ...scheduler.Step) string {
	r.Helper()
	id := r.accept(p, steps...)
	r.engine.Start(id)
	return id
}

// step gives what became of a step.
func (r *rig) step(run string, step int) scheduler.StepRun {
	r.Helper()
	var sr scheduler.StepRun
	r.journal.View(func(s *scheduler.State) { sr = *s.Runs[run].Steps[step-1] })
	return sr
}

func (r *rig) run(id string) scheduler.Run {
	var run scheduler.Run
	r.journal.View(func(s *scheduler.State) { run = *s.Runs[id] })
	return run
}

// rest waits until a run is over, or only held steps are left, and gives how long that
// took since its acceptance.
func (r *rig) rest(id string) time.Duration {
	r.Helper()
	for deadline := time.Now().Add(24 * time.Hour); ; {
		changed := r.journal.Changed()
		over, accepted := false, time.Time{}
		r.journal.View(func(s *scheduler.State) {
			run := s.Runs[id]
			over, accepted = run.State != scheduler.Running || run.Stuck(), run.Accepted
		})
		if over {
			return time.Since(accepted)
		}
		select {
		case <-changed:
		case <-time.After(time.Until(deadline)):
			r.Fatalf("run %s never ended: %+v", id, r.run(id))
		}
	}
}

// want fails unless a step is in this state.
func (r *rig) want(run string, step int, state scheduler.StepState) {
	r.Helper()
	if sr := r.step(run, step); sr.State != state {
		r.Errorf("step %d of %s is %s (%s), not %s", step, run, sr.State, sr.Note, state)
	}
}

// machines adds VMs that are on, guest-01 and so on, spread over the hosts.
func (r *rig) machines(n, hosts int, guest sim.Guest) []drivers.Property {
	var all []drivers.Property
	for i := range n {
		id := r.site.AddVM(sim.VM{Name: fmt.Sprintf("guest-%03d", i+1), Host: host(i, hosts), Power: drivers.On, CPUs: 1, MemoryMiB: 64,
			Guest: guest, Owner: drivers.Owner{Site: "dr", Holder: "ws-1"}})
		all = append(all, scheduler.Power("c1", id))
	}
	return all
}

func host(i, hosts int) string { return fmt.Sprintf("host-%02d", i%hosts+1) }

func off(p drivers.Property) scheduler.Step {
	return scheduler.Step{Target: p.Target, Change: "power", Property: p, Goal: scheduler.Literal(drivers.Off), To: drivers.Off}
}

func on(p drivers.Property) scheduler.Step {
	return scheduler.Step{Target: p.Target, Change: "power", Property: p, Goal: scheduler.Literal(drivers.On), To: drivers.On}
}

func forced(p drivers.Property) scheduler.Step {
	step := off(p)
	step.MayForce = true
	return step
}

func after(step scheduler.Step, steps ...int) scheduler.Step {
	step.After = steps
	return step
}
