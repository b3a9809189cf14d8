package plan

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// Unfinished lists the properties that a revert, which another run has taken over, took
// its layers out of and did not bring back, and that nobody else wants anything of.
func Unfinished(state *scheduler.State, run *scheduler.Run) []drivers.Property {
	if run.State != scheduler.TakenOver || run.Plan.Verb != scheduler.Revert {
		return nil
	}
	return left(state.Stacks, run.Plan)
}

// left lists what a plan took its layers out of, or changed on the way, that nobody wants
// anything of and that is not as it was found.
func left(stacks scheduler.Stacks, p *scheduler.Plan) []drivers.Property {
	var all []drivers.Property
	look := func(p drivers.Property) {
		if stack := stacks[p]; stack != nil && len(stack.Layers) == 0 && stacks.Gap(p) && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	for _, drop := range p.Drops {
		look(drop.Property)
	}
	for i := range p.Steps {
		if p.Steps[i].IsChange() {
			look(p.Steps[i].Property)
		}
	}
	return all
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
	p.TakesOver = nil // it waits instead
	return b.free(p)
}

// unshown refuses to demote or delete what a disk shows that the plan does not change.
func (b *builder) unshown() error {
	for _, by := range slices.SortedFunc(maps.Keys(b.byProp), scheduler.CompareProperties) {
		n := b.byProp[by]
		if by.Name != drivers.Role && by.Kind != drivers.Volume || n.To != drivers.Secondary && n.To != drivers.Absent {
			continue
		}
		for disk := range b.snap.State.Stacks {
			if disk.Name == drivers.Disk && b.byProp[disk] == nil && b.shown(disk, by) {
				return &Waits{fmt.Sprintf("a disk of a VM still shows what was made of %s", by.Target)}
			}
		}
	}
	return nil
}
