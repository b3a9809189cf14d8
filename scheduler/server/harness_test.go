package server_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/sim"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
	"github.com/hotspare/hotspare/scheduler/server"
)

// bench is a server over a simulated site, under a fake clock where the test is in a
// synctest bubble.
type bench struct {
	testing.TB
	at     *sim.Site
	site   *scheduler.Site
	server *server.Server
	log    *slog.Logger
	pace   time.Duration // between two looks
	// listed stands between the driver and the server's eyes, where it is set: it gives what
	// the driver is to list instead.
	listed atomic.Pointer[func([]drivers.Item) []drivers.Item]
	// hang, where it is set, keeps reports of health from the server until it is closed.
	hang atomic.Pointer[chan struct{}]
}

// siteOf is the configuration that goes with a simulated site of this shape.
func siteOf(shape sim.Shape, dir string) *scheduler.Site {
	site := &scheduler.Site{
		Name: "test", StateDir: dir,
		Clusters: []scheduler.Cluster{{Name: "c1", Driver: "sim", Room: scheduler.RoomRules{CPURatio: 4, MemoryRatio: 1}}},
		Networks: []scheduler.Network{{Name: "prod", Cluster: "c1", PortGroup: "prod", Role: scheduler.ProductionNetwork}},
		Rules:    scheduler.WorkspaceRules{MaxLease: 72 * time.Hour, Retention: 12 * time.Hour, Shutdown: time.Minute},
		Triggers: []scheduler.Trigger{{Kind: "alertmanager", Name: "prod", Token: "secret", GroupLabel: "failover_group", Starts: scheduler.Reclaim}},
	}
	pool := scheduler.IsolatedPool{Name: "iso", Cluster: "c1"}
	for i := range max(shape.Isolated, 4) {
		pool.PortGroups = append(pool.PortGroups, fmt.Sprintf("isolated-%02d", i+1))
	}
	site.Isolated = []scheduler.IsolatedPool{pool}
	for i := range shape.Templates {
		name := fmt.Sprintf("template-%02d", i+1)
		site.Template = append(site.Template, scheduler.Template{Name: name, Cluster: "c1", Source: name, CPUs: 4, MemoryMiB: 8192, Network: "isolated"})
	}
	for g := range shape.Groups {
		name := fmt.Sprintf("group-%02d", g+1)
		group := scheduler.Group{Name: name, Priority: g + 1, RTO: 15 * time.Minute, Copy: &scheduler.CopyRules{Allow: []string{"*"}},
			Replicas: []scheduler.ReplicaRef{{Name: name, Cluster: "c1", Path: "/replicas/" + name}}}
		for v := range shape.VMsPerGroup {
			vm := fmt.Sprintf("%s-vm-%02d", name, v+1)
			group.VMs = append(group.VMs, scheduler.StandbyVM{Name: vm, Cluster: "c1", Start: v + 1,
				Disks: []scheduler.DiskMapping{{Slot: "disk0", Replica: name, Volume: fmt.Sprintf("vm-%02d", v+1)}},
				NICs:  []scheduler.NICMapping{{Slot: "nic0", Production: "prod"}},
				Ready: &scheduler.ReadyCheck{Kind: scheduler.ReadyTCP, Address: vm, Within: 5 * time.Minute}})
		}
		site.Groups = append(site.Groups, group)
	}
	return site
}

func newBench(t testing.TB, shape sim.Shape) *bench {
	b := &bench{TB: t, at: sim.NewSite(shape), site: siteOf(shape, t.TempDir()), pace: 100 * time.Millisecond}
	if _, real := t.(*testing.B); real {
		b.pace = time.Millisecond
	}
	out := io.Discard
	if testing.Verbose() && os.Getenv("HOTSPARE_TEST_LOG") != "" {
		out = os.Stderr
	}
	b.log = slog.New(slog.NewTextHandler(out, nil))
	b.start()
	return b
}

// start starts a server on the bench's state, as after a crash where one ran before.
func (b *bench) start() {
	b.Helper()
	if err := b.tryStart(); err != nil {
		b.Fatalf("start the server: %v", err)
	}
}

// tryStart starts the server, and waits for its first inventory, where its configuration is
// not refused.
func (b *bench) tryStart() error {
	b.Helper()
	s, err := server.New(server.Options{
		Version: "test", Site: b.site, Log: b.log, ReserveMiB: -1,
		Drivers: map[string]server.Driver{"c1": {Driver: lister{sim.New(b.at), b}, Configuration: drivers.Configuration{Site: b.site.Name, Cluster: "c1", Body: []byte("{}")}}},
		Ready: func(_ context.Context, check *scheduler.ReadyCheck) error {
			if b.at.GuestReady(check.Address) {
				return nil
			}
			return fmt.Errorf("%s does not answer", check.Address)
		},
	})
	if err != nil {
		return err
	}
	b.server = s
	b.until("an inventory", func() bool {
		all, _ := s.Drivers(context.Background())
		return all[0].VMs > 0
	})
	return nil
}

