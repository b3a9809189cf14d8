package server_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// skipHeld skips what a run holds, until it is over.
func (b *bench) skipHeld(run, reason string) {
	b.Helper()
	for {
		r, err := b.server.Run(context.Background(), run)
		if err != nil {
			b.Fatal(err)
		}
		if r.Run.State != scheduler.Running {
			return
		}
		for i, sr := range r.Run.Steps {
			if sr.State == scheduler.StepHeld {
				if err := b.server.SkipStep(context.Background(), run, i+1, api.StepRequest{By: "maria", Reason: reason}); err != nil {
					b.Fatal(err)
				}
			}
		}
		time.Sleep(time.Second)
	}
}

// The storage refuses the demotion, a person skips it, and demotes at the array. That was
// all that was left to do: the next disaster finds the group ready.
func TestADemotionDoneByHandIsOver(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.over(b.failover("group-01"))
		role := drivers.Property{Cluster: "c1", Kind: drivers.Replica, Target: "/replicas/group-01", Name: drivers.Role}
		b.at.AddFault(sim.Fault{Mode: sim.FailBefore, Property: role, Kind: drivers.Refused, Message: "array says no"})
		run := b.revert("group-01")
		b.held(run)
		b.skipHeld(run, "demoted at the array")
		b.at.ClearFaults()
		b.at.EditReplica(role.Target, func(r *sim.Replica) { r.Role, r.Promoted, r.Half = drivers.Secondary, nil, nil })
		time.Sleep(time.Hour)
		if d := b.drifts(); len(d) > 0 {
			t.Errorf("drift is left: %+v", d)
		}
		b.over(b.failover("group-01"))
		b.over(b.revert("group-01"))
	})
}

// A VM of a copy is deleted while it is lent. Once its steps are skipped nothing of it is
// left: its isolated network is another's.
func TestAVMDeletedWhileLentLeavesNothing(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.site.Isolated[0].PortGroups = b.site.Isolated[0].PortGroups[:1]
		w := b.lend(api.WorkspaceRequest{Copy: "group-01"})
		b.at.DeleteVM("group-01-vm-01")
		b.skipHeld(b.giveBack(w), "the VM is gone")
		if got := b.state(w); got != scheduler.WorkspaceGone {
			t.Fatalf("the workspace is %s", got)
		}
		b.lend(api.WorkspaceRequest{Copy: "group-02"}) // on the only isolated network
	})
}

// While a cluster is away the queue waits for the same thing all the time, and says so once.
func TestAQueueThatWaitsWritesNothing(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.lend(api.WorkspaceRequest{Copy: "group-01", For: 48 * time.Hour})
		for range 20 {
			if _, err := b.server.RequestWorkspace(context.Background(), api.WorkspaceRequest{Copy: "group-01", Owner: "ben", For: time.Hour}); err != nil {
				t.Fatal(err)
			}
		}
		records := func() uint64 {
			st, err := b.server.Status(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return st.Records
		}
		b.at.SetDown("vCenter is being upgraded")
		time.Sleep(6 * time.Minute)
		before := records()
		time.Sleep(time.Hour)
		if n := records() - before; n > 0 {
			t.Errorf("%d records in an hour in which nothing happened", n)
		}
	})
}

// post sends an alert to the server's trigger, and gives the answer's body.
func (b *bench) post(token, group, alert string) string {
	body := fmt.Sprintf(`{"version":"4","groupKey":"g","status":"firing","alerts":[{"status":"firing","fingerprint":%q,
		"labels":{"alertname":"ProductionDown","failover_group":%q},"startsAt":"2026-01-01T00:00:00Z"}]}`, alert, group)
	request := httptest.NewRequest("POST", "/v1/triggers/alertmanager", strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer "+token)
	answer := httptest.NewRecorder()
	b.server.TriggerHandler().ServeHTTP(answer, request)
	return answer.Body.String()
}

// An alert that begins nothing must not be lost: a machine sent it, and reads no answer.
func TestAnAlertThatIsRefusedIsInTheStatus(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.post("wrong", "group-01", "one")
		b.post("wrong", "group-01", "two")
		time.Sleep(time.Hour)
		b.post("secret", "nosuch", "three")
		told := func() []api.RefusedSignal {
			st, err := b.server.Status(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return st.Refused
		}
		got := told()
		if len(got) != 2 || !strings.Contains(got[0].Reason, `"nosuch"`) || !strings.Contains(got[1].Reason, "bearer token") || got[1].Count != 2 {
			t.Errorf("refused: %+v", got)
		}
		time.Sleep(25 * time.Hour)
		if got := told(); len(got) > 0 {
			t.Errorf("a day later: %+v", got)
		}
		for n := range 100 {
			b.post("secret", fmt.Sprint("nosuch-", n, strings.Repeat("x", 10_000)), "many")
		}
		if got := told(); len(got) > 20 || len(got[0].Reason) > 1000 {
			t.Errorf("%d refusals are kept, of %d bytes", len(got), len(got[0].Reason))
		}
	})
}

// A second alert for a group that is being reclaimed begins nothing: not now, and not when
// it is repeated after the revert.
func TestAnAlertThatCameSecondBeginsNothingLater(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		post := func(alert string) string { return b.post("secret", "group-01", alert) }
		if got := post("one"); !strings.Contains(got, "begun") {
			t.Fatal(got)
		}
		post("two")
		time.Sleep(10 * time.Minute)
		b.over(b.revert("group-01"))
		for _, alert := range []string{"one", "two"} {
			if got := post(alert); !strings.Contains(got, "a repeat of an alert") {
				t.Errorf("alert %s after the revert: %s", alert, got)
			}
		}
	})
}

