package plugin_test

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/plugin"
)

// configured gives a supervised fickle driver with a configuration.
func configured(t *testing.T, c plugin.Config) *plugin.Supervisor {
	t.Helper()
	s := supervise(t, c)
	if err := s.Configure(t.Context(), drivers.Configuration{Site: "brno", Cluster: "c1"}); err != nil {
		t.Fatal(err)
	}
	return s
}

func isHeld(s *plugin.Supervisor) func() bool {
	return func() bool { return s.Status().State == plugin.Held }
}

// heldFor checks that a held driver says why, in its status and to each caller at once.
func heldFor(t *testing.T, s *plugin.Supervisor, parts ...string) {
	t.Helper()
	eventually(t, "it is held", isHeld(s))
	status := s.Status()
	parts = append(parts, "it is held", "it is tried again every 1h0m0s, and at once when a person asks for it")
	said(t, status.LastError, drivers.Unavailable, append(parts, "run driver ")...)
	if status.PID != 0 || status.Since.IsZero() {
		t.Errorf("%+v", status)
	}
	eventually(t, "it says when it is tried again", func() bool { return time.Until(s.Status().Next) > 50*time.Minute })
	began := time.Now()
	_, err := s.Observe(t.Context(), vmProperty("x"))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a call took %s", took)
	}
	said(t, err, drivers.Unavailable, append(parts, "observe power of x by driver ")...)
}

// comesBack checks that a held driver whose cause has gone is ready at once on demand.
func comesBack(t *testing.T, s *plugin.Supervisor) {
	t.Helper()
	s.Retry()
	eventually(t, "it is ready", func() bool { return s.Status().State == plugin.Ready })
	if _, err := s.Observe(t.Context(), vmProperty("x")); err != nil {
		t.Fatal(err)
	}
}

func TestADriverThatFailsAgainAndAgainIsHeld(t *testing.T) {
	for name, test := range map[string]struct {
		words string // what it does from its second launch on
		want  []string
	}{
		"it crashes when it is configured":         {"configure: crash", []string{"after 5 failures in a row", "exit status 2: panic: crashed in configure"}},
		"it gives no answer to configure":          {"configure: hang", []string{"after 5 failures in a row", "gave no answer to configure within 500ms"}},
		"it crashes when it is asked what it is":   {"describe: crash", []string{"after 5 failures in a row", "panic: crashed in describe"}},
		"it is another driver":                     {"name: other", []string{`driver "other", and was "fickle"`, "install driver fickle there"}},
		"it is of another contract":                {"contract: 7", []string{"contract version 7, this hotspare is of 1", "install the driver that came"}},
		"it cannot say what it is":                 {"describe: the site is on fire", []string{"the site is on fire"}},
		"its folder for temporary files goes away": {"remove: temp", []string{"after 5 failures in a row", "make room in the temporary folder"}},
		"its binary is replaced":                   {"remove: checksum", []string{"SHA-256 is not the one in", "make build"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, say := fickleConfig(t)
			c.ConfigureTimeout = 500 * time.Millisecond
			s := configured(t, c)
			pid := s.Status().PID
			say(test.words)
			sum, err := os.ReadFile(plugin.ChecksumFile(c.Binary))
			if err != nil {
				t.Fatal(err)
			}
			switch test.words {
			case "remove: temp":
				if err := os.Rename(c.TempDir, c.TempDir+".away"); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { os.RemoveAll(c.TempDir + ".away") })
			case "remove: checksum":
				replace(t, c.Binary, []byte("another program"))
				if err := os.WriteFile(plugin.ChecksumFile(c.Binary), sum, 0o600); err != nil {
					t.Fatal(err)
				}
				// The process that runs is the one that was verified.
				if _, err := s.Observe(t.Context(), vmProperty("x")); err != nil || s.Status().PID != pid {
					t.Fatal(err)
				}
			}
			kill(t, pid, syscall.SIGKILL)
			heldFor(t, s, test.want...)
			if pids := processes(t, c.Binary); len(pids) > 0 {
				t.Errorf("processes %v are left", pids)
			}

			say()
			switch test.words {
			case "remove: temp":
				if err := os.Rename(c.TempDir+".away", c.TempDir); err != nil {
					t.Fatal(err)
				}
			case "remove: checksum":
				self, err := os.ReadFile(os.Args[0])
				if err != nil {
					t.Fatal(err)
				}
				replace(t, c.Binary, self)
			}
			comesBack(t, s)
		})
	}
}

