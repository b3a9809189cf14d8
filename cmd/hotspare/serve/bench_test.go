package serve_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers/drivertest"
	"github.com/hotspare/hotspare/drivers/plugin"
	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// bigDriver is the name under which this test binary is the driver of a big site, which it
// holds in the memory of its own process. (A site in a file of that size would be written
// anew at every change.)
const bigDriver = "hotspare-driver-big"

var bigShape = sim.Shape{Hosts: 400, Groups: 50, VMsPerGroup: 20, Templates: 1, OwnVMs: 8000}

func init() {
	if filepath.Base(os.Args[0]) == bigDriver {
		plugin.Serve(sim.New(sim.NewSite(bigShape)))
		os.Exit(0)
	}
}

// bigSite is the configuration that goes with it.
func bigSite() string {
	var b strings.Builder
	b.WriteString(`
site "big" {
  state_dir = "state"
  listen {
    unix = "s.sock"
  }
}
cluster "c1" {
  driver = "big"
  room {
    floor_storage = "1%"
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
template "small" {
  cluster = "c1"
  source  = "template-01"
  cpus    = 2
  memory  = "4GiB"
  network = "isolated"
}
`)
	for g := range bigShape.Groups {
		name := fmt.Sprintf("group-%02d", g+1)
		fmt.Fprintf(&b, "protection_group %q {\n  priority = %d\n  rto = \"15m\"\n  rpo = \"1h\"\n  owner = \"shop\"\n", name, g+1)
		fmt.Fprintf(&b, "  replica %q {\n    cluster = \"c1\"\n    path = \"/replicas/%s\"\n  }\n", name, name)
		for v := range bigShape.VMsPerGroup {
			fmt.Fprintf(&b, "  vm \"%s-vm-%02d\" {\n    cluster = \"c1\"\n    start = %d\n    disk \"disk0\" {\n      replica = %q\n      volume = \"vm-%02d\"\n    }\n    nic \"nic0\" {\n      production = \"prod\"\n    }\n  }\n",
				name, v+1, v+1, name, v+1)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// serveBig runs the real binary on the big site, until the benchmark ends.
func serveBig(b *testing.B) (*api.Client, int) {
	b.Helper()
	dir, err := os.MkdirTemp("", "hs") // short: a unix socket's path has 108 bytes
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		b.Fatal(err)
	}
	for name, data := range map[string][]byte{
		bigDriver: self, bigDriver + ".sha256": fmt.Appendf(nil, "%x  %s\n", sha256.Sum256(self), bigDriver), "site.hcl": []byte(bigSite()),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o700); err != nil {
			b.Fatal(err)
		}
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	server := exec.Command(drivertest.Build(b, "github.com/hotspare/hotspare/cmd/hotspare"), "server", "--config", filepath.Join(dir, "site.hcl"))
	server.Env = append(os.Environ(), "HOTSPARE_DRIVERS="+dir)
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		if err := server.Wait(); err != nil {
			text, _ := os.ReadFile(log.Name())
			b.Errorf("the server ends with %v:\n%s", err, text)
		}
	})
	client := api.NewClient(filepath.Join(dir, "s.sock"))
	for deadline := time.Now().Add(time.Minute); ; {
		all, err := client.Drivers(context.Background())
		if err == nil && all[0].State == "ready" && all[0].VMs >= 9000 {
			return client, server.Process.Pid
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			b.Fatalf("the server is not ready: %+v, %v\n%s", all, err, text)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// resident gives a process's resident memory, now and at most ever, in MB.
func resident(b *testing.B, pid int) (now, most float64) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		for name, into := range map[string]*float64{"VmRSS:": &now, "VmHWM:": &most} {
			if rest, ok := strings.CutPrefix(line, name); ok {
				var kib float64
				if _, err := fmt.Sscanf(rest, "%f kB", &kib); err != nil {
					b.Fatal(err)
				}
				*into = kib / 1024
			}
		}
	}
	return now, most
}

// BenchmarkTargetMemory10k is the real binary on a site of 10,000 VMs, 1,000 of them lent,
// with the site in another process. Targets: the server's resident memory under 150 MB,
// also at its most, while it lent them; and its status under 50 ms, over the API as the
// command line asks for it.
func BenchmarkTargetMemory10k(b *testing.B) {
	client, pid := serveBig(b)
	ctx := context.Background()
	idle, _ := resident(b, pid)
	got, err := client.RequestWorkspace(ctx, api.WorkspaceRequest{Template: "small", Count: 1000, Owner: "anna", For: time.Hour})
	if err != nil || got.Run == "" {
		b.Fatalf("1,000 VMs are not lent: %+v, %v", got.Workspace, err)
	}
	var last *api.Run
	if err := client.WatchRun(ctx, got.Run, func(r *api.Run) error { last = r; return nil }); err != nil {
		b.Fatal(err)
	}
	if last.State != string(scheduler.RunDone) {
		b.Fatalf("the lend is %s", last.State)
	}
	const rounds = 20
	worst, sum := time.Duration(0), time.Duration(0)
	for range rounds {
		began := time.Now()
		status, err := client.Status(ctx)
		if err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		worst, sum = max(worst, took), sum+took
		if n := len(status.Workspaces[0].VMs); n != 1000 {
			b.Fatalf("the status tells %d lent VMs", n)
		}
	}
	now, most := resident(b, pid)
	b.ReportMetric(now, "MB/resident(target<150)")
	b.ReportMetric(most, "MB/most(target<150)")
	b.ReportMetric(idle, "MB/before")
	b.ReportMetric(float64(sum.Microseconds())/rounds/1000, "ms/status(target<50)")
	b.ReportMetric(float64(worst.Microseconds())/1000, "ms/worst")
}
