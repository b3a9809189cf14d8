package journal

import (
	"slices"

	"github.com/hotspare/hotspare/scheduler"
)

// keptRuns is how many of the last runs the state keeps, whatever became of them.
const keptRuns = 200

// forget takes old runs out of the state that nothing asks for any more; their records
// stay in the file. It keeps a run that holds layers, one that was taken over and whose
// changes are not undone, and all since the oldest that is running: what a pending step
// was for may have been decided by a later run.
func forget(s *scheduler.State) {
	if len(s.Runs) <= keptRuns {
		return
	}
	runs := make([]*scheduler.Run, 0, len(s.Runs))
	for _, run := range s.Runs {
		runs = append(runs, run)
	}
	slices.SortFunc(runs, func(a, b *scheduler.Run) int { return number(a.ID) - number(b.ID) })
	holds := map[scheduler.Holder]bool{}
	for _, stack := range s.Stacks {
		for _, layer := range stack.Layers {
			holds[layer.Holder] = true
		}
	}
	for _, run := range runs[:len(runs)-keptRuns] {
		switch {
		case run.State == scheduler.Running:
			return
		case holds[scheduler.RunHolder(run.ID, run.Plan.Group)]:
		case run.State == scheduler.TakenOver && touches(s, run.Plan):
		default:
			delete(s.Runs, run.ID)
		}
	}
}

// touches reports whether a property that the plan changes still has a stack.
func touches(s *scheduler.State, p *scheduler.Plan) bool {
	return slices.ContainsFunc(p.Drops, func(d scheduler.Drop) bool { return s.Stacks[d.Property] != nil }) ||
		slices.ContainsFunc(p.Steps, func(step scheduler.Step) bool { return step.IsChange() && s.Stacks[step.Property] != nil })
}
