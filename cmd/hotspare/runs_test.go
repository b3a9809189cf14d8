package main

import (
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
	"github.com/hotspare/hotspare/scheduler/execute"
)

func power(vm, to string) (drivers.Property, scheduler.Goal) {
	return scheduler.Power("dr1", vm), scheduler.Literal(to)
}

// failoverPlan is a failover of payments over the copy ws-7.
func failoverPlan(declaredDeadBy string) *scheduler.Plan {
	db, off := power("4210-1", drivers.Off)
	_, on := power("4210-1", drivers.On)
	replica := drivers.Property{Cluster: "dr1", Kind: drivers.Replica, Target: "[LocalDS_0] replica/payments", Name: drivers.Role}
	plan := &scheduler.Plan{
		Run: "r-12", Verb: scheduler.Failover, Group: "payments", By: "anna", MadeAt: scriptNow, SiteAge: 400 * time.Millisecond,
		RTO: 15 * time.Minute, Shutdown: time.Minute, DeclaredDeadBy: declaredDeadBy,
		Victims:      []scheduler.Victim{{Workspace: "ws-7", Why: "a copy of payments on its standby VMs"}},
		RestorePoint: &scheduler.ChosenRestore{ID: "rp-41", Time: before(4*time.Minute + 16*time.Second), Age: 4*time.Minute + 16*time.Second, Volumes: 3},
		Claims: []scheduler.Claim{{Group: "payments", VM: db, Host: "esx-1", Size: scheduler.Size{CPUs: 4, MemoryMiB: 8192}},
			{Group: "payments", VM: scheduler.Power("dr1", "4210-2"), Host: "esx-2", Size: scheduler.Size{CPUs: 2, MemoryMiB: 4096}}},
		Notes: []string{"host esx-3 is in maintenance"},
	}
	fenced := scheduler.Step{ID: 2, Target: "payments", Change: "check fenced", To: "waits for --declared-dead-by", Check: &scheduler.Check{Kind: scheduler.CheckFenced}}
	if declaredDeadBy == "" {
		plan.Missing = "nobody has declared production of payments dead; once it cannot write any more: hotspare failover payments --declared-dead-by NAME"
	} else {
		fenced.To = "declared dead by " + declaredDeadBy
	}
	plan.Steps = []scheduler.Step{
		{ID: 1, Target: "pay-db-01", Change: "power", From: "on (ws-7)", To: "off", Property: db, Goal: off, MayForce: true, Usual: 9 * time.Second},
		fenced,
		{ID: 3, After: []int{2}, Target: "[LocalDS_0] replica/payments", Change: "replica role", Property: replica, From: "secondary", To: "primary@rp-41, 3 volumes",
			Usual: 2 * time.Second, NotExact: "a forced promotion needs a full resync afterwards"},
		{ID: 4, After: []int{1, 3}, Target: "pay-db-01", Change: "disk scsi0:0", From: "[LocalDS_1] hotspare/dr-east/ws-7/pay-db-01-root.vmdk (ws-7)", To: "pay-db-01-root of [LocalDS_0] replica/payments", Goal: scheduler.MadeBy(replica, "pay-db-01-root"), Usual: time.Second},
		{ID: 5, After: []int{1}, Target: "pay-db-01", Change: "nic ethernet0", From: "ISO-02 (ws-7)", To: "PG-PROD-DB"},
		{ID: 6, After: []int{1, 2, 3, 4, 5}, Target: "pay-db-01", Change: "power", From: "off", To: "on", Property: db, Goal: on, Production: true},
		{ID: 7, After: []int{6}, Target: "pay-db-01", Change: "check ready http", To: "within 5m0s", Property: db,
			Check: &scheduler.Check{Kind: scheduler.CheckReady, Ready: &scheduler.ReadyCheck{Kind: "http"}}},
	}
	return plan
}

// runOf makes a run: the first steps are done, each in its seconds; the rest as said.
func runOf(plan *scheduler.Plan, seconds []float64, rest ...scheduler.StepRun) *api.Run {
	accepted := before(time.Minute)
	run := &api.Run{Run: scheduler.Run{ID: plan.Run, Plan: plan, State: scheduler.Running, Accepted: accepted}, Notes: map[int]execute.Note{}}
	at := accepted
	for i := range plan.Steps {
		sr := &scheduler.StepRun{State: scheduler.Pending}
		switch {
		case i < len(seconds):
			end := at.Add(time.Duration(seconds[i] * float64(time.Second)))
			*sr = scheduler.StepRun{State: scheduler.StepDone, Attempts: 1, Began: at, Ended: end}
			at = end
		case i-len(seconds) < len(rest):
			*sr = rest[i-len(seconds)]
			sr.Began = at
		}
		run.Run.Steps = append(run.Run.Steps, sr)
	}
	counts := run.Run.Counts()
	run.RunLine = api.RunLine{ID: plan.Run, Verb: plan.Verb, Target: plan.Group + plan.Workspace, State: string(scheduler.Running), By: "anna", Accepted: accepted,
		Steps: len(plan.Steps), Done: counts[scheduler.StepDone], Held: counts[scheduler.StepHeld], InFlight: counts[scheduler.Intent],
		RTO: plan.RTO, Victims: plan.Victims, Returning: plan.Returning}
	if run.Run.Finished() {
		run.Run.State, run.State = scheduler.RunDone, string(scheduler.RunDone)
		run.Run.Ended, run.Ended = at, at
		run.Ready = run.Run.TimeToReady()
	}
	return run
}

