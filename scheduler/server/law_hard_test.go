package server_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// The law on hard days: guests that do not shut down, two groups that fail at once, leases
// that end meanwhile, lends that are given back at once, a management that is away.
func TestLawOnHardDays(t *testing.T) {
	lawHolds(t, lawHistories/2, true)
}

func (l *lawRun) actHard() {
	ctx := context.Background()
	failover := func(group int) {
		name := fmt.Sprintf("group-%02d", group)
		_, err := l.server.Begin(ctx, api.PlanRequest{Verb: scheduler.Failover, Group: name, DeclaredDeadBy: "operator", RestorePoint: "rp-1"})
		l.note("failover %s: %v", name, err)
	}
	switch l.r.IntN(5) {
	case 0:
		l.note("guests are stubborn")
		l.stubborn(true)
	case 1:
		l.note("an outage begins")
		l.at.SetDown("outage")
		if id := l.someone(); id != "" && l.r.IntN(2) == 0 {
			_, err := l.server.ReturnWorkspace(ctx, id, "anna")
			l.note("return %s: %v", id, err)
		} else {
			failover(1 + l.r.IntN(3))
		}
		time.Sleep(time.Duration(l.r.IntN(1800)) * time.Second)
		l.at.SetDown("")
		l.note("the outage is over")
	case 2:
		failover(1)
		failover(2)
	case 3:
		_, err := l.server.RequestWorkspace(ctx, api.WorkspaceRequest{Template: "template-01", Count: 5, Owner: "ben", For: time.Duration(1+l.r.IntN(3)) * time.Minute})
		l.note("a short lease: %v", err)
		time.Sleep(time.Duration(l.r.IntN(100)) * time.Second)
	case 4:
		got, err := l.server.RequestWorkspace(ctx, api.WorkspaceRequest{Copy: fmt.Sprintf("group-%02d", 1+l.r.IntN(3)), Owner: "ben", For: time.Hour})
		if err == nil {
			time.Sleep(time.Duration(l.r.IntN(9000)) * time.Millisecond)
			_, err = l.server.ReturnWorkspace(ctx, got.Workspace.ID, "ben")
		}
		l.note("a copy, given back at once: %v", err)
	}
}

// stubborn makes about half of the lent guests ignore the request to shut down, or all
// guests obey. Those of a copy stay so when production runs on their VMs.
func (l *lawRun) stubborn(ignore bool) {
	for group := 1; group <= 3 && !ignore; group++ {
		l.obeys(true, fmt.Sprintf("group-%02d-vm-01", group), fmt.Sprintf("group-%02d-vm-02", group))
	}
	all, err := l.server.Workspaces(context.Background(), false)
	if err != nil {
		l.Fatal(err)
	}
	for _, w := range all {
		for _, vm := range w.VMs {
			if _, there := l.at.VM(vm.ID); there && (!ignore || l.r.IntN(2) == 0) {
				l.at.EditVM(vm.ID, func(vm *sim.VM) { vm.Guest.IgnoresShutdown = ignore })
			}
		}
	}
}

// nothingKeptRuns: half an hour after its lease, when no run is under way, no VM made for a
// workspace is on.
func (l *lawRun) nothingKeptRuns() {
	status, err := l.server.Status(context.Background())
	if err != nil {
		l.Fatal(err)
	}
	for _, w := range status.Workspaces {
		if len(status.Runs) > 0 || w.State != scheduler.WorkspaceKept || time.Since(w.Ends) < 30*time.Minute {
			continue
		}
		for _, vm := range w.VMs {
			if at, ok := l.at.VM(vm.ID); ok && strings.HasPrefix(at.Name, w.ID+"-") && at.Power == drivers.On {
				l.Fatalf("the lease of %s ended at %s, and %s is on\n%s", w.ID, w.Ends, at.Name, l.tell())
			}
		}
	}
}

// retryHeld tries again what a run holds.
func (l *lawRun) retryHeld(id string) {
	run, err := l.server.Run(context.Background(), id)
	if err != nil {
		l.Fatal(err)
	}
	for i, sr := range run.Run.Steps {
		if sr.State == scheduler.StepHeld {
			l.note("end: retry step %d of %s: %s", i+1, id, sr.Note)
			if err := l.server.RetryStep(context.Background(), id, i+1, api.StepRequest{By: "operator"}); err != nil {
				l.note("   %v", err)
			}
		}
	}
}
