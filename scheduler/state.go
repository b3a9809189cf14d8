package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// State is everything that the journal remembers, folded. Only package journal changes
// it.
type State struct {
	Stacks        Stacks                `json:"stacks"`
	Workspaces    map[string]*Workspace `json:"workspaces"`
	Runs          map[string]*Run       `json:"runs"`
	Kept          map[string]*Kept      `json:"kept"`              // by name
	Alerts        map[string]time.Time  `json:"alerts"`            // de-duplication key to when it was seen
	Drained       []Drained             `json:"drained,omitempty"` // sorted by cluster and host
	LastWorkspace int                   `json:"lastWorkspace"`
	LastRun       int                   `json:"lastRun"`
	LastDrift     int                   `json:"lastDrift,omitempty"`
	// Drifts are those that are open, by property.
	Drifts map[drivers.Property]*Drift `json:"drifts,omitempty"`
}

// Kept are writes of production that a demotion left at the recovery site, by name.
type Kept struct {
	Name    string            `json:"name"`
	Group   string            `json:"group"`
	Replica drivers.Property  `json:"replica"`
	Volumes map[string]string `json:"volumes"` // volume to endpoint
	At      time.Time         `json:"at"`
	Word    WritesWord        `json:"word"`
}

// NewState gives the state before anything happened.
func NewState() *State {
	return &State{
		Stacks: Stacks{}, Workspaces: map[string]*Workspace{}, Runs: map[string]*Run{},
		Kept: map[string]*Kept{}, Alerts: map[string]time.Time{}, Drifts: map[drivers.Property]*Drift{},
	}
}

// NextRun and NextWorkspace name what comes next.
func (s *State) NextRun() string { return fmt.Sprintf("r-%d", s.LastRun+1) }

// NextWorkspace names the next workspace.
func (s *State) NextWorkspace() string { return fmt.Sprintf("ws-%d", s.LastWorkspace+1) }

// RunningRuns lists the runs that are not over, oldest first.
func (s *State) RunningRuns() []*Run {
	var all []*Run
	for _, run := range s.Runs {
		if run.State == Running {
			all = append(all, run)
		}
	}
	SortRuns(all)
	return all
}

// SortRuns sorts runs by when they were accepted, and then by id.
func SortRuns(runs []*Run) {
	slices.SortFunc(runs, func(a, b *Run) int {
		return cmp.Or(a.Accepted.Compare(b.Accepted), byID(a.ID, b.ID))
	})
}

// Superseded names a later run that has gone beyond the step: it has changed the step's
// property, or has begun to bring it to another goal. Empty where none has. What a pending
// step was for has then happened, or is decided by the later run: production may run on
// its VM by now. Such a step is over without a change. Where the later run is only under
// way to the same goal, as with a victim that two groups need off, both go for it: what
// waits for this step waits until it is true.
func (s *State) Superseded(run *Run, step *Step) string {
	if !step.IsChange() {
		return ""
	}
	var later []*Run
	for _, other := range s.Runs {
		if byID(other.ID, run.ID) > 0 {
			later = append(later, other)
		}
	}
	SortRuns(later)
	for _, other := range later {
		for i := range other.Plan.Steps {
			theirs, how := &other.Plan.Steps[i], other.Steps[i]
			if theirs.IsChange() && theirs.Property == step.Property && !how.Began.IsZero() &&
				(how.State == StepDone || !theirs.Goal.same(step.Goal)) {
				return other.ID
			}
		}
	}
	return ""
}

// byID sorts "r-9" before "r-10".
func byID(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }

// SortedWorkspaces lists all workspaces, oldest first.
func (s *State) SortedWorkspaces() []*Workspace {
	var all []*Workspace
	for _, w := range s.Workspaces {
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b *Workspace) int {
		return byID(a.ID, b.ID)
	})
	return all
}

