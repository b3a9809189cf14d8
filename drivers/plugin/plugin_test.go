package plugin_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/plugin"
	"github.com/hotspare/hotspare/drivers/sim"
)

func vmProperty(target string) drivers.Property {
	return drivers.Property{Cluster: "c1", Kind: drivers.VM, Target: target, Name: drivers.Power}
}

func supervise(t testing.TB, c plugin.Config) *plugin.Supervisor {
	t.Helper()
	s, err := plugin.Supervise(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestCallsThroughTheProcess(t *testing.T) {
	t.Setenv("HOTSPARE_SECRET", "must not be inherited")
	var log buffer
	c := config(t, "odd")
	c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s := supervise(t, c)
	ctx := t.Context()

	t.Run("an error survives whole", func(t *testing.T) {
		_, err := s.Observe(ctx, vmProperty("drift"))
		var e *drivers.Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		if e.Kind != drivers.Drift || e.Op != "set" || e.Object != "disk \uFFFD" || e.Cause.Error() != "because" || e.Next != "do this" ||
			e.Attribute != "password" || e.Found == nil || e.Found.Text != "found" || e.Found.Made["a"] != "b" || string(e.Found.Rest) != `{"v":1}` {
			t.Fatalf("%+v", e)
		}
	})
	t.Run("a plain error is Unavailable", func(t *testing.T) {
		if _, err := s.Observe(ctx, vmProperty("plain")); drivers.KindOf(err) != drivers.Unavailable || !strings.Contains(err.Error(), "a plain error") {
			t.Fatal(err)
		}
	})
	t.Run("a panic is the error of its call", func(t *testing.T) {
		if _, err := s.Observe(ctx, vmProperty("panic")); err == nil || !strings.Contains(err.Error(), "the driver panicked: as asked") {
			t.Fatal(err)
		}
		if _, err := s.Apply(ctx, drivers.Change{Goal: drivers.Value{Text: "panic"}}, nil); err == nil || !strings.Contains(err.Error(), "the driver panicked") {
			t.Fatal(err)
		}
		if n := s.Status().Restarts; n != 0 {
			t.Fatalf("%d restarts", n)
		}
	})
	t.Run("the context's error comes back", func(t *testing.T) {
		bounded, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if _, err := s.Observe(bounded, vmProperty("hang")); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		canceled, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := s.Observe(canceled, vmProperty("hang")); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
	t.Run("progress, and then the value", func(t *testing.T) {
		var seen []drivers.Progress
		v, err := s.Apply(ctx, drivers.Change{Goal: drivers.Value{Text: "goal"}}, func(p drivers.Progress) { seen = append(seen, p) })
		if err != nil || v.Text != "goal" || len(seen) != 1 || seen[0].Percent != 50 {
			t.Fatal(v, err, seen)
		}
	})
	t.Run("a partial inventory is an error", func(t *testing.T) {
		n := 0
		err := s.Inventory(ctx, drivers.InventoryRequest{}, func(drivers.Item) error { n++; return nil })
		if n != 1000 || err == nil {
			t.Fatal(n, err)
		}
	})
	t.Run("the caller's own error comes back", func(t *testing.T) {
		enough := errors.New("enough")
		if err := s.Inventory(ctx, drivers.InventoryRequest{}, func(drivers.Item) error { return enough }); !errors.Is(err, enough) {
			t.Fatal(err)
		}
		if err := s.Health(ctx, func(drivers.Health) error { return enough }); !errors.Is(err, enough) {
			t.Fatal(err)
		}
	})
	t.Run("the environment is clean", func(t *testing.T) {
		v, err := s.Observe(ctx, vmProperty("environment"))
		if err != nil || strings.Contains(v.Text, "HOTSPARE_SECRET") {
			t.Fatal(v.Text, err)
		}
	})
	t.Run("the driver's log arrives", func(t *testing.T) {
		if _, err := s.Observe(ctx, vmProperty("log")); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the line is in the log", func() bool {
			return strings.Contains(log.String(), `level=WARN msg="a line of the driver" key=value`)
		})
	})
}

// simulated gives a supervised simulated site, with a VM called "vm".
func simulated(t *testing.T) (*plugin.Supervisor, *sim.Site) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "site.json")
	site, err := sim.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	site.AddHost(sim.Host{Name: "h1", MemoryMiB: 1024})
	site.AddVM(sim.VM{Name: "vm", Host: "h1", MemoryMiB: 1})
	s := supervise(t, config(t, "sim"))
	body, err := json.Marshal(map[string]string{"file": path})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Configure(t.Context(), drivers.Configuration{Site: "brno", Cluster: "c1", Body: body}); err != nil {
		t.Fatal(err)
	}
	return s, site
}

