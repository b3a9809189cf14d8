package devsite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclparse"
)

func TestASiteStartsStopsAndStartsTheSame(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir := t.TempDir()
	if info, ok := Running(t.Context(), dir); ok {
		t.Fatalf("one runs before it is started: %+v", info)
	}
	site, err := Start(t.Context(), Options{Dir: dir, Scale: "fast"})
	if err != nil {
		t.Fatal(err)
	}
	info, ok := Running(t.Context(), dir)
	if !ok || info.URL != site.Info.URL || info.PID != os.Getpid() {
		t.Fatalf("%t, %+v", ok, info)
	}
	for _, name := range []string{infoFile, passwordFile, tokenFile, siteFile, keyFile} {
		stat, err := os.Stat(filepath.Join(dir, name))
		if err != nil || stat.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, stat, err)
		}
	}
	secret, err := ReadPassword(dir)
	if err != nil || len(secret) < 32 {
		t.Errorf("the password is %q, %v", secret, err)
	}
	site.Close()
	if _, ok := Running(t.Context(), dir); ok {
		t.Fatal("it answers after its end")
	}
	again, err := Start(t.Context(), Options{Dir: dir, Scale: "fast"})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Info.URL != site.Info.URL || again.Info.Thumbprint != site.Info.Thumbprint || again.Info.ServerPort != site.Info.ServerPort {
		t.Errorf("it was %+v, and is %+v", site.Info, again.Info)
	}
	if now, _ := ReadPassword(dir); now != secret {
		t.Error("it has another password")
	}
}

func TestTheConfigurationIsWhole(t *testing.T) {
	info := Info{URL: "https://127.0.0.1:20000/sdk", Thumbprint: "AB", Username: username, Password: passwordFile, ServerPort: 20001, HealthPorts: map[string]int{}}
	for _, g := range groups {
		for _, vm := range g.vms {
			info.HealthPorts[vm.name] = 20001 + vm.port
		}
	}
	text := info.configuration()
	if _, problems := hclparse.NewParser().ParseHCL([]byte(text), siteFile); problems.HasErrors() {
		t.Fatal(problems)
	}
	for _, part := range []string{
		`protection_group "erp-dr"`, `protection_group "payments"`, `protection_group "reports"`, `template "loadgen"`,
		`tcp  = "127.0.0.1:20001"`, `url    = "http://127.0.0.1:20007/healthz"`, `floor_memory  = "10%"`, `group_label = "failover_group"`,
	} {
		if !strings.Contains(text, part) {
			t.Errorf("it lacks %s", part)
		}
	}
	if n := strings.Count(text, "copy {"); n != 2 {
		t.Errorf("%d groups may be copied", n)
	}
}

// TestTheRoomIsScarce holds the README's arithmetic to its word.
func TestTheRoomIsScarce(t *testing.T) {
	usable := hostMemoryGiB * 9 / 10 // the floor of the configuration is 10 %
	taken := map[int]int{}
	for _, s := range services {
		taken[s.host] += s.memoryGiB
	}
	var big []int // the VMs that need a host nearly for themselves
	for _, g := range groups {
		for _, vm := range g.vms {
			if g.copied {
				big = append(big, vm.memoryGiB)
			}
			if vm.host >= productionHosts {
				t.Errorf("%s is registered on a host that does not reach its network", vm.name)
			}
		}
	}
	loadgen := 0
	for _, tpl := range templates {
		if tpl.name == "tpl-loadgen" {
			loadgen = tpl.memoryGiB
		}
	}
	for range 3 {
		big = append(big, loadgen)
	}
	if len(big) != hostCount {
		t.Fatalf("%d such VMs for %d hosts", len(big), hostCount)
	}
	for host := range hostCount {
		for _, memory := range big {
			if memory > usable-taken[host] {
				t.Errorf("a VM of %d GiB does not fit on %s, which has %d", memory, hostName(host), usable-taken[host])
			}
			for _, other := range big {
				if memory+other <= usable-taken[host] {
					t.Errorf("two of them, %d and %d GiB, fit on %s", memory, other, hostName(host))
				}
			}
		}
	}
}
