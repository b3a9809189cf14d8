package serve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hotspare/hotspare/cmd/hotspare/serve"
	"github.com/hotspare/hotspare/drivers/drivertest"
	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// The whole server, as a site runs it: its files, a driver in a process of its own, a
// journal on disk, HTTP on a unix socket and on loopback. The site that the driver works
// on lives in a file.

const siteFile = `
site "test" {
  state_dir = "state"
  listen {
    unix = "s.sock"
    tcp  = "127.0.0.1:0"
  }
}

cluster "c1" {
  driver = "sim"
  config {
    file = %q
  }
}

network "prod" {
  cluster    = "c1"
  port_group = "prod"
  role       = "production"
}

isolated_networks "iso" {
  cluster     = "c1"
  port_groups = ["isolated-01", "isolated-02"]
}

protection_group "shop" {
  priority = 1
  rto      = "15m"
  rpo      = "1h"
  owner    = "shop"
  copy {
    allow = ["anna"]
  }
  replica "shop" {
    cluster = "c1"
    path    = "/replicas/group-01"
  }
  vm "group-01-vm-01" {
    cluster = "c1"
    disk "disk0" {
      replica = "shop"
      volume  = "vm-01"
    }
    nic "nic0" {
      production = "prod"
    }
  }
}

template "small" {
  cluster = "c1"
  source  = "template-01"
  cpus    = 2
  memory  = "4GiB"
  network = "isolated"
}

trigger "alertmanager" "am" {
  token_file  = "am.token"
  group_label = "failover_group"
  starts      = "reclaim"
}
`

type site struct {
	*testing.T
	dir, drivers, state string
	client              *api.Client
	triggers            string
}

func newSite(t *testing.T) *site {
	dir, err := os.MkdirTemp("", "hs") // short: a unix socket's path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &site{T: t, dir: dir, state: filepath.Join(dir, "sim.json"), client: api.NewClient(filepath.Join(dir, "s.sock"))}
	s.drivers = filepath.Dir(drivertest.Build(t, "github.com/hotspare/hotspare/cmd/hotspare-driver-sim"))
	if _, err := sim.OpenShaped(s.state, sim.Shape{Hosts: 2, HostMemoryMiB: 32 << 10, Groups: 1, VMsPerGroup: 1, Templates: 1}); err != nil {
		t.Fatal(err)
	}
	s.write("site.hcl", fmt.Sprintf(siteFile, s.state))
	s.write("am.token", "secret\n")
	return s
}

// edit changes the site's file.
func (s *site) edit(old, now string) {
	s.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "site.hcl"))
	if err != nil || !strings.Contains(string(data), old) {
		s.Fatalf("site.hcl has no %q: %v", old, err)
	}
	s.write("site.hcl", strings.Replace(string(data), old, now, 1))
}

func (s *site) write(name, text string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

// output is written by the server while the test reads it.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (s *site) options(config string, out, log io.Writer) serve.Options {
	return serve.Options{Config: filepath.Join(s.dir, config), Version: "test", Out: out, Log: log,
		Getenv: func(key string) string { return map[string]string{"HOTSPARE_DRIVERS": s.drivers}[key] }}
}

// start runs a server until the test ends.
func (s *site) start() {
	s.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out, log, ended := &output{}, &output{}, make(chan error, 1)
	go func() { ended <- serve.Run(ctx, s.options("site.hcl", out, log)) }()
	s.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			s.Errorf("the server ends with: %v\n%s", err, log)
		}
	})
	s.until("the server is ready", func() bool {
		status, err := s.client.Status(context.Background())
		return err == nil && status.Drivers[0].State == "ready" && status.Drivers[0].VMs > 0
	})
	for line := range strings.Lines(out.String()) {
		if _, address, ok := strings.Cut(line, "triggers:  "); ok {
			s.triggers = strings.TrimSpace(address)
		}
	}
}

func (s *site) until(what string, is func() bool) {
	s.Helper()
	deadline := time.After(30 * time.Second)
	for !is() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			s.Fatalf("it never came to this: %s", what)
		}
	}
}

func (s *site) dump() string {
	s.Helper()
	at, err := sim.Open(s.state)
	if err != nil {
		s.Fatal(err)
	}
	return at.Dump()
}