func failoverRuns() []*api.Run {
	plan := failoverPlan("anna")
	begun := runOf(plan, nil, scheduler.StepRun{State: scheduler.Intent})
	half := runOf(plan, []float64{8.2, 0.002, 2.1}, scheduler.StepRun{State: scheduler.Intent})
	done := runOf(plan, []float64{8.2, 0.002, 2.1, 0.9, 0.4, 3.3, 2.25})
	done.Run.Steps[0].Note, done.Run.Steps[0].Forced = "cut off: it did not shut down in time", true
	half.Run.Steps[0] = done.Run.Steps[0]
	return []*api.Run{begun, half, done}
}

// heldRun is a reclaim with nothing left to do before a person decides.
func heldRun() *api.Run {
	plan := failoverPlan("anna")
	plan.Run, plan.Verb, plan.Steps, plan.RestorePoint = "r-15", scheduler.Reclaim, plan.Steps[:2], nil
	run := runOf(plan, []float64{8.2}, scheduler.StepRun{State: scheduler.StepHeld, Note: "pay-db-01 has a question open: disk full", Found: &drivers.Value{Text: "suspended"}})
	run.State = "held"
	return run
}

// goingRun goes on for as long as it is watched.
func goingRun() *api.Run {
	plan := failoverPlan("anna")
	plan.Run, plan.Group, plan.Verb, plan.Steps, plan.Victims, plan.RestorePoint = "r-16", "orders", scheduler.Reclaim, plan.Steps[:1], nil, nil
	run := runOf(plan, nil, scheduler.StepRun{State: scheduler.Intent})
	run.Notes[1] = execute.Note{Message: "the guest shuts down", Percent: 40}
	return run
}

// takenRun was taken over by a revert.
func takenRun() *api.Run {
	run := goingRun()
	run.Run.ID, run.ID, run.Run.Plan.Run = "r-17", "r-17", "r-17"
	run.Run.State, run.Run.By, run.State = scheduler.TakenOver, "r-14", "taken over by r-14"
	return run
}

func lendPlan() *scheduler.Plan {
	p, on := power("4210-1", drivers.On)
	clone := drivers.Property{Cluster: "dr1", Kind: drivers.Volume, Target: "ws-7/pay-db-01-root", Name: drivers.Presence}
	return &scheduler.Plan{Run: "r-13", Verb: scheduler.Lend, Workspace: "ws-7", MadeAt: scriptNow,
		RestorePoint: &scheduler.ChosenRestore{ID: "rp-41", Age: 4 * time.Minute, Volumes: 3},
		Steps: []scheduler.Step{
			{ID: 1, Target: "ws-7/pay-db-01-root", Change: "volume", To: "clone of pay-db-01-root@rp-41", Property: clone},
			{ID: 2, After: []int{1}, Target: "pay-db-01", Change: "disk scsi0:0", From: "[LocalDS_0] replica/payments/root.vmdk", To: "endpoint of ws-7/pay-db-01-root",
				Property: p.On(drivers.Disk, "scsi0:0"), Goal: scheduler.MadeBy(clone, drivers.MadeEndpoint)},
			{ID: 3, After: []int{2}, Target: "pay-db-01", Change: "power", From: "off", To: "on", Property: p, Goal: on}}}
}

func lendRun() *api.Run { return runOf(lendPlan(), []float64{0.4, 0.3, 3}) }

func revertPlan(writes scheduler.WritesWord) *scheduler.Plan {
	p, off := power("4210-1", drivers.Off)
	plan := &scheduler.Plan{Run: "r-14", Verb: scheduler.Revert, Group: "payments", MadeAt: scriptNow, Writes: writes, Shutdown: time.Minute,
		Returning: []scheduler.Victim{{Workspace: "ws-7", Why: "comes back"}, {Workspace: "ws-9", Stays: true, Why: "waits for room: host esx-3 is full"}},
		TakesOver: []string{"r-12"},
		Steps: []scheduler.Step{{ID: 1, Target: "pay-db-01", Change: "power", From: "on (r-12.payments)", To: "off", Property: p, Goal: off, Production: true},
			{ID: 2, After: []int{1}, Target: "payments", Change: "check home", To: "waits for --writes kept or home", Check: &scheduler.Check{Kind: scheduler.CheckHome}}}}
	if writes.What == "" {
		plan.Missing = "production of payments wrote here, and nobody has said what becomes of it"
	} else {
		plan.Steps[1].To = writes.What + ", by the word of " + writes.By
	}
	return plan
}

func revertRun() *api.Run {
	return runOf(revertPlan(scheduler.WritesWord{What: "kept", By: "anna"}), []float64{12, 0.1})
}
