// Package api is hotspare's HTTP interface under /v1: its types, the handler over a
// [Service], and the [Client] that the command line is built on. Bodies are JSON;
// durations are nanoseconds in JSON numbers, times RFC 3339.
package api

import (
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/execute"
)

// Status is the site at one glance.
type Status struct {
	Site    string    `json:"site"`
	Version string    `json:"version"`
	Now     time.Time `json:"now"`
	Started time.Time `json:"started"`
	// Lending is "open", or why nothing is lent now.
	Lending    string      `json:"lending"`
	Drivers    []Driver    `json:"drivers"`
	Groups     []Group     `json:"groups"`
	Workspaces []Workspace `json:"workspaces"` // those that are not gone
	Runs       []RunLine   `json:"runs"`       // those that are running
	Kept       []Kept      `json:"kept"`
	Drifts     int         `json:"drifts"` // how many are open
	// Drained are the hosts that a person has taken out of use.
	Drained []scheduler.Drained `json:"drained,omitempty"`
	// Refused are the signals of monitoring of the last day, since the server's start, that
	// began nothing though they should have, the newest first.
	Refused []RefusedSignal `json:"refused,omitempty"`
	Records uint64          `json:"records"` // in the journal
}

// RefusedSignal is why signals of monitoring began nothing.
type RefusedSignal struct {
	Reason string    `json:"reason"`
	Count  int       `json:"count"`
	Last   time.Time `json:"last"`
}

// Driver is one cluster's driver.
type Driver struct {
	Cluster   string        `json:"cluster"`
	Driver    string        `json:"driver"`
	Version   string        `json:"version,omitempty"`
	State     string        `json:"state"` // "ready", "starting", "failing", "held": see Error
	Error     string        `json:"error,omitempty"`
	Restarts  int           `json:"restarts"`
	PID       int           `json:"pid,omitempty"`
	Proven    time.Time     `json:"proven,omitzero"` // last authenticated read that went well
	Inventory time.Time     `json:"inventory,omitzero"`
	Hosts     int           `json:"hosts"`
	VMs       int           `json:"vms"`
	Took      time.Duration `json:"took,omitempty"` // the last health read
}

// DriverCheck is the result of a check of a driver: it reads, and changes nothing.
type DriverCheck struct {
	Cluster string              `json:"cluster"`
	OK      bool                `json:"ok"`
	Lines   []CheckLine         `json:"lines"`
	About   drivers.Description `json:"about"`
}

// CheckLine is one thing that was tried.
type CheckLine struct {
	What  string        `json:"what"`
	OK    bool          `json:"ok"`
	Took  time.Duration `json:"took,omitempty"`
	Found string        `json:"found,omitempty"`
	Error string        `json:"error,omitempty"`
}

// Workspace is a workspace as people see it.
type Workspace struct {
	scheduler.Workspace
	State   string        `json:"state"`
	What    string        `json:"what"` // "copy of erp-dr", "3 new VMs from loadgen"
	VMs     []WorkspaceVM `json:"vms,omitempty"`
	Volumes []string      `json:"volumes,omitempty"`
	Run     string        `json:"run,omitempty"`   // the run that works on it
	Queue   int           `json:"queue,omitempty"` // its place, from 1, while it waits
}

// WorkspaceVM is one VM of a workspace.
type WorkspaceVM struct {
	Name    string `json:"name"`
	ID      string `json:"id"`
	Host    string `json:"host,omitempty"`
	Power   string `json:"power,omitempty"`
	Network string `json:"network,omitempty"`
	// Addresses are those that the guest says it has; none while it is off, or says nothing.
	Addresses []string `json:"addresses,omitempty"`
}

// Group is a protection group as people see it.
type Group struct {
	Name     string                 `json:"name"`
	Priority int                    `json:"priority"`
	RTO      time.Duration          `json:"rto"`
	RPO      time.Duration          `json:"rpo"`
	Owner    string                 `json:"owner,omitempty"`
	State    string                 `json:"state"`
	Runs     []string               `json:"runs,omitempty"` // that hold layers for it
	CopyBy   []string               `json:"copyBy,omitempty"`
	VMs      []GroupVM              `json:"vms"`
	Points   []drivers.RestorePoint `json:"restorePoints,omitempty"`
	// Age of the newest complete restore point; zero where there is none.
	Age  time.Duration `json:"age,omitempty"`
	Kept []Kept        `json:"kept,omitempty"`
	// Problem says what keeps the group from failing over; empty where nothing does.
	Problem string `json:"problem,omitempty"`
}

// GroupVM is one standby VM of a group.
type GroupVM struct {
	Name  string `json:"name"`
	ID    string `json:"id,omitempty"`
	Start int    `json:"start"`
	Host  string `json:"host,omitempty"`
	Power string `json:"power,omitempty"`
	Use   string `json:"use,omitempty"` // none, a workspace, production
	Ready string `json:"ready,omitempty"`
}