func TestAKilledDriverComesBackConfigured(t *testing.T) {
	s, site := simulated(t)
	site.SetLatency(sim.Latency{PowerOn: time.Hour})
	flying := make(chan error, 1)
	go func() {
		_, err := s.Apply(t.Context(), drivers.Change{Property: vmProperty(sim.ID("vm")), ID: "1", Goal: drivers.Value{Text: drivers.On}}, nil)
		flying <- err
	}()
	eventually(t, "the power-on is under way", func() bool { return strings.Contains(site.Dump(), "task power on") })
	before := s.Status().PID
	kill(t, before, syscall.SIGKILL)
	if err := <-flying; drivers.KindOf(err) != drivers.Unavailable {
		t.Fatalf("the call in flight: %v", err)
	}
	eventually(t, "another process runs", func() bool { return s.Status().Restarts == 1 })
	if v, err := s.Observe(t.Context(), vmProperty(sim.ID("vm"))); err != nil || v.Text != drivers.Off {
		t.Fatal(v, err)
	}
	if status := s.Status(); status.State != plugin.Ready || status.PID == before || status.PID == 0 || status.LastError == nil {
		t.Fatalf("%+v", status)
	}
}

func TestAHungDriverIsKilledAndComesBack(t *testing.T) {
	s, _ := simulated(t)
	before := s.Status().PID
	kill(t, before, syscall.SIGSTOP)
	eventually(t, "every thread has stopped", func() bool { return stopped(t, before) })
	if _, err := s.Observe(t.Context(), vmProperty(sim.ID("vm"))); drivers.KindOf(err) != drivers.Unavailable {
		t.Fatalf("the call in flight: %v", err)
	}
	eventually(t, "another process is ready", func() bool { st := s.Status(); return st.State == plugin.Ready && st.PID != before })
	if _, err := s.Observe(t.Context(), vmProperty(sim.ID("vm"))); err != nil {
		t.Fatal(err)
	}
}

func TestHealthOutlivesTheProcess(t *testing.T) {
	s, _ := simulated(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var good, bad int
	err := s.Health(ctx, func(h drivers.Health) error {
		switch {
		case !h.OK:
			bad++
		case good == 0:
			good++
			kill(t, s.Status().PID, syscall.SIGKILL)
		case bad > 0:
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || bad == 0 {
		t.Fatal(err, good, bad)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	c := config(t, "sim")
	s := supervise(t, c)
	pid := s.Status().PID
	s.Close()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Fatalf("process %d: %v", pid, err)
	}
	if left, err := os.ReadDir(c.TempDir); err != nil || len(left) > 0 {
		t.Fatal(left, err)
	}
	if _, err := s.Describe(t.Context()); drivers.KindOf(err) != drivers.Unavailable || s.Status().State != plugin.Closed {
		t.Fatal(err, s.Status())
	}
}

func TestARelaunchThatIsRefusedIsSaid(t *testing.T) {
	s, site := simulated(t)
	site.SetPassword("another one")
	site.ExpireSessions()
	kill(t, s.Status().PID, syscall.SIGKILL)
	eventually(t, "it is unconfigured", func() bool { return s.Status().State == plugin.Unconfigured })
	if err := s.Status().LastError; err == nil || !strings.Contains(err.Error(), "wrong password") {
		t.Fatal(err)
	}
	site.SetPassword("")
	eventually(t, "it is ready again", func() bool { return s.Status().State == plugin.Ready })
}
