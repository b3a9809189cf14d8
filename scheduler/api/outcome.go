package api

import "github.com/hotspare/hotspare/scheduler"

// What a request came to: [Accepted.Outcome].
const (
	OutcomePlanned = "planned" // this is the plan; nothing has begun
	OutcomeBegun   = "begun"   // the run that is named began
	OutcomeAlready = "already" // no new run was needed: one does it, or did, and is named
	OutcomeQueued  = "queued"  // the workspace waits, for what it says
	OutcomeNoted   = "noted"   // the return is carried out when no run works on the workspace
	OutcomeGone    = "gone"    // the workspace is gone: it was, or only its request was there
)

// outcome tells programs what the sentences of an answer tell people.
func (a *Accepted) outcome() string {
	w := a.Workspace
	switch {
	case a.Already != "" && (a.Run != "" || w == nil):
		return OutcomeAlready
	case a.Run != "":
		return OutcomeBegun
	case w == nil:
		return OutcomePlanned
	case w.State == scheduler.WorkspaceGone:
		return OutcomeGone
	case a.Already != "":
		return OutcomeNoted
	default:
		return OutcomeQueued
	}
}