// Kept are kept volumes: the writes of production, or of a workspace whose lease is over.
type Kept struct {
	Name    string    `json:"name"`
	Group   string    `json:"group,omitempty"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until,omitzero"` // zero: until a person says
	Volumes []string  `json:"volumes"`        // endpoints
}

// RunLine is a run in one line.
type RunLine struct {
	ID        string             `json:"id"`
	Verb      scheduler.Verb     `json:"verb"`
	Target    string             `json:"target"` // the group, or the workspace
	State     string             `json:"state"`  // "running", "held", "done", "taken over by r-7"
	By        string             `json:"by,omitempty"`
	Reason    string             `json:"reason,omitempty"`
	Accepted  time.Time          `json:"accepted"`
	Ended     time.Time          `json:"ended,omitzero"`
	Steps     int                `json:"steps"`
	Done      int                `json:"done"` // skipped ones included
	Held      int                `json:"held"`
	InFlight  int                `json:"inFlight"`
	Ready     time.Duration      `json:"timeToReady,omitempty"`
	RTO       time.Duration      `json:"rto,omitempty"`
	Victims   []scheduler.Victim `json:"victims,omitempty"`
	Returning []scheduler.Victim `json:"returning,omitempty"`
}

// Run is a run with its plan, what became of each step, and what those in flight told.
type Run struct {
	RunLine
	Run   scheduler.Run        `json:"run"`
	Notes map[int]execute.Note `json:"notes,omitempty"`
}

// Over reports whether nothing more will happen without a person: the run has ended, or
// only held steps are left.
func (r *Run) Over() bool { return r.State != string(scheduler.Running) }

// WorkspaceRequest asks for a workspace.
type WorkspaceRequest struct {
	Copy         string        `json:"copy,omitempty"`     // a protection group
	Template     string        `json:"template,omitempty"` // or a template
	Count        int           `json:"count,omitempty"`    // of new VMs; 0: 1
	Owner        string        `json:"owner"`
	Name         string        `json:"name,omitempty"`
	For          time.Duration `json:"for"`
	RestorePoint string        `json:"restorePoint,omitempty"`
}

// ExtendRequest asks for more time in a workspace.
type ExtendRequest struct {
	For time.Duration `json:"for"` // beyond the end of its lease
	By  string        `json:"by,omitempty"`
}

// Accepted answers what began a run, or joined a queue.
type Accepted struct {
	// Outcome is one of OutcomePlanned and so on. The handler fills it in.
	Outcome   string          `json:"outcome,omitempty"`
	Run       string          `json:"run,omitempty"`
	Workspace *Workspace      `json:"workspace,omitempty"`
	Plan      *scheduler.Plan `json:"plan,omitempty"`
	// Already says in a sentence why no new run was needed.
	Already string `json:"already,omitempty"`
}

// PlanRequest asks for a plan, or for the run of one.
type PlanRequest struct {
	Verb           scheduler.Verb       `json:"verb"` // reclaim, failover or revert
	Group          string               `json:"group"`
	By             string               `json:"by,omitempty"`
	Reason         string               `json:"reason,omitempty"`
	DeclaredDeadBy string               `json:"declaredDeadBy,omitempty"`
	RestorePoint   string               `json:"restorePoint,omitempty"`
	FromKept       string               `json:"fromKept,omitempty"`
	Writes         scheduler.WritesWord `json:"writes,omitzero"`
}

// StepRequest is a person's word on a held step.
type StepRequest struct {
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"` // needed for a skip
}

// Codes of an [Error].
const (
	CodeUsage    = "usage"     // the request is wrong: 400
	CodeNotFound = "not-found" // 404
	CodeMethod   = "method"    // 405
	CodeRefused  = "refused"   // 409
	CodeWaits    = "waits"     // 409: for a person, or for a time that it says
	CodeDenied   = "denied"    // 401
	CodeFailed   = "failed"    // 500
)

// Error is what every request that fails gives.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`        // what went wrong, on what
	Next    string `json:"next,omitempty"` // what to do about it
}

// Error gives "message; next".
func (e *Error) Error() string {
	if e.Next == "" {
		return e.Message
	}
	return e.Message + "; " + e.Next
}

// AlertResult tells Alertmanager's log, and a person who tries it by hand, what an alert
// did.
type AlertResult struct {
	Alerts []AlertOutcome `json:"alerts"`
}

// AlertOutcome is what one alert did.
type AlertOutcome struct {
	Group   string `json:"group,omitempty"`
	Run     string `json:"run,omitempty"`
	Outcome string `json:"outcome"` // one sentence
}
