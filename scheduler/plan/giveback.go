package plan

import (
	"slices"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// ReturnWorkspace plans to take a workspace away. With a zero keep its clones and VMs are
// deleted. Else its lease has expired, or was given up for now: it goes off the standby
// VMs, and what its owner wrote is kept until that time.
func ReturnWorkspace(snap *scheduler.Snapshot, w *scheduler.Workspace, by string, keep time.Time) (*scheduler.Plan, error) {
	b := newBuilder(snap, &scheduler.Plan{Verb: scheduler.Return, Workspace: w.ID, By: by, Keep: keep})
	for _, p := range snap.State.Stacks.HeldBy(w.Holder()) {
		switch {
		case keep.IsZero(), p.Kind == drivers.VM && !snap.State.Stacks.IsMade(p):
			b.drop(p, w.Holder())
		case p.Name == drivers.Power:
			b.put(p, w.Holder(), scheduler.Literal(drivers.Off))
		}
	}
	for _, run := range snap.State.Runs { // what an earlier return, taken over, left to do
		if run.Plan.Verb == scheduler.Return && run.Plan.Workspace == w.ID {
			for _, p := range left(b.after, run.Plan) {
				b.touch(p)
			}
		}
	}
	return b.free(b.finish())
}

// CutOff reports whether the last return of a workspace, one that keeps what its owner wrote,
// was taken over, and left something to do.
func CutOff(state *scheduler.State, w *scheduler.Workspace) bool {
	var last *scheduler.Run
	for _, run := range state.Runs {
		if run.Plan.Workspace == w.ID && run.Plan.Verb == scheduler.Return && (last == nil || run.Accepted.After(last.Accepted)) {
			last = run
		}
	}
	if last == nil || last.State != scheduler.TakenOver {
		return false
	}
	return len(left(state.Stacks, last.Plan)) > 0 || slices.ContainsFunc(state.Stacks.HeldBy(w.Holder()), func(p drivers.Property) bool {
		return p.Name == drivers.Power && state.Stacks.Gap(p)
	})
}