// HoldersOf lists the runs that hold layers for a group, oldest first.
func (s *State) HoldersOf(group string) []*Run {
	held := map[Holder]bool{}
	for _, stack := range s.Stacks {
		for _, layer := range stack.Layers {
			held[layer.Holder] = true
		}
	}
	var runs []*Run
	for _, run := range s.Runs {
		if run.Plan.Group == group && run.Plan.Verb.Urgent() && held[RunHolder(run.ID, group)] {
			runs = append(runs, run)
		}
	}
	SortRuns(runs)
	return runs
}

// Claims lists the room that groups have a right to, from their reclaim until their
// revert.
func (s *State) Claims() []Claim {
	var all []Claim
	seen := map[drivers.Property]bool{}
	for _, group := range s.heldGroups() {
		for _, run := range s.HoldersOf(group) {
			for _, claim := range run.Plan.Claims {
				if !seen[claim.VM] {
					seen[claim.VM] = true
					all = append(all, claim)
				}
			}
		}
	}
	return all
}

func (s *State) heldGroups() []string {
	var groups []string
	for _, run := range s.Runs {
		if run.Plan.Group != "" && run.Plan.Verb.Urgent() && !slices.Contains(groups, run.Plan.Group) {
			groups = append(groups, run.Plan.Group)
		}
	}
	slices.Sort(groups)
	return groups
}

// What a group is, in the word that people see.
const (
	GroupStandby   = "standby"      // ready, not in use
	GroupCopied    = "copied"       // a workspace has a copy of it
	GroupReclaimed = "reclaimed"    // at standby, its room is claimed
	GroupFailing   = "failing over" // its failover runs
	GroupProduces  = "failed over"  // production runs here
	GroupReverting = "reverting"    // goes home
)

// GroupState gives the word for what a group is.
func (s *State) GroupState(group string) string {
	holders := s.HoldersOf(group)
	for i := len(holders) - 1; i >= 0; i-- {
		switch run := holders[i]; {
		case run.Plan.Verb == Failover && run.State == Running:
			return GroupFailing
		case run.Plan.Verb == Failover:
			return GroupProduces
		}
	}
	if len(holders) > 0 {
		return GroupReclaimed
	}
	for _, run := range s.RunningRuns() { // its layers are out since it was accepted
		if run.Plan.Group == group && run.Plan.Verb == Revert {
			return GroupReverting
		}
	}
	for _, w := range s.Workspaces {
		if w.Copy == group && !w.Gone && !w.Expired && !w.Admitted.IsZero() {
			return GroupCopied
		}
	}
	return GroupStandby
}

// Covers reports whether any run's layer lies above one of the holder's.
func (s *State) Covers(h Holder) bool {
	for _, stack := range s.Stacks {
		own := slices.IndexFunc(stack.Layers, func(l Layer) bool { return l.Holder == h })
		if own < 0 {
			continue
		}
		for _, layer := range stack.Layers[own+1:] {
			if s.Workspaces[string(layer.Holder)] == nil {
				return true
			}
		}
	}
	return false
}

// Snapshot is what the pure packages decide over: nobody changes it while they do.
type Snapshot struct {
	Now       time.Time
	Site      *Site
	State     *State
	Inventory Inventory
	Drivers   map[string]drivers.Description // by cluster
	Usual     func(p drivers.Property, to string) time.Duration

	byTarget map[drivers.Property][]drivers.Property // see OfTarget
	indexed  *State                                  // that byTarget was made of
}

// OfTarget lists the properties of p's target that have a stack, sorted, as
// [Stacks.OfTarget] does, but looks at all stacks once only. It is for one goroutine.
func (s *Snapshot) OfTarget(p drivers.Property) []drivers.Property {
	if s.indexed != s.State {
		s.indexed, s.byTarget = s.State, make(map[drivers.Property][]drivers.Property, len(s.State.Stacks))
		for other := range s.State.Stacks {
			target := other.On("", "")
			s.byTarget[target] = append(s.byTarget[target], other)
		}
		for _, all := range s.byTarget {
			SortProperties(all)
		}
	}
	return s.byTarget[p.On("", "")]
}
