package scheduler

import (
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// Verb is what a run does.
type Verb string

// The verbs.
const (
	Lend     Verb = "lend"
	Return   Verb = "return"
	Reclaim  Verb = "reclaim"
	Failover Verb = "failover"
	Revert   Verb = "revert"
	PutBack  Verb = "put back" // a property that has drifted
)

// Urgent reports whether the verb takes over the targets of other runs.
func (v Verb) Urgent() bool { return v == Reclaim || v == Failover }

// Plan is an immutable graph of steps and the change of layers that it closes the gap
// of, made from one snapshot of the site. It carries all that the run needs: a later
// change of the configuration does not touch it.
type Plan struct {
	Run       string    `json:"run"` // the run that it becomes when accepted
	Verb      Verb      `json:"verb"`
	Group     string    `json:"group,omitempty"`
	Workspace string    `json:"workspace,omitempty"`
	By        string    `json:"by,omitempty"`     // who asked
	Reason    string    `json:"reason,omitempty"` // why, in one sentence
	MadeAt    time.Time `json:"madeAt"`
	// SiteAge is how old the oldest inventory was that the plan rests on.
	SiteAge time.Duration `json:"siteAge"`
	RTO     time.Duration `json:"rto,omitempty"`
	RPO     time.Duration `json:"rpo,omitempty"`

	Puts  []Put  `json:"puts,omitempty"`
	Drops []Drop `json:"drops,omitempty"`
	Steps []Step `json:"steps"`

	Victims      []Victim       `json:"victims,omitempty"`
	Returning    []Victim       `json:"returning,omitempty"` // workspaces that a revert brings back, or why not yet
	TakesOver    []string       `json:"takesOver,omitempty"` // runs that end with its acceptance
	RestorePoint *ChosenRestore `json:"restorePoint,omitempty"`
	Claims       []Claim        `json:"claims,omitempty"` // room, from a reclaim until its revert
	Notes        []string       `json:"notes,omitempty"`  // what a person should know before
	// Missing says whose word the plan waits for; empty where it can run as it is.
	Missing string `json:"missing,omitempty"`
	// DeclaredDeadBy is the operator who says that production is dead.
	DeclaredDeadBy string `json:"declaredDeadBy,omitempty"`
	// Writes says what a revert does with what production wrote here, by whose word.
	Writes WritesWord `json:"writes,omitzero"`
	// Shutdown is how long guests have, counted from the acceptance, fleet-wide.
	Shutdown time.Duration `json:"shutdown"`
	// Keep says until when a return keeps the workspace's volumes; zero: not at all.
	Keep time.Time `json:"keep,omitzero"`
}

// WritesWord is a person's word on the writes of production before a demotion.
type WritesWord struct {
	What string `json:"what,omitempty"` // WritesKept or WritesHome
	By   string `json:"by,omitempty"`
}

// What a person may say of the writes.
const (
	WritesKept = "kept" // stay here, by name
	WritesHome = "home" // were brought home
)

// Put is one layer that a plan writes.
type Put struct {
	Property drivers.Property `json:"property"`
	Layer    Layer            `json:"layer"`
}

// Drop is one layer that a plan takes out.
type Drop struct {
	Property drivers.Property `json:"property"`
	Holder   Holder           `json:"holder"`
}

// Victim is a workspace that a plan touches, and why, in one sentence.
type Victim struct {
	Workspace string `json:"workspace"`
	Name      string `json:"name,omitempty"`
	Owner     string `json:"owner,omitempty"`
	What      string `json:"what,omitempty"` // as [Workspace.What]
	Why       string `json:"why"`
	// Stays: the workspace does not come back with this revert.
	Stays bool `json:"stays,omitempty"`
}

// VictimOf tells of a workspace that a plan touches, and why.
func VictimOf(w *Workspace, why string) Victim {
	return Victim{Workspace: w.ID, Name: w.Name, Owner: w.Owner, What: w.What(), Why: why}
}

// ChosenRestore is the restore point that a plan promotes or copies.
type ChosenRestore struct {
	ID      string        `json:"id"`
	Time    time.Time     `json:"time"`
	Age     time.Duration `json:"age"`
	Volumes int           `json:"volumes"`
	Kept    string        `json:"kept,omitempty"` // the kept writes, where those are promoted
}

// Claim is room that a group has a right to.
type Claim struct {
	Group string           `json:"group"`
	VM    drivers.Property `json:"vm"` // its power
	Name  string           `json:"name,omitempty"`
	Host  string           `json:"host"`
	Size  Size             `json:"size"`
	// Short says in one sentence why the host cannot hold the VM even with nothing lent;
	// empty where it can. No lease is ended for such a claim.
	Short string `json:"short,omitempty"`
}

// Size is room for machines.
type Size struct {
	CPUs      float64 `json:"cpus"`
	MemoryMiB int64   `json:"memoryMiB"`
}

// Plus adds two sizes.
func (s Size) Plus(o Size) Size { return Size{s.CPUs + o.CPUs, s.MemoryMiB + o.MemoryMiB} }

// Minus subtracts a size.
func (s Size) Minus(o Size) Size { return Size{s.CPUs - o.CPUs, s.MemoryMiB - o.MemoryMiB} }

// Fits reports whether s fits into o.
func (s Size) Fits(o Size) bool { return s.CPUs <= o.CPUs+1e-9 && s.MemoryMiB <= o.MemoryMiB }

// Step is one change, or one check, and the steps that it waits for.
type Step struct {
	ID    int   `json:"id"` // from 1, in the order in which a person reads them
	After []int `json:"after,omitempty"`

	// Target names the target for people; Change what happens to it ("disk scsi0:0").
	Target string `json:"target"`
	Change string `json:"change"`
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`

	// Property and Goal of a change.
	Property drivers.Property `json:"property,omitzero"`
	Goal     Goal             `json:"goal,omitzero"`
	// Check, instead of a change.
	Check *Check `json:"check,omitempty"`

	Group    string `json:"group,omitempty"`
	Priority int    `json:"priority,omitempty"` // of the group; lower claims slots first
	Host     string `json:"host,omitempty"`     // where the target is; for limits and room
	Size     Size   `json:"size,omitzero"`      // of a VM that is switched
	// Production: the target is a production VM here. It is asked to shut down, never
	// forced.
	Production bool `json:"production,omitempty"`
	// MayForce: the guest may be cut off when the shutdown time is over.
	MayForce bool `json:"mayForce,omitempty"`
	// Owner is the holder that what is made belongs to.
	Owner Holder `json:"owner,omitempty"`
	// NotExact says why the change cannot be taken back exactly; empty where it can.
	NotExact string `json:"notExact,omitempty"`
	// Limit says how many such changes the driver allows at once; empty where any number.
	Limit string `json:"limit,omitempty"`
	// Usual is how long such a step takes at this site; zero where nothing was measured.
	Usual time.Duration `json:"usual,omitempty"`
}

// IsChange reports whether the step changes something; else it is a check.
func (s *Step) IsChange() bool { return s.Check == nil }

// TurnsOff and TurnsOn report whether the step changes a VM's power so.
func (s *Step) TurnsOff() bool {
	return s.IsChange() && s.Property.Name == drivers.Power && s.Goal.Value != nil && s.Goal.Value.Text == drivers.Off
}

// TurnsOn reports whether the step starts a VM.
func (s *Step) TurnsOn() bool {
	return s.IsChange() && s.Property.Name == drivers.Power && s.To == drivers.On
}

// Kinds of checks.
const (
	CheckFenced = "fenced" // production cannot write any more
	CheckReady  = "ready"  // the service answers
	CheckHome   = "home"   // the last writes are home, or a person said what becomes of them
)

// Check is a step that changes nothing.
type Check struct {
	Kind  string      `json:"kind"`
	Ready *ReadyCheck `json:"ready,omitempty"`
	// Word is who answered a check that a person answers.
	Word string `json:"word,omitempty"`
}
