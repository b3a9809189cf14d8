package plan

import (
	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// PutBack plans to bring a property that has drifted to the value back, or with nil to what
// the top of its stack asks for. The snapshot's stacks have what was observed as what
// stands. A VM goes off for a change of its disks, networks or host, and on again. It
// changes no layer. The error is [*Waits] while another run works there.
func PutBack(snap *scheduler.Snapshot, p drivers.Property, back *drivers.Value, by, reason string) (*scheduler.Plan, error) {
	made := &scheduler.Plan{Verb: scheduler.PutBack, By: by, Reason: reason}
	if stack := snap.State.Stacks[p]; stack != nil && len(stack.Layers) > 0 {
		holder := stack.Layers[len(stack.Layers)-1].Holder
		if snap.State.Workspaces[string(holder)] != nil {
			made.Workspace = string(holder)
		}
		for _, run := range snap.State.Runs {
			if scheduler.RunHolder(run.ID, run.Plan.Group) == holder {
				made.Group = run.Plan.Group
			}
		}
	}
	b := newBuilder(snap, made)
	if stack := b.after[p]; back != nil && stack != nil && len(stack.Layers) > 0 {
		stack.Layers[len(stack.Layers)-1].Goal = scheduler.Goal{Value: back}
	}
	b.touch(p)
	b.finish()
	made.TakesOver = nil // it waits instead
	return b.free(made)
}
