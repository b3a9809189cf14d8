package serve_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler/api"
)

// One cluster's driver that does not start keeps nobody from the other cluster; it is used
// as soon as it is put right.
func TestABadDriverKeepsNobodyFromTheOtherCluster(t *testing.T) {
	s := newSite(t)
	second := filepath.Join(s.dir, "second.json")
	if _, err := sim.OpenShaped(second, sim.Shape{Hosts: 1}); err != nil {
		t.Fatal(err)
	}
	s.edit(`network "prod" {`, fmt.Sprintf("cluster \"c2\" {\n  driver = \"second\"\n  config {\n    file = %q\n  }\n}\n\nnetwork \"prod\" {", second))
	s.start()
	ctx := context.Background()
	all, err := s.client.Drivers(ctx)
	if err != nil || all[0].State != "ready" || all[1].State == "ready" || !strings.Contains(all[1].Error, "hotspare-driver-second") {
		t.Fatalf("%+v, %v", all, err)
	}
	lent, err := s.client.RequestWorkspace(ctx, api.WorkspaceRequest{Copy: "shop", Owner: "anna", For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	s.over(lent.Run)
	binary, err := os.ReadFile(filepath.Join(s.drivers, "hotspare-driver-sim"))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(s.drivers, "hotspare-driver-second")
	if err := os.WriteFile(name+".sha256", fmt.Appendf(nil, "%x  hotspare-driver-second\n", sha256.Sum256(binary)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, binary, 0o700); err != nil {
		t.Fatal(err)
	}
	s.until("the second driver is ready", func() bool {
		all, err := s.client.Drivers(ctx)
		return err == nil && all[1].State == "ready" && all[1].VMs > 0
	})
}
