// Package journal is what hotspare remembers: an append-only sequence of versioned
// records in a bbolt file, and the one pure function that folds them into a
// [scheduler.State]. Replay after a restart uses the same function.
package journal

import (
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// Version of the records that this program writes. It reads all versions up to this one.
const Version = 1

// Record is one fact. Exactly one of the pointers is set.
type Record struct {
	Seq     uint64    `json:"seq"`
	Version int       `json:"v"`
	At      time.Time `json:"at"`

	WorkspaceRequested *WorkspaceRequested `json:"workspaceRequested,omitempty"`
	WorkspaceNoted     *WorkspaceNoted     `json:"workspaceNoted,omitempty"`
	WorkspaceExtended  *WorkspaceExtended  `json:"workspaceExtended,omitempty"`
	RunAccepted        *RunAccepted        `json:"runAccepted,omitempty"`
	StepBegun          *StepBegun          `json:"stepBegun,omitempty"`
	StepEnded          *StepEnded          `json:"stepEnded,omitempty"`
	StepRetried        *StepRetried        `json:"stepRetried,omitempty"`
	RunEnded           *RunEnded           `json:"runEnded,omitempty"`
	AlertSeen          *AlertSeen          `json:"alertSeen,omitempty"`
	HostDrained        *HostDrained        `json:"hostDrained,omitempty"`
	HostResumed        *HostResumed        `json:"hostResumed,omitempty"`
	DriftFound         *DriftFound         `json:"driftFound,omitempty"`
	DriftGone          *DriftGone          `json:"driftGone,omitempty"`
	DriftDecided       *DriftDecided       `json:"driftDecided,omitempty"`
}

// WorkspaceRequested enters a request in the queue.
type WorkspaceRequested struct {
	Workspace scheduler.Workspace `json:"workspace"`
}

// WorkspaceNoted changes what is known of a workspace beside its layers.
type WorkspaceNoted struct {
	Workspace string  `json:"workspace"`
	Waits     *string `json:"waits,omitempty"`
	Returning bool    `json:"returning,omitempty"` // its return was asked for
	Gone      bool    `json:"gone,omitempty"`      // a request that was never admitted is withdrawn
}

// RunAccepted makes a plan a run: its change of layers happens with this record.
type RunAccepted struct {
	Plan *scheduler.Plan `json:"plan"`
}

// StepBegun is the intent of a step: durable before the call.
type StepBegun struct {
	Run  string `json:"run"`
	Step int    `json:"step"`
	// Found is what was observed just before; nil where the journal knows what stands.
	Found    *drivers.Value  `json:"found,omitempty"`
	Expected []drivers.Value `json:"expected,omitempty"`
	Goal     *drivers.Value  `json:"goal,omitempty"` // nil for a check
	Force    bool            `json:"force,omitempty"`
}

// StepEnded tells how a step ended.
type StepEnded struct {
	Run   string              `json:"run"`
	Step  int                 `json:"step"`
	State scheduler.StepState `json:"state"` // done, held or skipped
	// Stands is what stands at the site: given when done, and when skipped.
	Stands *drivers.Value `json:"stands,omitempty"`
	Note   string         `json:"note,omitempty"`
	Found  *drivers.Value `json:"found,omitempty"` // held for drift
	// Gone: skipped, and what it was to change is not there any more.
	Gone bool `json:"gone,omitempty"`
}

// StepRetried lets a held step begin again.
type StepRetried struct {
	Run  string `json:"run"`
	Step int    `json:"step"`
	By   string `json:"by,omitempty"`
}

// RunEnded says that every step is over.
type RunEnded struct {
	Run string `json:"run"`
}

// AlertSeen remembers a signal, so that its repeats start nothing.
type AlertSeen struct {
	Key string `json:"key"`
}

// facts counts what a record says; it must say one thing.
func (r *Record) facts() int {
	n := 0
	for _, said := range []bool{r.WorkspaceRequested != nil, r.WorkspaceNoted != nil, r.WorkspaceExtended != nil, r.RunAccepted != nil, r.StepBegun != nil,
		r.StepEnded != nil, r.StepRetried != nil, r.RunEnded != nil, r.AlertSeen != nil,
		r.HostDrained != nil, r.HostResumed != nil, r.DriftFound != nil, r.DriftGone != nil, r.DriftDecided != nil} {
		if said {
			n++
		}
	}
	return n
}
