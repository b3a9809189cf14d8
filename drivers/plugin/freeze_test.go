package plugin_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/plugin"
	"github.com/hotspare/hotspare/drivers/sim"
)

// A process that freezes in the middle of 200 changes is noticed within PingTimeout and
// replaced by one that is configured; all calls come back Unavailable, and applied again
// they are done.
func TestAFreezeInTheMiddleOf200Changes(t *testing.T) {
	const n = 200
	path := filepath.Join(t.TempDir(), "site.json")
	site, err := sim.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	site.AddHost(sim.Host{Name: "h1", MemoryMiB: 2 * n})
	for i := range n {
		site.AddVM(sim.VM{Name: fmt.Sprint("vm", i), Host: "h1", MemoryMiB: 1})
	}
	site.SetLatency(sim.Latency{PowerOn: time.Hour})
	c := config(t, "sim")
	c.PingEvery, c.PingTimeout = 500*time.Millisecond, 3*time.Second
	s := supervise(t, c)
	body, err := json.Marshal(map[string]string{"file": path})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Configure(t.Context(), drivers.Configuration{Site: "brno", Cluster: "c1", Body: body}); err != nil {
		t.Fatal(err)
	}
	apply := func() []error {
		errs := make([]error, n)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				_, errs[i] = s.Apply(t.Context(), drivers.Change{
					Property: vmProperty(sim.ID(fmt.Sprint("vm", i))), ID: fmt.Sprint(i), Goal: drivers.Value{Text: drivers.On},
				}, nil)
			})
		}
		all.Wait()
		return errs
	}

	before := s.Status().PID
	var frozen, returned, ready time.Time
	var errs []error
	var all sync.WaitGroup
	began := time.Now()
	all.Go(func() { errs = apply(); returned = time.Now() })
	eventually(t, "all are under way", func() bool { return strings.Count(site.Dump(), "task power on") == n })
	kill(t, before, syscall.SIGSTOP)
	eventually(t, "every thread has stopped", func() bool { return stopped(t, before) })
	frozen = time.Now()
	t.Logf("all were under way after %s", frozen.Sub(began).Round(time.Millisecond))
	eventually(t, "another process is ready", func() bool {
		status := s.Status()
		ready = time.Now()
		return status.State == plugin.Ready && status.PID != before
	})
	all.Wait()
	noticed := returned.Sub(frozen)
	t.Logf("frozen: %d calls returned after %s, another process was ready after %s", n,
		noticed.Round(time.Millisecond), ready.Sub(frozen).Round(time.Millisecond))
	for _, err := range errs {
		if drivers.KindOf(err) != drivers.Unavailable || !strings.Contains(err.Error(), "its process hung: no sign of life for 3s") {
			t.Fatal(err)
		}
	}
	t.Log(errs[0])
	if noticed > c.PingTimeout+2*time.Second || runs(before) {
		t.Errorf("noticed after %s; process %d runs: %t", noticed, before, runs(before))
	}

	site.SetLatency(sim.Latency{}) // the driver ends what its predecessor left running
	again := time.Now()
	for _, err := range apply() {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("applied again in %s", time.Since(again).Round(time.Millisecond))
	for i := range n {
		if v, err := s.Observe(t.Context(), vmProperty(sim.ID(fmt.Sprint("vm", i)))); err != nil || v.Text != drivers.On {
			t.Fatal(i, v, err)
		}
	}
}
