package serve_test

import (
	"context"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/cmd/hotspare/serve"
	"github.com/hotspare/hotspare/drivers/drivertest"
	"github.com/hotspare/hotspare/drivers/vsphere/devsite"
	"github.com/hotspare/hotspare/drivers/vsphere/dump"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// far is the second vCenter of a site. Its VMs have the names and UUIDs of the first one's.
type far struct {
	*site
	gate *gate
}

// ofSecond gives the second vCenter's part of the site's file: the same, with "-2" behind
// each name that a site has only once.
func ofSecond(text, dir string) string {
	blocks := regexp.MustCompile(`(?ms)^(cluster|network|isolated_networks|protection_group|template) .*?^}\n`).FindAllString(text, -1)
	text = strings.Join(blocks, "\n")
	for _, name := range []string{`(network|protection_group|template|isolated_networks) "([^"]+)" \{`, `(production) = "([^"]+)"`} {
		text = regexp.MustCompile(name).ReplaceAllStringFunc(text, func(found string) string {
			at := strings.LastIndex(found, `"`)
			return found[:at] + "-2" + found[at:]
		})
	}
	text = strings.ReplaceAll(text, `"dr1"`, `"dr2"`)
	return strings.ReplaceAll(text, `"vc.password"`, `"`+filepath.Join(dir, "vc.password")+`"`)
}

// newTwo starts two simulated vCenters and one server for both.
func newTwo(t *testing.T) (*vcenter, *far) {
	t.Helper()
	v, second := startVCenter(t), startVCenter(t)
	other := &far{site: second.site}
	info, err := devsite.ReadInfo(second.dir)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(info.URL)
	if err != nil {
		t.Fatal(err)
	}
	other.gate = newGate(t, u.Host)
	var parts [2]string
	for i, dir := range []string{v.dir, second.dir} {
		text, err := os.ReadFile(filepath.Join(dir, "site.hcl"))
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = string(text)
	}
	parts[1] = strings.Replace(ofSecond(parts[1], second.dir), u.Host, other.gate.address, 1)
	v.write("gated.hcl", parts[0]+parts[1])
	v.drivers = filepath.Dir(drivertest.Build(t, "github.com/hotspare/hotspare/cmd/hotspare-driver-vsphere"))
	v.client = api.NewClient(filepath.Join(v.dir, "hotspare.sock"))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve.Run(ctx, v.options("gated.hcl", io.Discard, v.log)) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server ends with: %v\n%s", err, v.log)
		}
	})
	v.until("both drivers are ready", func() bool {
		all, err := v.client.Drivers(context.Background())
		return err == nil && len(all) == 2 && all[0].VMs > 0 && all[1].VMs > 0
	})
	return v, other
}

// dumpOf reads a vCenter by the plain API.
func dumpOf(t *testing.T, dir string) string {
	t.Helper()
	info, err := devsite.ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	password, err := devsite.ReadPassword(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := dump.Dump(t.Context(), info.URL, info.Username, password, info.Thumbprint)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestOneVCenterIsGoneAndTheOtherFailsOver(t *testing.T) {
	v, second := newTwo(t)
	ctx := t.Context()
	before := [2]string{dumpOf(t, v.dir), dumpOf(t, second.dir)}
	var lent []*api.Accepted
	for _, group := range []string{"erp-dr", "payments-2"} {
		got, err := v.client.RequestWorkspace(ctx, api.WorkspaceRequest{Copy: group, Owner: "anna", For: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		v.over(got.Run)
		lent = append(lent, got)
	}

	second.gate.shut()
	v.until("the second vCenter is noticed to be gone", func() bool {
		all, err := v.client.Drivers(ctx)
		return err == nil && all[0].State == "ready" && all[1].State != "ready"
	})
	here, err := v.client.Begin(ctx, api.PlanRequest{Verb: scheduler.Failover, Group: "erp-dr", DeclaredDeadBy: "maria"})
	if err != nil {
		t.Fatal(err)
	}
	there, err := v.client.Begin(ctx, api.PlanRequest{Verb: scheduler.Failover, Group: "payments-2", DeclaredDeadBy: "maria"})
	if err != nil {
		t.Fatal(err)
	}
	v.over(here.Run)
	run, err := v.client.Run(ctx, there.Run)
	if err != nil || run.State == string(scheduler.RunDone) {
		t.Errorf("the failover at a vCenter that is gone: %v, %v", run.State, err)
	}
	second.gate.open()
	v.over(there.Run)

	for _, group := range []string{"erp-dr", "payments-2"} {
		back, err := v.client.Begin(ctx, api.PlanRequest{Verb: scheduler.Revert, Group: group, Writes: scheduler.WritesWord{What: scheduler.WritesHome, By: "maria"}})
		if err != nil {
			t.Fatal(err)
		}
		v.over(back.Run)
	}
	for _, one := range lent {
		back, err := v.client.ReturnWorkspace(ctx, one.Workspace.ID, "anna")
		if err != nil {
			t.Fatal(err)
		}
		v.over(back.Run)
	}
	for i, dir := range []string{v.dir, second.dir} {
		after := map[string]bool{}
		for line := range strings.Lines(dumpOf(t, dir)) {
			after[line] = true
		}
		for line := range strings.Lines(before[i]) {
			if !after[line] {
				t.Errorf("vCenter %d had, and has no more: %s", i+1, line)
			}
			delete(after, line)
		}
		for line := range after {
			if !strings.Contains(line, "/r-") { // what production wrote is kept
				t.Errorf("vCenter %d has, and did not have: %s", i+1, line)
			}
		}
	}
}
