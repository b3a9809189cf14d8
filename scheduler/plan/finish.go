package plan

import (
	"fmt"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// Unfinished lists the properties that a revert, which another run has taken over, took
// its layers out of and did not bring back, and that nobody else wants anything of.
func Unfinished(state *scheduler.State, run *scheduler.Run) []drivers.Property {
	if run.State != scheduler.TakenOver || run.Plan.Verb != scheduler.Revert {
		return nil
	}
	var left []drivers.Property
	for _, drop := range run.Plan.Drops {
		if stack := state.Stacks[drop.Property]; stack != nil && len(stack.Layers) == 0 && state.Stacks.Gap(drop.Property) {
			left = append(left, drop.Property)
		}
	}
	return left
}

// Finish plans what a revert that was taken over left to do. It changes no layer. The
// error is [*Waits] while another run works there, or a disk still shows what is to be
// demoted.
func Finish(snap *scheduler.Snapshot, run *scheduler.Run) (*scheduler.Plan, error) {
	b := newBuilder(snap, &scheduler.Plan{
		Verb: scheduler.Revert, Group: run.Plan.Group, By: run.Plan.By, Writes: run.Plan.Writes,
		Reason: fmt.Sprintf("what run %s, taken over by %s, left to do", run.ID, run.By),
	})
	for _, p := range Unfinished(snap.State, run) {
		b.touch(p)
	}
	p := b.finish()
	p.TakesOver = nil
	for role, n := range b.byProp {
		if role.Name != drivers.Role || n.To != drivers.Secondary {
			continue
		}
		for disk := range snap.State.Stacks {
			if disk.Name == drivers.Disk && b.byProp[disk] == nil && b.mayShow(disk, role) {
				return nil, &Waits{fmt.Sprintf("%s still shows a promoted volume of %s", disk.Label(), role.Target)}
			}
		}
	}
	return b.free(p)
}