// A driver that comes up each time and crashes at its first work is held too; while it is,
// a try that fails holds it again at once.
func TestADriverThatCrashesAtWorkIsHeld(t *testing.T) {
	c, say := fickleConfig(t)
	c.HoldAfter = 3
	s := configured(t, c)
	say("inventory: crash")
	kill(t, s.Status().PID, syscall.SIGKILL)
	list := func() {
		_ = s.Inventory(t.Context(), drivers.InventoryRequest{}, func(drivers.Item) error { return nil }) // it crashes
	}
	eventually(t, "it is held", func() bool { list(); return s.Status().State == plugin.Held })
	heldFor(t, s, "after 3 failures in a row", "panic: crashed in inventory")

	restarts := s.Status().Restarts
	s.Retry()
	eventually(t, "it was tried", func() bool { return s.Status().Restarts == restarts+1 && s.Status().State == plugin.Ready })
	list()
	heldFor(t, s, "after 4 failures in a row")
	if n := s.Status().Restarts; n != restarts+1 {
		t.Errorf("%d restarts, and not %d", n, restarts+1)
	}

	say()
	comesBack(t, s)
	kill(t, s.Status().PID, syscall.SIGKILL)
	eventually(t, "one crash after it worked does not hold it", func() bool {
		return s.Status().Restarts == restarts+3 && s.Status().State == plugin.Ready
	})
}

// One change that crashes the driver must not keep the others from being made.
func TestADriverThatWorksBetweenItsCrashesIsNotHeld(t *testing.T) {
	c, say := fickleConfig(t)
	say("apply of poison: crash")
	s := configured(t, c)
	for n := range 12 {
		goal := drivers.Value{Text: drivers.Off}
		if _, err := s.Apply(t.Context(), drivers.Change{Property: vmProperty("other"), Goal: goal}, nil); err != nil {
			t.Fatal(n, err)
		}
		if _, err := s.Apply(t.Context(), drivers.Change{Property: vmProperty("poison"), Goal: goal}, nil); drivers.KindOf(err) != drivers.Unavailable {
			t.Fatal(n, err)
		}
		eventually(t, "it is ready", func() bool { s := s.Status(); return s.State == plugin.Ready && s.Restarts == n+1 })
	}
}

// A held driver is tried again slowly by itself.
func TestAHeldDriverIsTriedAgain(t *testing.T) {
	c, say := fickleConfig(t)
	c.HeldEvery = 300 * time.Millisecond
	s := configured(t, c)
	say("name: other")
	kill(t, s.Status().PID, syscall.SIGKILL)
	eventually(t, "it is held", isHeld(s))
	say()
	eventually(t, "it is ready", func() bool { return s.Status().State == plugin.Ready })
}

// The first configure has the same deadline, and the caller learns of it.
func TestAFirstConfigureThatHangs(t *testing.T) {
	c, say := fickleConfig(t)
	c.ConfigureTimeout = 500 * time.Millisecond
	say("configure: hang")
	s := supervise(t, c)
	pid := s.Status().PID
	said(t, s.Configure(t.Context(), drivers.Configuration{Cluster: "c1"}), drivers.Unavailable,
		"configure cluster c1", c.Binary, "no answer within 500ms", "look whether the cluster answers")
	if runs(pid) {
		t.Errorf("process %d still hangs", pid)
	}
	say()
	eventually(t, "another process takes it", func() bool {
		return s.Configure(t.Context(), drivers.Configuration{Cluster: "c1"}) == nil
	})
}

// A configuration that is refused after a relaunch is said with its next step, and tried
// again at once on demand.
func TestAConfigurationThatIsRefused(t *testing.T) {
	c, say := fickleConfig(t)
	c.BackoffFirst, c.BackoffMost, c.Patience = time.Hour, time.Hour, 200*time.Millisecond
	s := configured(t, c)
	say("configure: no license")
	kill(t, s.Status().PID, syscall.SIGKILL)
	eventually(t, "it waits to be launched", func() bool { return !s.Status().Next.IsZero() })
	s.Retry()
	eventually(t, "it is unconfigured", func() bool { return s.Status().State == plugin.Unconfigured })
	status := s.Status()
	said(t, status.LastError, drivers.Refused, "configure the site: no license; ask the site")
	if status.PID == 0 || status.Restarts != 1 {
		t.Errorf("%+v", status)
	}
	_, err := s.Observe(t.Context(), vmProperty("x"))
	said(t, err, drivers.Unavailable, "it is unconfigured", "no license")
}

