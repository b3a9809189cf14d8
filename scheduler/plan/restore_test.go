package plan_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/plan"
)

// While a replica cannot be read, a plan that needs a restore point of it is refused, also one
// that names it; what does not need one is planned.
func TestAReplicaThatCannotBeRead(t *testing.T) {
	const want = "refused: the restore points of payments cannot be read: read replica /r/payments: input/output error; look at the replica's folder, and at its storage"
	for _, c := range []struct {
		fact string
		set  func(*world)
		plan func(*scheduler.Snapshot) (*scheduler.Plan, error)
		want string
	}{
		{"a failover", nil, func(s *scheduler.Snapshot) (*scheduler.Plan, error) { return plan.Failover(s, req()) }, want},
		{"a failover to a restore point by name", nil, func(s *scheduler.Snapshot) (*scheduler.Plan, error) {
			r := req()
			r.RestorePoint = "rp-1"
			return plan.Failover(s, r)
		}, want},
		{"a failover to kept writes", keepWrites, func(s *scheduler.Snapshot) (*scheduler.Plan, error) {
			r := req()
			r.Kept = "r-1.payments"
			return plan.Failover(s, r)
		}, "a plan"},
		{"a copy", nil, func(s *scheduler.Snapshot) (*scheduler.Plan, error) {
			return plan.LendWorkspace(s, &scheduler.Workspace{ID: "ws-1", Owner: "anna", Copy: "payments", Lease: time.Hour})
		}, want},
		{"new VMs", nil, func(s *scheduler.Snapshot) (*scheduler.Plan, error) {
			return plan.LendWorkspace(s, &scheduler.Workspace{ID: "ws-1", Owner: "anna", From: "small", Count: 1, Lease: time.Hour})
		}, "a plan"},
		{"a reclaim", nil, func(s *scheduler.Snapshot) (*scheduler.Plan, error) { return plan.Reclaim(s, req()) }, "a plan"},
	} {
		t.Run(c.fact, func(t *testing.T) {
			w := payments(t)
			if c.set != nil {
				c.set(w)
			}
			snap := w.snap()
			snap.Inventory["c1"].Replicas["/r/payments"] = *drivers.Unreadable("/r/payments", errors.New("input/output error"))
			if _, err := c.plan(snap); !strings.HasPrefix(answer(err), c.want) {
				t.Errorf("%s, want %s", answer(err), c.want)
			}
		})
	}
}
