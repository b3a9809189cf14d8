package server_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

func small() sim.Shape {
	return sim.Shape{Hosts: 3, HostMemoryMiB: 64 << 10, Groups: 2, VMsPerGroup: 2, Templates: 1, OwnVMs: 1, Incomplete: true, Latency: sim.Typical()}
}

// keptOnly drops the promoted volumes that a demotion keeps by name.
func (b *bench) withoutKept(dump string, kept ...string) string {
	var lines []string
next:
	for line := range strings.Lines(dump) {
		for _, k := range kept {
			if strings.Contains(line, k) {
				continue next
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "")
}

func TestStory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, small())
		defer b.stop()
		before := b.dump()
		copyOf := b.lend(api.WorkspaceRequest{Copy: "group-01"})
		fresh := b.lend(api.WorkspaceRequest{Template: "template-01", Count: 3})
		if b.state(copyOf) != "lent" || b.state(fresh) != "lent" {
			t.Fatalf("not lent:\n%s", b.tell())
		}
		lent := b.dump()

		b.over(b.begin(api.PlanRequest{Verb: scheduler.Reclaim, Group: "group-01"}))
		if got := b.state(copyOf); got != "parked" {
			t.Errorf("the copy is %s, not parked", got)
		}
		if got := b.state(fresh); got != "lent" {
			t.Errorf("the new VMs are %s: there was room for both", got)
		}
		first := b.failover("group-01")
		b.over(first)
		b.over(b.failover("group-02"))
		for _, vm := range []string{"group-01-vm-01", "group-01-vm-02", "group-02-vm-01"} {
			if !b.at.GuestReady(vm) {
				t.Errorf("%s is not ready after the failover", vm)
			}
		}
		b.over(b.revert("group-01"))
		b.over(b.revert("group-02"))
		b.until("the copy is lent again", func() bool { return b.state(copyOf) == "lent" })
		if diff := cmp.Diff(lent, b.withoutKept(b.dump(), "hotspare/test/r-")); diff != "" {
			t.Errorf("after the reverts the site is not as it was lent:\n%s", diff)
		}
		b.over(b.giveBack(copyOf))
		b.over(b.giveBack(fresh))
		if diff := cmp.Diff(before, b.withoutKept(b.dump(), "hotspare/test/r-")); diff != "" {
			t.Errorf("after the returns the site is not as it was before:\n%s", diff)
		}
		if v := b.at.Violations(); len(v) > 0 {
			t.Errorf("violations: %v", v)
		}
	})
}
