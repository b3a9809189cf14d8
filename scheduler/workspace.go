package scheduler

import (
	"fmt"
	"time"
)

// Workspace is what a developer, its owner, works in: a copy of a protection group, or
// new VMs from a template.
type Workspace struct {
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
	Owner   string `json:"owner"`
	Copy    string `json:"copy,omitempty"`     // the group copied
	From    string `json:"template,omitempty"` // or the template
	Count   int    `json:"count,omitempty"`    // of new VMs
	Restore string `json:"restorePoint,omitempty"`

	Lease     time.Duration `json:"lease"`
	Requested time.Time     `json:"requested"`
	Admitted  time.Time     `json:"admitted,omitzero"` // when its lend was accepted
	Ends      time.Time     `json:"ends,omitzero"`     // of the lease; stands still while covered
	Covered   time.Time     `json:"covered,omitzero"`  // since when a run, or the queue after it, keeps it down
	Network   string        `json:"network,omitempty"` // its isolated network
	// Waits says in one sentence what it waits for: room, a standby VM in use.
	Waits string `json:"waits,omitempty"`
	// Returning: its return was asked for; carried out when no run works on it.
	Returning bool      `json:"returning,omitempty"`
	Expired   bool      `json:"expired,omitempty"`
	Keep      time.Time `json:"keep,omitzero"` // until when the volumes of an expired one are kept
	// Gone: its return was accepted and done.
	Gone  bool      `json:"gone,omitempty"`
	Ended time.Time `json:"ended,omitzero"`
}

// What tells in a few words what the workspace is.
func (w *Workspace) What() string {
	switch {
	case w.Copy != "":
		return "copy of " + w.Copy
	case w.Count == 1:
		return "1 new VM from " + w.From
	default:
		return fmt.Sprintf("%d new VMs from %s", w.Count, w.From)
	}
}

// Holder is the holder of the workspace's layers.
func (w *Workspace) Holder() Holder { return Holder(w.ID) }

// What a workspace is, in the word that people see.
const (
	WorkspaceWaiting   = "waiting"   // in the queue
	WorkspaceLending   = "lending"   // being made
	WorkspaceLent      = "lent"      // its owner works in it
	WorkspaceParked    = "parked"    // down for a run, or waiting for room after it; comes back
	WorkspaceReturning = "returning" // being taken away
	WorkspaceKept      = "kept"      // the lease is over, the volumes wait for their retention
	WorkspaceGone      = "gone"
)

// StateOf gives the word for what a workspace is.
func (s *State) StateOf(w *Workspace) string {
	run := s.RunOf(w)
	switch {
	case w.Gone:
		return WorkspaceGone
	case run != nil && run.Plan.Verb == Return, w.Returning:
		return WorkspaceReturning
	case w.Expired:
		return WorkspaceKept
	case w.Admitted.IsZero():
		return WorkspaceWaiting
	case !w.Covered.IsZero():
		return WorkspaceParked
	case run != nil, s.hasGap(w.Holder()):
		return WorkspaceLending
	default:
		return WorkspaceLent
	}
}

// RunOf gives the running lend or return of a workspace, nil where there is none.
func (s *State) RunOf(w *Workspace) *Run {
	for _, run := range s.Runs {
		if run.State == Running && run.Plan.Workspace == w.ID {
			return run
		}
	}
	return nil
}

func (s *State) hasGap(h Holder) bool {
	for p, stack := range s.Stacks {
		if stack.Of(h) != nil && s.Stacks.Gap(p) {
			return true
		}
	}
	return false
}