func TestAGroupThatIsLentIsNotDropped(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		w := b.lend(api.WorkspaceRequest{Copy: "group-01"})
		b.stop()
		all := b.site.Groups
		b.site.Groups = all[1:]
		if err := b.tryStart(); err == nil || !strings.Contains(err.Error(), "hotspare workspace return "+w) {
			t.Errorf("without a group of which %s is a copy: %v", w, err)
		}
		b.site.Groups = all
		b.start()
	})
}

func TestABlankNameDeclaresNothing(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		for _, name := range []string{" ", "\t", "maria\x1b[2J", strings.Repeat("x", 300)} {
			_, err := b.server.Begin(context.Background(), api.PlanRequest{Verb: scheduler.Failover, Group: "group-01", DeclaredDeadBy: name})
			if err == nil {
				t.Errorf("production was declared dead by %q", name)
			}
		}
	})
}

// A lend that is held can be given back, by its owner or by the end of its lease: it keeps
// the group's copies from nobody else.
func TestALendThatIsHeldCanBeGivenBack(t *testing.T) {
	for name, end := range map[string]func(b *bench, w string){
		"by its owner":            func(b *bench, w string) { b.over(b.giveBack(w)) },
		"by the end of its lease": func(*bench, string) { time.Sleep(26 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, small(), func(t *testing.T, b *bench) {
				before := b.dump()
				b.at.AddFault(sim.Fault{Mode: sim.FailBefore, Property: drivers.Property{Kind: drivers.Volume}, Goal: drivers.Present, Kind: drivers.Refused, Message: "the array has no more clones"})
				got, err := b.server.RequestWorkspace(context.Background(), api.WorkspaceRequest{Copy: "group-01", Owner: "ben", For: time.Hour})
				if err != nil {
					t.Fatal(err)
				}
				b.held(got.Run)
				end(b, got.Workspace.ID)
				b.at.ClearFaults()
				b.until("it is gone", func() bool { return b.state(got.Workspace.ID) == scheduler.WorkspaceGone })
				if after := b.dump(); after != before {
					t.Errorf("the site is not as it was:\n%s\n%s", before, after)
				}
				b.lend(api.WorkspaceRequest{Copy: "group-01"})
			})
		})
	}
}

// The storage of a replica is not mounted while its demotion is skipped. It is not gone: it
// stays promoted, and is not promoted anew.
func TestAReplicaThatIsNotThereIsNotGone(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.over(b.failover("group-01"))
		b.at.SetFaultHook(func(_ string, p drivers.Property, _ drivers.Value) error {
			if p.Kind != drivers.Replica {
				return nil
			}
			return drivers.NotFoundf("read", "replica "+p.Target, "mount it", "it has no manifest")
		})
		run := b.revert("group-01")
		b.held(run)
		b.skipHeld(run, "the storage is away")
		b.at.SetFaultHook(nil)
		_, err := b.server.Begin(context.Background(), api.PlanRequest{Verb: scheduler.Failover, Group: "group-01", DeclaredDeadBy: "maria"})
		if err == nil || !strings.Contains(err.Error(), "still promoted") {
			t.Errorf("a failover of what is promoted: %v", err)
		}
	})
}

// A site that hangs, and one that fails, are the same to the steps: away.
func TestASiteThatHangsIsWaitedFor(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.lend(api.WorkspaceRequest{Copy: "group-01"})
		run := b.failover("group-01")
		time.Sleep(time.Second)
		hang := make(chan struct{})
		b.hang.Store(&hang)
		b.at.AddFault(sim.Fault{Mode: sim.Hang})
		b.at.AddFault(sim.Fault{Mode: sim.Hang, Op: sim.OpObserve})
		time.Sleep(90 * time.Minute)
		b.at.ClearFaults()
		close(hang)
		b.over(run)
	})
}

// An alert during a rehearsal begins nothing, for the room is back already. After the
// revert its repeat is the first word of it.
func TestAnAlertDuringARehearsalCountsAfterIt(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.over(b.begin(api.PlanRequest{Verb: scheduler.Reclaim, Group: "group-01", By: "maria", Reason: "rehearsal"}))
		if got := b.post("secret", "group-01", "real"); !strings.Contains(got, "reclaimed already") {
			t.Fatal(got)
		}
		b.over(b.revert("group-01"))
		if got := b.post("secret", "group-01", "real"); !strings.Contains(got, "begun") {
			t.Errorf("its repeat: %s", got)
		}
	})
}

func TestAnAlertWhoseReclaimIsRefusedIsInTheStatus(t *testing.T) {
	inBubble(t, small(), func(t *testing.T, b *bench) {
		b.at.DeleteVM("group-01-vm-01")
		time.Sleep(10 * time.Minute)
		b.post("secret", "group-01", "real")
		st, err := b.server.Status(context.Background())
		if err != nil || len(st.Refused) != 1 || !strings.Contains(st.Refused[0].Reason, "group-01-vm-01") {
			t.Errorf("refused: %+v, %v", st.Refused, err)
		}
	})
}
