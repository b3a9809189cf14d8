package journal

import (
	"maps"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// DriftFound says that a property is not as our last change left it. Of a drift that is
// open already it says what is found now.
type DriftFound struct {
	Property drivers.Property `json:"property"`
	Found    drivers.Value    `json:"found"`
}

// DriftGone says that a property is again as our last change left it.
type DriftGone struct {
	Property drivers.Property `json:"property"`
}

// What a person may decide of a drift. Each makes what was found what stands.
const (
	DriftPutBack = "put back" // by the run that is accepted with it
	DriftAsLayer = "layer"    // it is what the holder of the top layer wants from now on
	DriftAsFound = "found"    // it is the value found, which the site goes back to in the end
)

// DriftDecided is a person's word on a drift.
type DriftDecided struct {
	Property drivers.Property `json:"property"`
	As       string           `json:"as"`
	By       string           `json:"by"`
}

func foldDriftFound(s *scheduler.State, at time.Time, r *DriftFound) error {
	stack := s.Stacks[r.Property]
	switch {
	case stack == nil || stack.Stands == nil || stack.Uncertain():
		return illegal("%s has drifted, and nobody knows what stands", r.Property)
	case scheduler.SameValue(*stack.Stands, r.Found):
		return illegal("%s has drifted, and is as it stands", r.Property)
	}
	if d := s.Drifts[r.Property]; d != nil {
		d.Found = r.Found
		return nil
	}
	d := &scheduler.Drift{ID: s.NextDrift(), Property: r.Property, Since: at, Stands: *stack.Stands, Found: r.Found}
	s.LastDrift = number(d.ID)
	s.Drifts[r.Property] = d
	return nil
}

func foldDriftGone(s *scheduler.State, r *DriftGone) error {
	if s.Drifts[r.Property] == nil {
		return illegal("%s has not drifted", r.Property)
	}
	delete(s.Drifts, r.Property)
	return nil
}

func foldDriftDecided(s *scheduler.State, r *DriftDecided) error {
	d, stack := s.Drifts[r.Property], s.Stacks[r.Property]
	switch {
	case d == nil || stack == nil:
		return illegal("%s has not drifted", r.Property)
	case stack.Uncertain():
		return illegal("a change of %s is under way", r.Property)
	case r.By == "":
		return illegal("nobody decides on %s", r.Property)
	case r.As != DriftPutBack && r.As != DriftAsLayer && r.As != DriftAsFound:
		return illegal("a drift is not decided as %q", r.As)
	case r.As != DriftAsFound && len(stack.Layers) == 0:
		return illegal("nobody has a layer on %s", r.Property)
	case r.As == DriftAsFound && stack.Found == nil:
		return illegal("%s has no value found: its target was made", r.Property)
	}
	found := d.Found
	delete(s.Drifts, r.Property)
	if r.As == DriftAsFound {
		stack.Found = &found
	}
	s.Stacks.Observed(r.Property, found)
	if r.As == DriftAsLayer && s.Stacks.Gap(r.Property) {
		stack.Layers[len(stack.Layers)-1].Goal = scheduler.Goal{Value: &found}
	}
	return nil
}

// settle forgets the drifts of properties that nobody wants anything of any more.
func settle(s *scheduler.State) {
	maps.DeleteFunc(s.Drifts, func(p drivers.Property, _ *scheduler.Drift) bool { return s.Stacks[p] == nil })
}