func (s *site) post(token, body string) (int, string) {
	s.Helper()
	req, err := http.NewRequest(http.MethodPost, s.triggers, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

func alertFor(group string) string {
	return fmt.Sprintf(`{"version":"4","groupKey":"{}:{}","alerts":[{"status":"firing","labels":{"alertname":"SiteDown","failover_group":%q},"startsAt":"2026-11-20T14:55:16.333Z","fingerprint":"c8e4a9ef0b51562f"}]}`, group)
}

func TestBadInputChangesNothing(t *testing.T) {
	s := newSite(t)
	s.start()
	ctx := context.Background()
	before := s.dump()
	status, err := s.client.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	records := status.Records

	requests := []struct {
		what string
		do   func() error
		code string
		says string
	}{
		{"an unknown group is failed over", func() error {
			_, err := s.client.Begin(ctx, api.PlanRequest{Verb: scheduler.Failover, Group: "shoop", DeclaredDeadBy: "maria"})
			return err
		}, api.CodeNotFound, "hotspare group list"},
		{"a failover that nobody stands for", func() error {
			_, err := s.client.Begin(ctx, api.PlanRequest{Verb: scheduler.Failover, Group: "shop"})
			return err
		}, api.CodeWaits, "--declared-dead-by"},
		{"a revert of what was not failed over", func() error {
			_, err := s.client.Begin(ctx, api.PlanRequest{Verb: scheduler.Revert, Group: "shop"})
			return err
		}, api.CodeRefused, "not reclaimed or failed over"},
		{"a verb that is none", func() error {
			_, err := s.client.Begin(ctx, api.PlanRequest{Verb: "burn", Group: "shop"})
			return err
		}, api.CodeUsage, "reclaim, failover or revert"},
		{"a copy of an unknown group", func() error {
			_, err := s.client.RequestWorkspace(ctx, api.WorkspaceRequest{Copy: "nowhere", Owner: "anna", For: time.Hour})
			return err
		}, api.CodeNotFound, "hotspare group list"},
		{"a copy by someone who may not", func() error {
			_, err := s.client.RequestWorkspace(ctx, api.WorkspaceRequest{Copy: "shop", Owner: "eve", For: time.Hour})
			return err
		}, api.CodeRefused, "may not have a copy"},
		{"more than the site has", func() error {
			_, err := s.client.RequestWorkspace(ctx, api.WorkspaceRequest{Template: "small", Count: 900, Owner: "anna", For: time.Hour})
			return err
		}, api.CodeRefused, "even with nothing lent"},
		{"a lease without end", func() error {
			_, err := s.client.RequestWorkspace(ctx, api.WorkspaceRequest{Template: "small", Owner: "anna", For: 1000 * time.Hour})
			return err
		}, api.CodeUsage, "at most"},
		{"a restore point that is not there", func() error {
			_, err := s.client.RequestWorkspace(ctx, api.WorkspaceRequest{Copy: "shop", Owner: "anna", For: time.Hour, RestorePoint: "rp-99"})
			return err
		}, api.CodeRefused, "rp-99"},
		{"the return of an unknown workspace", func() error {
			_, err := s.client.ReturnWorkspace(ctx, "ws-99", "anna")
			return err
		}, api.CodeNotFound, "hotspare workspace list"},
		{"a retry in an unknown run", func() error { return s.client.RetryStep(ctx, "r-99", 1, api.StepRequest{}) }, api.CodeNotFound, "hotspare run list"},
	}
	for _, r := range requests {
		var answer *api.Error
		if err := r.do(); !errors.As(err, &answer) || answer.Code != r.code || !strings.Contains(answer.Error(), r.says) {
			t.Errorf("%s: got %v, want code %s and the words %q", r.what, err, r.code, r.says)
		}
	}

	alerts := []struct {
		what, token, body string
		status            int
		says              string
	}{
		{"broken JSON", "secret", `{"version":"4","alerts":[`, http.StatusBadRequest, "not JSON"},
		{"a body that is no alert", "secret", `{"version":"4","alerts":[]}`, http.StatusBadRequest, "no alert"},
		{"no known group", "secret", alertFor("nowhere"), http.StatusUnprocessableEntity, "there is no protection group"},
		{"no group at all", "secret", strings.Replace(alertFor("x"), "failover_group", "other", 1), http.StatusUnprocessableEntity, "names no protection group"},
		{"a wrong token", "guess", alertFor("shop"), http.StatusUnauthorized, "token"},
		{"10 MB", "secret", `{"version":"4","x":"` + strings.Repeat("a", 10<<20) + `"}`, http.StatusBadRequest, "too large"},
		{"a thousand levels", "secret", strings.Repeat("[", 1000) + strings.Repeat("]", 1000), http.StatusBadRequest, "not what Alertmanager posts"},
	}
	for _, a := range alerts {
		if code, answer := s.post(a.token, a.body); code != a.status || !strings.Contains(answer, a.says) {
			t.Errorf("alert with %s: got %d %s, want %d and the words %q", a.what, code, answer, a.status, a.says)
		}
	}

	if status, err = s.client.Status(ctx); err != nil || status.Records != records {
		t.Errorf("bad input left %d records in the journal (%v)", status.Records-records, err)
	}
	if after := s.dump(); after != before {
		t.Errorf("bad input changed the site:\n%s\n%s", before, after)
	}
}

func TestASecondServerOnTheSameState(t *testing.T) {
	s := newSite(t)
	s.start()
	err := serve.Run(context.Background(), s.options("site.hcl", io.Discard, io.Discard))
	if err == nil || !strings.Contains(err.Error(), "another hotspare server has it open") {
		t.Errorf("got %v", err)
	}
	if _, err := s.client.Status(context.Background()); err != nil {
		t.Errorf("the first server is hurt: %v", err)
	}
}

func TestAWrongConfigurationIsNamedWithFileAndLine(t *testing.T) {
	s := newSite(t)
	good := fmt.Sprintf(siteFile, s.state)
	for what, c := range map[string]struct{ old, new, says string }{
		"an unknown key":             {"priority = 1", "priorty = 1", "site.hcl:29:"},
		"a dangling network":         {`production = "prod"`, `production = "prd"`, `did you mean "prod"`},
		"a driver that is not there": {`driver = "sim"`, `driver = "simm"`, "find hotspare-driver-simm"},
		"an unknown driver key":      {"file = ", "flie = ", "site.hcl:13:"},
	} {
		s.write("wrong.hcl", strings.Replace(good, c.old, c.new, 1))
		err := serve.Run(context.Background(), s.options("wrong.hcl", io.Discard, io.Discard))
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "wrong.hcl", "site.hcl"), c.says) {
			t.Errorf("%s: got %v, want the words %q", what, err, c.says)
		}
	}
	if _, err := os.Stat(filepath.Join(s.dir, "state", "journal.db")); err == nil {
		t.Error("a wrong configuration made a journal")
	}
}

