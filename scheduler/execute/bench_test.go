package execute_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler"
)

// BenchmarkSteps runs plans of many steps at a site that takes no time: half of the steps
// wait for one of the other half, 50 calls at once.
func BenchmarkSteps(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				r := newRig(b, sim.Shape{Hosts: 1, HostMemoryMiB: 1 << 30,
					Limits: []drivers.Limit{{Kind: drivers.VM, Name: drivers.Power, PerCluster: 50}, {Kind: drivers.VM, Name: drivers.HostOf, PerCluster: 50}}})
				var steps []scheduler.Step
				for i, vm := range r.machines(n/2, 1, sim.Guest{}) {
					steps = append(steps, forced(vm), after(scheduler.Step{Property: vm.On(drivers.HostOf, ""), Goal: scheduler.FoundGoal}, 2*i+1))
				}
				run := r.accept(scheduler.Plan{Shutdown: time.Hour}, steps...)
				b.StartTimer()
				r.engine.Start(run)
				r.rest(run)
				b.StopTimer()
				if got := r.run(run); got.Counts()[scheduler.StepDone] != n {
					b.Fatalf("not all of %d steps are done: %v", n, got.Counts())
				}
				r.close()
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/step")
		})
	}
}
