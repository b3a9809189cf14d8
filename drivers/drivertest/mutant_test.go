package drivertest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/drivertest"
	"github.com/hotspare/hotspare/drivers/sim"
)

// mutantVariable names the broken driver that TestMutant runs the suite on.
const mutantVariable = "HOTSPARE_TEST_MUTANT"

// mutant is the simulated driver with one mistake in it.
type mutant struct {
	*sim.Driver
	mistake string
}

func (m *mutant) Observe(ctx context.Context, p drivers.Property) (drivers.Value, error) {
	v, err := m.Driver.Observe(ctx, p)
	if m.mistake == "finds what is not there" && drivers.KindOf(err) == drivers.NotFound {
		return drivers.Value{Text: drivers.Off}, nil
	}
	return v, err
}

func (m *mutant) Inventory(ctx context.Context, r drivers.InventoryRequest, item func(drivers.Item) error) error {
	return m.Driver.Inventory(ctx, r, func(i drivers.Item) error {
		if m.mistake == "lists another power state" && i.VM != nil {
			i.VM.Power = drivers.Suspended
		}
		if m.mistake == "leaves out what it cannot read" && i.Replica != nil && i.Replica.Problem != "" {
			return nil
		}
		return item(i)
	})
}

func (m *mutant) Apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	before, _ := m.Driver.Observe(ctx, c.Property)
	switch m.mistake {
	case "never answers":
		if c.Goal.Text == drivers.On {
			<-ctx.Done()
			return drivers.Value{}, ctx.Err()
		}
	case "forgets the rest":
		c.Goal.Rest = nil
	case "overwrites drift":
		c.Expected = nil
	case "forces without leave":
		c.Force = true
	case "knows no half-made state":
		if len(c.Expected) > 1 {
			c.Expected = c.Expected[:1]
		}
	case "ignores the context":
		ctx = context.WithoutCancel(ctx)
	case "fails where the goal stands":
		if before.Text == c.Goal.Text && len(c.Expected) > 0 {
			return drivers.Value{}, &drivers.Error{Kind: drivers.Refused, Op: "set", Object: "it", Cause: os.ErrExist}
		}
	case "returns the goal, not what stands":
		if v, err := m.Driver.Apply(ctx, c, progress); err != nil {
			return v, err
		}
		return c.Goal, nil
	}
	return m.Driver.Apply(ctx, c, progress)
}

// TestMutant runs the suite on a broken driver, for TestTheSuiteFindsMistakes.
func TestMutant(t *testing.T) {
	mistake := os.Getenv(mutantVariable)
	if mistake == "" {
		t.Skip("only as a part of TestTheSuiteFindsMistakes")
	}
	site := sim.NewSite(shape())
	r := rig(site, &mutant{sim.Configured(site, "brno", "c1"), mistake}, sim.FailHalfway)
	r.CallTimeout = 5 * time.Second
	drivertest.Run(t, r)
}

func TestTheSuiteFindsMistakes(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole suite once for each mistake")
	}
	for mistake, check := range map[string]string{
		"forgets the rest":                  "vm_power/there_and_back",
		"overwrites drift":                  "vm_disk/drift",
		"forces without leave":              "guest/guest_ignores_shutdown",
		"knows no half-made state":          "vm_disk/cut_off,_back",
		"ignores the context":               "vm_nic/context_over",
		"fails where the goal stands":       "volume_presence/twice",
		"returns the goal, not what stands": "volume_presence/there_and_back",
		"finds what is not there":           "general/unknown_targets",
		"lists another power state":         "general/inventory",
		"leaves out what it cannot read":    "general/unreadable_replicas",
		"never answers":                     "vm_power/there_and_back",
	} {
		t.Run(mistake, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMutant$", "-test.timeout=100s")
			cmd.Env = append(os.Environ(), mutantVariable+"="+mistake)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatal("the suite passed")
			}
			if !strings.Contains(string(out), "--- FAIL: TestMutant/"+check) {
				t.Fatalf("check %s passed:\n%s", check, out)
			}
			if mistake == "never answers" && strings.Count(string(out), "--- FAIL: TestMutant/vm_") != 2 { // the scene and its check
				t.Fatalf("the suite went on without an answer:\n%s", out)
			}
		})
	}
}
