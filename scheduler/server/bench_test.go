package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// fleet is a site with one group and 500 VMs that were lent, whose guests take 2 s to shut
// down, 50 at a time. The group needs the room of every host.
func fleet(b *testing.B, shutdown time.Duration) *bench {
	const lent, hosts = 500, 50
	shape := sim.Shape{
		Hosts: hosts, HostMemoryMiB: 96 << 10, Groups: 1, VMsPerGroup: hosts, VMMemoryMiB: 90 << 10, Templates: 1,
		Limits: []drivers.Limit{{Kind: drivers.VM, Name: drivers.Power, PerCluster: 50}},
	}
	bn := newBench(b, shape)
	got, err := bn.server.RequestWorkspace(context.Background(), api.WorkspaceRequest{Template: "template-01", Count: lent, Owner: "anna", For: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; {
		run, err := bn.server.Run(context.Background(), got.Run)
		if err != nil {
			b.Fatal(err)
		}
		if run.Over() {
			break
		}
		if time.Now().After(deadline) {
			b.Fatalf("500 VMs were not lent in time\n%s", bn.tell())
		}
		<-time.After(10 * time.Millisecond)
	}
	bn.at.SetLatency(sim.Latency{GuestShutdown: shutdown})
	bn.at.ForgetCalls()
	return bn
}

// BenchmarkTargetReclaim500 reclaims 500 lent VMs, 50 at a time, with the journal on disk.
// The ideal is the larger of the critical path (one shutdown) and work ÷ limit (ten rounds
// of it). Target: at most 1.05 times the ideal.
func BenchmarkTargetReclaim500(b *testing.B) {
	const shutdown = 2 * time.Second
	bn := fleet(b, shutdown)
	defer bn.stop()
	b.ResetTimer()
	began := time.Now()
	run := bn.begin(api.PlanRequest{Verb: scheduler.Reclaim, Group: "group-01"})
	waitOver(b, bn, run)
	took := time.Since(began)
	b.StopTimer()
	ended, err := bn.server.Run(context.Background(), run)
	if err != nil || ended.State != "done" {
		b.Fatalf("the reclaim is %v: %v", ended, err)
	}
	offs := 0
	for _, call := range bn.at.Calls() {
		if call.Change.Property.Name == drivers.Power && call.Err == nil && call.End.Sub(call.Start) >= shutdown {
			offs++
		}
	}
	if offs != 500 {
		b.Fatalf("%d guests were shut down, not 500", offs)
	}
	ideal := max(shutdown, 500/50*shutdown)
	b.ReportMetric(float64(took)/float64(ideal), "×ideal(target≤1.05)")
	b.ReportMetric(took.Seconds(), "s/reclaim")
	b.ReportMetric(ideal.Seconds(), "s/ideal")
}

func waitOver(b *testing.B, bn *bench, run string) {
	b.Helper()
	err := bn.server.WatchRun(context.Background(), run, func(*api.Run) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkTargetAlert measures from the accepted request of an alert to the first
// power-off call at the driver, over HTTP, with 500 lent VMs. Target: under 20 ms.
func BenchmarkTargetAlert(b *testing.B) {
	var worst, sum time.Duration
	const rounds = 5
	for i := range rounds {
		bn := fleet(b, 0)
		first := make(chan time.Time, 1)
		bn.at.SetFaultHook(func(op string, p drivers.Property, goal drivers.Value) error {
			if op == sim.OpApply && p.Name == drivers.Power && goal.Text == drivers.Off {
				select {
				case first <- time.Now():
				default:
				}
			}
			return nil
		})
		triggers := httptest.NewServer(bn.server.TriggerHandler())
		body := fmt.Sprintf(`{"version":"4","groupKey":"g%d","alerts":[{"status":"firing","labels":{"alertname":"SiteDown","failover_group":"group-01"},"startsAt":"2026-11-20T14:55:16.333Z","fingerprint":"c8e4a9ef0b51562f"}]}`, i)
		req, err := http.NewRequest(http.MethodPost, triggers.URL+"/v1/triggers/alertmanager", strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer secret")
		began := time.Now()
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatalf("the alert: %v %v", resp, err)
		}
		took := (<-first).Sub(began)
		resp.Body.Close()
		sum, worst = sum+took, max(worst, took)
		bn.at.SetFaultHook(nil)
		waitOver(b, bn, "r-2")
		triggers.Close()
		bn.stop()
	}
	b.ReportMetric(float64(sum.Microseconds())/rounds/1000, "ms/alert(target<20)")
	b.ReportMetric(float64(worst.Microseconds())/1000, "ms/worst")
}