// Status tells when the driver proved last that it was ready.
func TestProven(t *testing.T) {
	c, _ := fickleConfig(t)
	s := supervise(t, c)
	if proven := s.Status().Proven; !proven.IsZero() {
		t.Errorf("before it was configured: %s", proven)
	}
	if err := s.Configure(t.Context(), drivers.Configuration{}); err != nil {
		t.Fatal(err)
	}
	proven := s.Status().Proven
	if time.Since(proven) > 10*time.Second {
		t.Errorf("configure proved nothing: %s", proven)
	}
	if _, err := s.Observe(t.Context(), vmProperty("x")); err != nil || !s.Status().Proven.After(proven) {
		t.Errorf("a call proved nothing: %s %v", s.Status().Proven, err)
	}
	proven = s.Status().Proven
	eventually(t, "a sign of life proves it", func() bool { return s.Status().Proven.After(proven) })

	pid := s.Status().PID
	kill(t, pid, syscall.SIGSTOP)
	eventually(t, "every thread has stopped", func() bool { return stopped(t, pid) })
	proven = s.Status().Proven
	began := time.Now()
	eventually(t, "it is relaunched", func() bool {
		status := s.Status()
		if status.State == plugin.Ready && status.PID == pid && status.Proven.After(began) {
			t.Fatal("a process that hangs proved something")
		}
		return status.Restarts == 1 && status.State == plugin.Ready
	})
	if !s.Status().Proven.After(proven) {
		t.Error("the new process proved nothing")
	}
}

// A megabyte-wise log is bounded, and blocks nobody.
func TestADriverThatWritesMegabytes(t *testing.T) {
	c, _ := fickleConfig(t)
	var log buffer
	c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := configured(t, c)
	pid := s.Status().PID
	for _, where := range []string{"stderr", "stdout", "stderr"} {
		if _, err := s.Observe(t.Context(), vmProperty(where)); err != nil {
			t.Fatal(where, err)
		}
	}
	if _, err := s.Observe(t.Context(), vmProperty("x")); err != nil || s.Status().PID != pid {
		t.Fatal(err)
	}
	if n := len(log.String()); n > 2<<20 || !strings.Contains(log.String(), "yyyy") {
		t.Errorf("it logged %d bytes", n)
	}
	t.Logf("of 4 MiB on stderr %d KiB reached the log", len(log.String())>>10)
}

// What a driver started ends with it; what left its group keeps nobody waiting.
func TestADriverThatLeavesAChild(t *testing.T) {
	for _, who := range []string{"child", "child that left"} {
		t.Run(who, func(t *testing.T) {
			c, _ := fickleConfig(t)
			s := configured(t, c)
			v, err := s.Observe(t.Context(), vmProperty(who))
			if err != nil {
				t.Fatal(err)
			}
			child := number(t, v.Text)
			t.Cleanup(func() { _ = syscall.Kill(child, syscall.SIGKILL) }) // it may be gone
			before := s.Status().PID
			began := time.Now()
			kill(t, before, syscall.SIGKILL)
			eventually(t, "another process is ready", func() bool { s := s.Status(); return s.State == plugin.Ready && s.PID != before })
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("it took %s", took)
			} else {
				t.Logf("ready again after %s", took.Round(time.Millisecond))
			}
			if err := syscall.Kill(before, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("process %d was not reaped: %v", before, err)
			}
			if who == "child" {
				eventually(t, "the child has ended", func() bool { return !runs(child) })
			}
			if _, err := s.Observe(t.Context(), vmProperty(who)); err != nil {
				t.Fatal(err)
			}
			began = time.Now()
			s.Close()
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("its end took %s", took)
			}
		})
	}
}

// Neither a signal that is ignored nor a hang keeps a driver alive.
func TestADriverThatIsDeafEndsAtClose(t *testing.T) {
	for _, mode := range []string{"deaf to SIGTERM", "deaf to everything"} {
		t.Run(mode, func(t *testing.T) {
			c := config(t, "deaf to SIGTERM")
			s := supervise(t, c)
			pid := s.Status().PID
			kill(t, pid, syscall.SIGTERM)
			if _, err := s.Observe(t.Context(), vmProperty("x")); err != nil {
				t.Fatal(err)
			}
			if mode == "deaf to everything" {
				kill(t, pid, syscall.SIGSTOP)
				eventually(t, "every thread has stopped", func() bool { return stopped(t, pid) })
			}
			began := time.Now()
			s.Close()
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("its end took %s", took)
			}
			if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("process %d: %v", pid, err)
			}
		})
	}
}