func TestAnAlertReclaimsThroughARealDriverProcess(t *testing.T) {
	s := newSite(t)
	s.start()
	ctx := context.Background()
	before := s.dump()
	lent, err := s.client.RequestWorkspace(ctx, api.WorkspaceRequest{Copy: "shop", Owner: "anna", For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	s.over(lent.Run)
	code, answer := s.post("secret", alertFor("shop"))
	if code != http.StatusOK || !strings.Contains(answer, `"run":"r-2"`) {
		t.Fatalf("the alert is answered with %d %s", code, answer)
	}
	s.over("r-2")
	if code, answer = s.post("secret", alertFor("shop")); code != http.StatusOK || !strings.Contains(answer, "repeat") {
		t.Errorf("the repeat is answered with %d %s", code, answer)
	}
	w, err := s.client.Workspace(ctx, lent.Workspace.ID)
	if err != nil || w.State != scheduler.WorkspaceParked {
		t.Errorf("the copy is %+v, %v; not parked", w, err)
	}
	reverted, err := s.client.Begin(ctx, api.PlanRequest{Verb: scheduler.Revert, Group: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	s.over(reverted.Run)
	if code, answer = s.post("secret", alertFor("shop")); code != http.StatusOK || !strings.Contains(answer, "repeat") {
		t.Errorf("an alert that still fires after the revert is answered with %d %s: it must start nothing", code, answer)
	}
	back, err := s.client.ReturnWorkspace(ctx, lent.Workspace.ID, "anna")
	if err != nil {
		t.Fatal(err)
	}
	s.over(back.Run)
	if after := s.dump(); after != before {
		t.Errorf("the site is not as it was:\n%s\n%s", before, after)
	}
}

func (s *site) over(run string) {
	s.Helper()
	var last *api.Run
	if err := s.client.WatchRun(context.Background(), run, func(r *api.Run) error { last = r; return nil }); err != nil {
		s.Fatal(err)
	}
	if last == nil || last.State != string(scheduler.RunDone) {
		s.Fatalf("run %s: %+v", run, last)
	}
}
