package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/scheduler"
)

func mustLoad(t testing.TB, path string) *Loaded {
	t.Helper()
	loaded, err := Load(path)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return loaded
}

func TestTheTestSiteLoads(t *testing.T) {
	folder := writeSite(t, nil, nil)
	got := mustLoad(t, folder).Site
	want := &scheduler.Site{
		Name: "dr-east", StateDir: filepath.Join(folder, "state"),
		Listen: scheduler.Listen{Unix: filepath.Join(folder, "run/hotspare.sock"), TCP: "127.0.0.1:7780"},
		Clusters: []scheduler.Cluster{
			{Name: "dr1", Driver: "sim", Config: json.RawMessage(`{"password_file":"vc.password"}`), Room: scheduler.RoomRules{CPURatio: 2, MemoryRatio: 1, FloorMemory: 0.10, FloorStorage: 0.15}},
			{Name: "dr2", Driver: "sim", Config: json.RawMessage(`{}`), Room: scheduler.RoomRules{CPURatio: 4, MemoryRatio: 1, FloorMemory: 0.10, FloorStorage: 0.15}},
		},
		Networks: []scheduler.Network{
			{Name: "prod", Cluster: "dr1", PortGroup: "PG-PROD", Role: scheduler.ProductionNetwork},
			{Name: "standby", Cluster: "dr1", PortGroup: "PG-STANDBY", Role: scheduler.StandbyNetwork},
			{Name: "far", Cluster: "dr2", PortGroup: "PG-PROD", Role: scheduler.ProductionNetwork},
		},
		Isolated: []scheduler.IsolatedPool{
			{Name: "iso", Cluster: "dr1", PortGroups: []string{"ISO-01", "ISO-02"}},
			{Name: "more", Cluster: "dr1", PortGroups: []string{"ISO-03"}},
		},
		Rules: scheduler.WorkspaceRules{MaxLease: 72 * time.Hour, Retention: 7 * 24 * time.Hour, Notice: 10 * time.Minute, Shutdown: time.Minute},
		Groups: []scheduler.Group{
			{
				Name: "payments", Priority: 1, RTO: 15 * time.Minute, RPO: 5 * time.Minute, Owner: "pay",
				Copy:     &scheduler.CopyRules{Allow: []string{"team-pay"}},
				Replicas: []scheduler.ReplicaRef{{Name: "payments", Cluster: "dr1", Path: "replica/payments"}, {Name: "ledger", Cluster: "dr1", Path: "replica/ledger"}},
				VMs: []scheduler.StandbyVM{
					{
						Name: "pay-db-01", UUID: "4c4c4544-0042-3510-8053-b4c04f4a4e31", Cluster: "dr1", Start: 1,
						Disks: []scheduler.DiskMapping{{Slot: "scsi0:0", Replica: "payments", Volume: "root"}, {Slot: "scsi0:1", Replica: "payments", Volume: "data"}},
						NICs:  []scheduler.NICMapping{{Slot: "ethernet0", Production: "prod"}},
						Ready: &scheduler.ReadyCheck{Kind: scheduler.ReadyHTTP, URL: "http://127.0.0.1:18101/healthz", Within: 5 * time.Minute},
					},
					{
						Name: "pay-app-01", Cluster: "dr1", Start: 2,
						Ready: &scheduler.ReadyCheck{Kind: scheduler.ReadyTCP, Address: "10.0.0.7:443", Within: 90 * time.Second},
					},
				},
			},
			{
				Name: "orders", Priority: 2, RTO: 30 * time.Minute, RPO: 15 * time.Minute, Owner: "shop",
				Replicas: []scheduler.ReplicaRef{{Name: "orders", Cluster: "dr1", Path: "replica/orders"}},
				VMs: []scheduler.StandbyVM{{
					Name: "ord-01", UUID: "4c4c4544-0042-3510-8053-b4c04f4a4e32", Cluster: "dr1", Start: 1,
					Ready: &scheduler.ReadyCheck{Kind: scheduler.ReadyCommand, Command: []string{"/usr/local/bin/check", "orders"}, Within: 5 * time.Minute},
				}},
			},
		},
		Template: []scheduler.Template{{Name: "small", Cluster: "dr1", Source: "tpl-ubuntu", CPUs: 2, MemoryMiB: 4096, Network: scheduler.IsolatedNetworkName}},
		Triggers: []scheduler.Trigger{{Kind: "alertmanager", Name: "prod", Token: "t0ken", GroupLabel: "failover_group", Starts: scheduler.Reclaim}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// The defaults do not depend on which of the attributes beside them are written.
func TestDefaultsHoldForEveryAttributeThatIsLeftOut(t *testing.T) {
	want := scheduler.WorkspaceRules{MaxLease: 72 * time.Hour, Retention: 7 * 24 * time.Hour, Notice: 10 * time.Minute, Shutdown: time.Minute}
	written := []string{`max_lease = "3d"`, `retention = "168h"`, `notice = "600s"`, `shutdown = "1m"`}
	for mask := range 1 << len(written) {
		text := ""
		for i, line := range written {
			if mask&(1<<i) != 0 {
				text += line + "\n"
			}
		}
		folder := writeSite(t, []string{`max_lease = "72h"`, text}, nil)
		if got := mustLoad(t, folder).Site.Rules; got != want {
			t.Errorf("with %q: got %+v, want %+v", text, got, want)
		}
	}
	folder := writeSite(t, []string{"workspaces {\n  max_lease = \"72h\"\n}\n", ""}, nil)
	if got := mustLoad(t, folder).Site.Rules; got != want {
		t.Errorf("without the block: got %+v, want %+v", got, want)
	}
}

func TestAFolderIsOneSite(t *testing.T) {
	folder := t.TempDir()
	files := map[string]string{
		"b-clusters.hcl": `cluster "dr1" { driver = "sim" }`,
		"a-site.hcl":     "site \"dr\" {\n  state_dir = \"/state\"\n  listen {\n    unix = \"/run/h.sock\"\n  }\n}\n",
		"notes.txt":      "not read",
		".#a-site.hcl":   "not { read",
		"c.hcl/d.hcl":    "not { read",
	}
	for name, content := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	site := mustLoad(t, folder).Site
	if site.Name != "dr" || site.StateDir != "/state" || site.Listen.Unix != "/run/h.sock" || len(site.Clusters) != 1 {
		t.Errorf("got %+v", site)
	}
}

func TestRelativePathsStartAtTheFolderOfTheFile(t *testing.T) {
	folder := writeSite(t, nil, nil)
	t.Chdir(filepath.Dir(folder))
	site := mustLoad(t, filepath.Join(filepath.Base(folder), "site.hcl")).Site
	if site.StateDir != filepath.Join(folder, "state") || site.Triggers[0].Token != "t0ken" {
		t.Errorf("got state_dir %q and token %q", site.StateDir, site.Triggers[0].Token)
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/null", filepath.Join(folder, "device.hcl")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "large.hcl"), make([]byte, largestFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"nowhere.hcl": "nowhere.hcl: cannot be read: no such file or directory\n\tname a file, or a folder with the files of the site",
		"folder":      "folder: the folder has no file that ends in .hcl\n\tname a file, or a folder with the files of the site",
		"device.hcl":  "device.hcl: cannot be read: it is no regular file\n\tname a file, or a folder with the files of the site",
		"large.hcl":   "large.hcl:1:1: the file has 1048577 bytes\n\twrite 1048576 at most; a folder may hold many files",
	} {
		_, err := Load(filepath.Join(folder, path))
		var errs Errors
		if !errors.As(err, &errs) || strings.ReplaceAll(err.Error(), folder+"/", "") != want {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
	if got := unreadable("token", fs.ErrPermission); got.summary != "may not be read by this user" {
		t.Errorf("permission: got %q", got.summary)
	}
}

func TestASiteFileNeedsASiteAndACluster(t *testing.T) {
	file := filepath.Join(t.TempDir(), "empty.hcl")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(file)
	want := file + ":1:1: there is no cluster block\n\twrite cluster \"NAME\" { … }: hosts behind one driver configuration\n" +
		file + ":1:1: there is no site block\n\twrite site \"NAME\" { … }: the recovery site; its name is part of the names of what hotspare makes there"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestASocketPathHasALimit(t *testing.T) {
	folder := writeSite(t, []string{`"run/hotspare.sock"`, `"/run/` + strings.Repeat("x", 99) + `"`}, nil)
	want := "site.hcl:4:5: site \"dr-east\", listen: unix is a path of 104 bytes\n\twrite a path of 103 at most: no system takes a longer one for a socket"
	if got := complaints(t, folder); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestASecretFileIsTheOwnersAlone(t *testing.T) {
	folder := writeSite(t, nil, nil)
	for mode, right := range map[fs.FileMode]bool{0o600: true, 0o400: true, 0o640: true, 0o440: true, 0o644: false, 0o604: false, 0o660: false, 0o602: false, 0o666: false} {
		if err := os.Chmod(filepath.Join(folder, "am.token"), mode); err != nil {
			t.Fatal(err)
		}
		_, err := Load(folder)
		if right != (err == nil) {
			t.Errorf("mode %04o: got %v", mode, err)
		}
		if err != nil && !strings.Contains(err.Error(), "chmod 0640 ") {
			t.Errorf("mode %04o: the error has no hint: %v", mode, err)
		}
	}
}

func TestErrorsAreSortedAndSaidOnce(t *testing.T) {
	errs := Errors{{File: "b", Line: 1, Summary: "x"}, {File: "a", Line: 2, Summary: "x"}, {File: "a", Line: 1, Summary: "y"}, {File: "b", Line: 1, Summary: "x"}}
	var got Errors
	if !errors.As(errs.orNil(), &got) || got.Error() != "a:1:0: y\na:2:0: x\nb:1:0: x" {
		t.Errorf("got %v", got)
	}
	if err := (Errors{}).orNil(); err != nil {
		t.Errorf("no mistakes: got %v, want nil", err)
	}
}

func TestDurationsSizesAndPercentages(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "15m": 15 * time.Minute, "1h30m": 90 * time.Minute, "3d": 72 * time.Hour, "7d": 168 * time.Hour,
		"1d12h": 36 * time.Hour, "3650d": longest, "100ms": 100 * time.Millisecond, "0d1h": time.Hour,
	} {
		if got, wrong := parseDuration(s); wrong != nil || got != want {
			t.Errorf("duration %q: got %v and %v, want %v", s, got, wrong, want)
		}
	}
	for _, s := range []string{"", "d", "3", "3 d", "-3d", "3d-1h", "1d2d", "1.5d", "0s", "0d", "3651d", "87601h", "99999d", "3days", "d3"} {
		if got, wrong := parseDuration(s); wrong == nil {
			t.Errorf("duration %q: got %v, want none", s, got)
		}
	}
	for s, want := range map[string]int64{"1MiB": 1, "512MiB": 512, "4GiB": 4096, "4 GiB": 4096, "1.5GiB": 1536, "64TiB": 64 << 20} {
		if got, wrong := parseSize(s); wrong != nil || got != want {
			t.Errorf("size %q: got %d and %v, want %d", s, got, wrong, want)
		}
	}
	for _, s := range []string{"", "4", "4G", "4GB", "GiB", "4gib", "1e3MiB", "0.1MiB", "99999999999999999999TiB"} {
		if got, wrong := parseSize(s); wrong == nil {
			t.Errorf("size %q: got %d, want none", s, got)
		}
	}
	for s, want := range map[string]float64{"0%": 0, "10%": 0.1, "12.5%": 0.125} {
		if got, wrong := parsePercent(s); wrong != nil || got != want {
			t.Errorf("percentage %q: got %v and %v, want %v", s, got, wrong, want)
		}
	}
	for _, s := range []string{"", "%", "10", "NaN%", "Inf%", "100%", "-0.1%", "ten%"} {
		if got, wrong := parsePercent(s); wrong == nil {
			t.Errorf("percentage %q: got %v, want none", s, got)
		}
	}
}

func TestTheNearestNameIsMeant(t *testing.T) {
	known := []string{"cluster", "network", "retention", "rto", "rpo"}
	for name, want := range map[string]string{"cluter": "cluster", "clutser": "cluster", "Cluster": "cluster", "retentoin": "retention", "rt": "rto", "colour": "", strings.Repeat("x", 100): ""} {
		if got := Nearest(name, known); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	if got := didYouMean("x", "clusters", nil); got != "there are no clusters" {
		t.Errorf("got %q", got)
	}
	if got := didYouMean("zz", "clusters", []string{"b", "a", "b"}); got != "clusters: a, b" {
		t.Errorf("got %q", got)
	}
}

func TestALongFileIsNotADeepOne(t *testing.T) {
	lines := "    pairs = { a = \"-1\", b = \"x.y\" }\n"
	for i := range 500 {
		lines += fmt.Sprintf("    n%d = -1 # a comment\n    l%d = [\n      \"a\",\n      \"b\",\n    ]\n", i, i)
	}
	mustLoad(t, writeSite(t, []string{`    password_file = "vc.password"`, lines + "    t = <<E\n" + strings.Repeat("a - b ! c\n", 300) + "E\n"}, nil))
}
