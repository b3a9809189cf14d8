package plan_test

import (
	"fmt"
	"testing"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/plan"
)

// fleet is a group of n VMs in five start orders, on hosts that n new VMs fill.
func fleet(t tb, n int) *world {
	w := newWorld(t)
	w.cluster("c1", 2, 1024, 1024, 1024, 1024)
	w.template("c1", "small", 2)
	var vms []standby
	for i := range n {
		vms = append(vms, standby{fmt.Sprintf("vm%04d", i), "c1", fmt.Sprintf("h%d", i%4+1), 4096 / int64(n), 1 + i*5/n})
	}
	w.group("fleet", vms...)
	return w
}

func BenchmarkFailoverOfAFleet(b *testing.B) {
	w := fleet(b, 500)
	id, p, err := w.request(scheduler.Workspace{From: "small", Count: 500})
	if err != nil {
		b.Fatal(id, err)
	}
	w.fold(accepted(p))
	snap := w.snap()
	for b.Loop() {
		p, err := plan.Failover(snap, plan.Request{Group: "fleet", DeclaredDeadBy: "op"})
		if err != nil {
			b.Fatal(err)
		}
		if found := plan.Lint(snap, p); len(found) > 0 {
			b.Fatal(found)
		}
	}
}
