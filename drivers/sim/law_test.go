package sim_test

import (
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/sim"
)

// Whatever changes are made, cut off, applied again, and then taken back newest first:
// the site is as before. rapid prints the seed of a history that breaks it.
func TestAnyHistoryCanBeTakenBack(t *testing.T) {
	goals := []struct {
		property drivers.Property
		texts    []string
	}{
		{vmProperty("plain", drivers.Power, ""), []string{drivers.On, drivers.Off}},
		{vmProperty("plain", drivers.HostOf, ""), []string{"host-01", "host-02", "host-03"}},
		{vmProperty("plain", drivers.NIC, "nic0"), []string{"prod", "isolated-01", "isolated-02"}},
		{vmProperty("plain", drivers.Disk, "disk0"), []string{"[ds1] a", "[ds1] b"}},
		{drivers.Property{Cluster: "c1", Kind: drivers.Callout, Target: "fence-group-01", Name: drivers.Done}, []string{drivers.DoneText, drivers.Undone}},
	}
	rapid.Check(t, func(rt *rapid.T) {
		site := small(sim.Latency{})
		site.AddVolume(sim.Volume{Endpoint: "[ds1] a"})
		site.AddVolume(sim.Volume{Endpoint: "[ds1] b", Format: "qcow2"})
		site.AddVM(sim.VM{
			Name: "plain", Host: "host-01", MemoryMiB: 64, Autostart: rapid.Bool().Draw(rt, "autostart"), HARestart: "low",
			Disks: map[string]sim.Disk{"disk0": {Endpoint: "[ds1] a", Cache: "none"}}, NICs: map[string]sim.NIC{"nic0": {Network: "prod"}},
		})
		driver := sim.Configured(site, "brno", "c1")
		before := site.Dump()

		type made struct {
			property    drivers.Property
			found, goal drivers.Value
		}
		var history []made
		ctx := context.Background()
		for n := range rapid.IntRange(1, 12).Draw(rt, "changes") {
			g := goals[rapid.IntRange(0, len(goals)-1).Draw(rt, "property")]
			found, err := driver.Observe(ctx, g.property)
			if err != nil {
				rt.Fatal(err)
			}
			goal := text(rapid.SampledFrom(g.texts).Draw(rt, "goal"))
			mode := rapid.SampledFrom([]sim.FaultMode{"", sim.FailBefore, sim.FailAfter, sim.FailHalfway}).Draw(rt, "fault")
			if mode != "" {
				site.AddFault(sim.Fault{Mode: mode, Property: g.property, Times: 1})
			}
			c := drivers.Change{Property: g.property, ID: fmt.Sprintf("c%d", n), Goal: goal, Expected: []drivers.Value{found}, Force: true, Owner: owner}
			_, err = driver.Apply(ctx, c, nil)
			site.ClearFaults()
			kept := true
			if drivers.KindOf(err) == drivers.Unavailable {
				// Nobody knows what stands now: the change is applied again, or taken back
				// with both ends expected.
				if kept = rapid.Bool().Draw(rt, "again"); !kept {
					c = drivers.Change{Property: g.property, ID: c.ID + "-back", Goal: found, Expected: []drivers.Value{found, goal}, Force: true, Owner: owner}
				}
				_, err = driver.Apply(ctx, c, nil)
			}
			switch drivers.KindOf(err) {
			case "":
				if kept {
					history = append(history, made{g.property, found, goal})
				}
			case drivers.Refused: // a hypervisor may; nothing has changed
			default:
				rt.Fatalf("%s to %s: %v", g.property, c.Goal.Text, err)
			}
		}
		for n := len(history) - 1; n >= 0; n-- {
			h := history[n]
			c := drivers.Change{
				Property: h.property, ID: fmt.Sprintf("back%d", n), Goal: h.found, Expected: []drivers.Value{h.goal, h.found}, Force: true, Owner: owner,
			}
			if _, err := driver.Apply(ctx, c, nil); err != nil {
				rt.Fatalf("take back %s to %s: %v", h.property, h.found.Text, err)
			}
		}
		if after := site.Dump(); after != before {
			rt.Fatalf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}