// lister is the driver with another inventory, and with health that may hang.
type lister struct {
	drivers.Driver
	b *bench
}

func (l lister) Inventory(ctx context.Context, request drivers.InventoryRequest, item func(drivers.Item) error) error {
	instead := l.b.listed.Load()
	if instead == nil {
		return l.Driver.Inventory(ctx, request, item)
	}
	var items []drivers.Item
	if err := l.Driver.Inventory(ctx, request, func(i drivers.Item) error { items = append(items, i); return nil }); err != nil {
		return err
	}
	for _, i := range (*instead)(items) {
		if err := item(i); err != nil {
			return err
		}
	}
	return nil
}

func (l lister) Health(ctx context.Context, report func(drivers.Health) error) error {
	return l.Driver.Health(ctx, func(h drivers.Health) error {
		if hang := l.b.hang.Load(); hang != nil {
			select {
			case <-*hang:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return report(h)
	})
}

// stop ends the server as a crash does: calls in flight are cut off where they are.
func (b *bench) stop() {
	b.Helper()
	if err := b.server.Close(); err != nil {
		b.Fatalf("close the server: %v", err)
	}
}

func (b *bench) until(what string, is func() bool) {
	b.Helper()
	for deadline := time.Now().Add(2 * time.Hour); !is(); {
		if time.Now().After(deadline) {
			b.Fatalf("it never came to this: %s\n%s", what, b.tell())
		}
		time.Sleep(b.pace)
	}
}

// tell gives the state of things, for a failure.
func (b *bench) tell() string {
	var out strings.Builder
	runs, _ := b.server.Runs(context.Background(), true)
	for _, line := range runs {
		fmt.Fprintf(&out, "%s %s %s %s %d/%d\n", line.ID, line.Verb, line.Target, line.State, line.Done, line.Steps)
		run, _ := b.server.Run(context.Background(), line.ID)
		for i, step := range run.Run.Steps {
			if !step.State.Over() {
				s := run.Run.Plan.Steps[i]
				fmt.Fprintf(&out, "   %d %s %s %v→%v after %v: %s %s\n", s.ID, s.Target, s.Change, s.From, s.To, s.After, step.State, step.Note)
			}
		}
	}
	all, _ := b.server.Workspaces(context.Background(), true)
	for _, w := range all {
		fmt.Fprintf(&out, "%s %s: %s %s\n", w.ID, w.What, w.State, w.Waits)
	}
	return out.String()
}

func (b *bench) lend(req api.WorkspaceRequest) string {
	b.Helper()
	req.Owner = "anna"
	if req.For == 0 {
		req.For = 4 * time.Hour
	}
	got, err := b.server.RequestWorkspace(context.Background(), req)
	if err != nil {
		b.Fatalf("request %+v: %v", req, err)
	}
	b.over(got.Run)
	return got.Workspace.ID
}

func (b *bench) begin(req api.PlanRequest) string {
	b.Helper()
	got, err := b.server.Begin(context.Background(), req)
	if err != nil {
		b.Fatalf("%+v: %v", req, err)
	}
	return got.Run
}

// over waits until a run has ended, and not held.
func (b *bench) over(run string) {
	b.Helper()
	if run == "" {
		return
	}
	state := ""
	b.until("run "+run+" is over", func() bool {
		got, err := b.server.Run(context.Background(), run)
		if err != nil {
			b.Fatal(err)
		}
		state = got.State
		return got.Over()
	})
	if state == "held" {
		b.Fatalf("run %s is held\n%s", run, b.tell())
	}
}

func (b *bench) giveBack(id string) string {
	b.Helper()
	got, err := b.server.ReturnWorkspace(context.Background(), id, "anna")
	if err != nil {
		b.Fatalf("return %s: %v", id, err)
	}
	return got.Run
}

func (b *bench) state(id string) string {
	b.Helper()
	w, err := b.server.Workspace(context.Background(), id)
	if err != nil {
		b.Fatal(err)
	}
	return w.State
}

func (b *bench) failover(group string) string {
	b.Helper()
	return b.begin(api.PlanRequest{Verb: scheduler.Failover, Group: group, By: "operator", DeclaredDeadBy: "operator"})
}

func (b *bench) revert(group string) string {
	b.Helper()
	return b.begin(api.PlanRequest{Verb: scheduler.Revert, Group: group, By: "operator",
		Writes: scheduler.WritesWord{What: scheduler.WritesKept, By: "operator"}})
}

// dump is the site without what may lawfully be left over.
func (b *bench) dump() string {
	var lines []string
	for line := range strings.Lines(b.at.Dump()) {
		if !strings.HasPrefix(line, "kept") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
