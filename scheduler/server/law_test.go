package server_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// The law, through server, journal and site: whatever came and went, in whatever order,
// however often the server was killed and calls failed in the middle, when everyone is
// gone the site is as it was, but for the writes that demotions kept by name.

// lawHistories is how many random histories `go test` tries; HOTSPARE_LAW_HISTORIES
// overrides it, and HOTSPARE_LAW_SEED plays one again.
const lawHistories = 100

func TestLaw(t *testing.T) {
	lawHolds(t, lawHistories, false)
}

// lawHolds tries histories, with days among them that are hard for a site.
func lawHolds(t *testing.T, histories int, hard bool) {
	t.Helper()
	if n, err := strconv.Atoi(os.Getenv("HOTSPARE_LAW_HISTORIES")); err == nil {
		histories = n
	}
	first := uint64(time.Now().UnixNano())
	if seed, err := strconv.ParseUint(os.Getenv("HOTSPARE_LAW_SEED"), 10, 64); err == nil {
		first, histories = seed, 1
	}
	for i := range histories {
		seed := first + uint64(i)
		ok := t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				(&lawRun{bench: newBench(t, crowded()), r: rand.New(rand.NewPCG(seed, 1)), hard: hard}).play()
			})
		})
		if !ok {
			t.Fatalf("play it again: HOTSPARE_LAW_SEED=%d go test -run '^%s$' ./scheduler/server", seed, t.Name())
		}
	}
}

// crowded is a site where room is scarce, so that groups share victims.
func crowded() sim.Shape {
	return sim.Shape{Hosts: 3, HostMemoryMiB: 40 << 10, Groups: 3, VMsPerGroup: 2, Templates: 1, OwnVMs: 1, Incomplete: true, Latency: sim.Typical()}
}

type lawRun struct {
	*bench
	r    *rand.Rand
	log  []string
	hard bool
}

func (l *lawRun) play() {
	before := l.dump()
	defer func() {
		if l.Failed() {
			for _, line := range l.log {
				l.Log(line)
			}
		}
		l.stop()
	}()
	for range 4 + l.r.IntN(14) {
		if l.hard && l.r.IntN(2) == 0 {
			l.actHard()
		} else {
			l.act()
		}
		l.pause()
		l.nothingKeptRuns()
		if all := l.drifts(); len(all) > 0 {
			l.Errorf("hotspare takes its own work for drift: %+v", all)
		}
	}
	l.at.ClearFaults()
	l.stubborn(false)
	l.endAll()
	after := l.withoutKept(l.dump(), "hotspare/test/r-")
	if diff := cmp.Diff(before, after); diff != "" {
		l.Errorf("everyone is gone, and the site is not as it was (- before, + after):\n%s\n%s", diff, l.tell())
	}
	if v := l.at.Violations(); len(v) > 0 {
		l.Errorf("violations: %v", v)
	}
}

func (l *lawRun) note(format string, args ...any) {
	l.log = append(l.log, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// pause lets some time pass: nothing, a moment, or long enough for all to end.
func (l *lawRun) pause() {
	switch l.r.IntN(4) {
	case 0:
	case 1:
		time.Sleep(time.Duration(l.r.IntN(3000)) * time.Millisecond)
	case 2:
		time.Sleep(time.Duration(l.r.IntN(90)) * time.Second)
	case 3:
		time.Sleep(10 * time.Minute)
	}
}

func (l *lawRun) act() {
	ctx := context.Background()
	group := fmt.Sprintf("group-%02d", 1+l.r.IntN(3))
	var err error
	switch l.r.IntN(10) {
	case 0, 1:
		l.note("copy %s", group)
		_, err = l.server.RequestWorkspace(ctx, api.WorkspaceRequest{Copy: group, Owner: "anna", For: l.lease()})
	case 2, 3:
		count := 1 + l.r.IntN(5)
		l.note("new VMs %d", count)
		_, err = l.server.RequestWorkspace(ctx, api.WorkspaceRequest{Template: "template-01", Count: count, Owner: "ben", For: l.lease()})
	case 4:
		if id := l.someone(); id != "" {
			l.note("return %s", id)
			_, err = l.server.ReturnWorkspace(ctx, id, "anna")
		}
	case 5:
		l.note("reclaim %s", group)
		_, err = l.server.Begin(ctx, api.PlanRequest{Verb: scheduler.Reclaim, Group: group})
	case 6:
		l.note("failover %s", group)
		req := api.PlanRequest{Verb: scheduler.Failover, Group: group, DeclaredDeadBy: "operator"}
		if l.r.IntN(2) == 0 {
			req.RestorePoint = "rp-1"
		}
		_, err = l.server.Begin(ctx, req)
	case 7:
		l.note("revert %s", group)
		_, err = l.server.Begin(ctx, api.PlanRequest{Verb: scheduler.Revert, Group: group,
			Writes: scheduler.WritesWord{What: scheduler.WritesKept, By: "operator"}})
	case 8:
		l.note("kill and start again")
		l.stop()
		l.pause()
		l.start()
	case 9:
		mode := []sim.FaultMode{sim.FailBefore, sim.FailAfter, sim.FailHalfway, sim.Slow}[l.r.IntN(4)]
		l.note("fault %s", mode)
		l.at.AddFault(sim.Fault{Mode: mode, Skip: l.r.IntN(5), Times: 1 + l.r.IntN(2), Delay: 20 * time.Second, Kind: drivers.Unavailable})
	}
	var answer *api.Error
	if err != nil && !errors.As(err, &answer) {
		l.Fatalf("not an answer that a client can act on: %v", err)
	}
	if err != nil {
		l.note("   %v", err)
	}
}

func (l *lawRun) lease() time.Duration {
	return time.Duration(1+l.r.IntN(240)) * time.Minute
}

func (l *lawRun) someone() string {
	all, _ := l.server.Workspaces(context.Background(), false)
	if len(all) == 0 {
		return ""
	}
	return all[l.r.IntN(len(all))].ID
}

// endAll reverts every group and returns every workspace, until nothing is left.
func (l *lawRun) endAll() {
	l.until("everyone is gone", func() bool {
		ctx := context.Background()
		status, err := l.server.Status(ctx)
		if err != nil {
			l.Fatal(err)
		}
		over := len(status.Workspaces) == 0 && len(status.Runs) == 0
		over = over && !l.server.Unfinished()
		for _, run := range status.Runs {
			if run.State == "held" && l.hard {
				l.retryHeld(run.ID)
			} else if run.State == "held" {
				l.Fatalf("run %s is held\n%s", run.ID, l.tell())
			}
		}
		for _, g := range l.r.Perm(len(status.Groups)) {
			if group := status.Groups[g]; len(group.Runs) > 0 {
				over = false
				l.note("end: revert %s", group.Name)
				_, err := l.server.Begin(ctx, api.PlanRequest{Verb: scheduler.Revert, Group: group.Name,
					Writes: scheduler.WritesWord{What: scheduler.WritesKept, By: "operator"}})
				if err != nil {
					l.note("   %v", err)
				}
				time.Sleep(time.Duration(l.r.IntN(20)) * time.Second)
			}
		}
		for _, w := range status.Workspaces {
			if w.State != scheduler.WorkspaceReturning {
				l.note("end: return %s", w.ID)
				if _, err := l.server.ReturnWorkspace(ctx, w.ID, "anna"); err != nil {
					l.note("   %v", err)
				}
			}
		}
		time.Sleep(30 * time.Second)
		return over
	})
}
