package plan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hotspare/hotspare/scheduler"
)

// tell gives a plan as text.
func tell(p *scheduler.Plan) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s%s, run %s\n", p.Verb, p.Group, p.Workspace, p.Run)
	if p.RTO != 0 {
		fmt.Fprintf(&out, "objectives: RTO %s, RPO %s\n", p.RTO, p.RPO)
	}
	if r := p.RestorePoint; r != nil {
		fmt.Fprintf(&out, "restore point: %s%s, %s old, %d volumes\n", r.ID, r.Kept, r.Age, r.Volumes)
	}
	for _, v := range p.Victims {
		fmt.Fprintf(&out, "victim: %s, %s of %s: %s\n", v.Workspace, v.What, v.Owner, v.Why)
	}
	for _, v := range p.Returning {
		fmt.Fprintf(&out, "returning: %s, stays %v: %s\n", v.Workspace, v.Stays, v.Why)
	}
	for _, c := range p.Claims {
		fmt.Fprintf(&out, "claim: %s on %s/%s %d MiB\n", c.Name, c.VM.Cluster, c.Host, c.Size.MemoryMiB)
	}
	for _, note := range p.Notes {
		fmt.Fprintf(&out, "note: %s\n", note)
	}
	for _, run := range p.TakesOver {
		fmt.Fprintf(&out, "takes over: %s\n", run)
	}
	if p.Missing != "" {
		fmt.Fprintf(&out, "missing: %s\n", p.Missing)
	}
	for _, s := range p.Steps {
		line := fmt.Sprintf("%3d  %-8s %-18s", s.ID, s.Target, s.Change)
		switch {
		case s.Check != nil:
			line += s.To
		default:
			line += s.From + " → " + s.To
		}
		for _, mark := range []struct {
			is   bool
			says string
		}{
			{s.Production, "production"}, {s.MayForce, "may be cut off"},
			{s.Limit != "", "at most " + s.Limit}, {s.NotExact != "", "not exact: " + s.NotExact},
		} {
			if mark.is {
				line += "  " + mark.says
			}
		}
		if len(s.After) > 0 {
			line += fmt.Sprintf("  after %v", s.After)
		}
		fmt.Fprintln(&out, strings.TrimRight(line, " "))
	}
	return out.String()
}

// golden compares with testdata/NAME.txt; HOTSPARE_GOLDEN=write writes it anew.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if os.Getenv("HOTSPARE_GOLDEN") == "write" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with HOTSPARE_GOLDEN=write", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the plan is not as in %s (- want, + got; HOTSPARE_GOLDEN=write writes it anew):\n%s", path, diff)
	}
}
