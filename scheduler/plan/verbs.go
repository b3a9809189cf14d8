package plan

import (
	"fmt"

	"github.com/hotspare/hotspare/scheduler"
)

// Refused is why no plan is made: asking again does not help before something else is
// changed, which Next names.
type Refused struct {
	Reason string
	Next   string
}

// Error gives "reason; next".
func (r *Refused) Error() string {
	if r.Next == "" {
		return r.Reason
	}
	return r.Reason + "; " + r.Next
}

// Waits is why no plan can be made yet: the request keeps its place in the queue.
type Waits struct{ Reason string }

// Error gives the reason.
func (w *Waits) Error() string { return w.Reason }

// Already is why no plan is needed: a run does, or did, what was asked.
type Already struct {
	Run    string // that run
	Reason string
}

// Error gives the reason.
func (a *Already) Error() string { return a.Reason }

// Request is what a person, or a trigger, asks for a protection group.
type Request struct {
	Group  string
	By     string
	Reason string
	// DeclaredDeadBy is the operator who says that production is dead.
	DeclaredDeadBy string
	// RestorePoint to promote; empty: the newest complete one.
	RestorePoint string
	// Kept names kept writes to promote instead of a restore point.
	Kept string
	// Writes is the word on what production wrote here, for a revert.
	Writes scheduler.WritesWord
}

// Reclaim plans to bring a group's VMs back to standby and to free the room that they
// need: the workspaces in the way go down, and nothing is deleted.
func Reclaim(snap *scheduler.Snapshot, req Request) (*scheduler.Plan, error) {
	group, err := findGroup(snap, req.Group)
	if err != nil {
		return nil, err
	}
	switch state := snap.State.GroupState(group.Name); state {
	case scheduler.GroupReclaimed, scheduler.GroupFailing, scheduler.GroupProduces:
		holders := snap.State.HoldersOf(group.Name)
		run := holders[len(holders)-1].ID
		return nil, &Already{Run: run, Reason: fmt.Sprintf("%s is %s already, by run %s", group.Name, state, run)}
	}
	b := newBuilder(snap, &scheduler.Plan{Verb: scheduler.Reclaim, Group: group.Name, By: req.By, Reason: req.Reason})
	g, err := b.prepare(group)
	if err != nil {
		return nil, err
	}
	b.reclaim(g)
	return b.finish(), nil
}

// Failover plans to start production on a group's standby VMs. Where the group was not
// reclaimed before, that is part of the plan. Without a person who declares production
// dead the plan is made, but [scheduler.Plan.Missing] says that it cannot run.
func Failover(snap *scheduler.Snapshot, req Request) (*scheduler.Plan, error) {
	group, err := findGroup(snap, req.Group)
	if err != nil {
		return nil, err
	}
	switch state := snap.State.GroupState(group.Name); state {
	case scheduler.GroupFailing, scheduler.GroupProduces:
		holders := snap.State.HoldersOf(group.Name)
		run := holders[len(holders)-1].ID
		return nil, &Already{Run: run, Reason: fmt.Sprintf("%s is %s already, by run %s; to start anew, first: hotspare revert %s", group.Name, state, run, group.Name)}
	}
	b := newBuilder(snap, &scheduler.Plan{
		Verb: scheduler.Failover, Group: group.Name, By: req.By, Reason: req.Reason,
		DeclaredDeadBy: req.DeclaredDeadBy,
	})
	if req.DeclaredDeadBy == "" {
		b.plan.Missing = fmt.Sprintf("nobody has declared production of %s dead; once it cannot write any more: hotspare failover %s --declared-dead-by NAME", group.Name, group.Name)
	}
	g, err := b.prepare(group)
	if err != nil {
		return nil, err
	}
	b.reclaim(g)
	if err := b.failover(g, req); err != nil {
		return nil, err
	}
	return b.finish(), nil
}

func findGroup(snap *scheduler.Snapshot, name string) (*scheduler.Group, error) {
	if group := snap.Site.Group(name); group != nil {
		return group, nil
	}
	return nil, &Refused{Reason: fmt.Sprintf("there is no protection group %q", name), Next: "see: hotspare group list"}
}

// Revert plans to take out all that was done for a group: production goes off, disks and
// networks go back, replicas are demoted, and the workspaces come back where there is
// room; the others stay parked and keep their place.
func Revert(snap *scheduler.Snapshot, req Request) (*scheduler.Plan, error) {
	if snap.Site.Group(req.Group) == nil && len(snap.State.HoldersOf(req.Group)) == 0 {
		_, err := findGroup(snap, req.Group)
		return nil, err
	}
	holders := snap.State.HoldersOf(req.Group)
	for _, run := range snap.State.RunningRuns() {
		if len(holders) == 0 && run.Plan.Group == req.Group && run.Plan.Verb == scheduler.Revert {
			return nil, &Already{Run: run.ID, Reason: fmt.Sprintf("%s is reverting already, by run %s", req.Group, run.ID)}
		}
	}
	if len(holders) == 0 {
		return nil, &Refused{Reason: fmt.Sprintf("nothing is held for %s: it was not reclaimed or failed over", req.Group), Next: "see: hotspare group show " + req.Group}
	}
	b := newBuilder(snap, &scheduler.Plan{Verb: scheduler.Revert, Group: req.Group, By: req.By, Reason: req.Reason, Writes: req.Writes})
	for _, run := range holders {
		holder := scheduler.RunHolder(run.ID, req.Group)
		for _, p := range snap.State.Stacks.HeldBy(holder) {
			b.drop(p, holder)
		}
	}
	b.comeBack()
	p := b.finish()
	if b.home != nil && (req.Writes.What == "" || req.Writes.By == "") {
		p.Missing = fmt.Sprintf("production of %s wrote here, and nobody has said what becomes of it; say: hotspare revert %s --writes kept --by NAME (they stay here by name), or --writes home --by NAME (they were brought home)", req.Group, req.Group)
	}
	return p, nil
}
