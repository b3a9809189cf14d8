package plugin_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/plugin"
	"github.com/hotspare/hotspare/drivers/sim"
)

// The test binary is also the driver's binary: with this variable it serves instead of
// testing.
const serveVariable = "HOTSPARE_TEST_SERVE"

func TestMain(m *testing.M) {
	switch os.Getenv(serveVariable) {
	case "":
		os.Exit(m.Run())
	case "sim":
		plugin.Serve(sim.NewProcess())
	case "old":
		plugin.Serve(&odd{contract: drivers.ContractVersion + 1})
	case "odd":
		plugin.Serve(&odd{contract: drivers.ContractVersion})
	case "launcher":
		launch()
	default:
		misbehave(os.Getenv(serveVariable))
	}
}

// odd is a driver that fails in the ways that its callers name.
type odd struct {
	drivers.Driver
	contract int
}

func (o *odd) Describe(context.Context) (drivers.Description, error) {
	return drivers.Description{Driver: "odd", Contract: o.contract}, nil
}

func (o *odd) Configure(context.Context, drivers.Configuration) error { return nil }

func (o *odd) Observe(ctx context.Context, p drivers.Property) (drivers.Value, error) {
	switch p.Target {
	case "panic":
		panic("as asked")
	case "environment":
		return drivers.Value{Text: strings.Join(os.Environ(), "\n")}, nil
	case "log":
		slog.Warn("a line of the driver", "key", "value")
		return drivers.Value{}, nil
	case "drift":
		return drivers.Value{}, &drivers.Error{
			Kind: drivers.Drift, Op: "set", Object: "disk \xff", Cause: errors.New("because"), Next: "do this", Attribute: "password",
			Found: &drivers.Value{Text: "found", Made: map[string]string{"a": "b"}, Rest: json.RawMessage(`{"v":1}`)},
		}
	case "plain":
		return drivers.Value{}, errors.New("a plain error")
	case "hang":
		<-ctx.Done()
		return drivers.Value{}, ctx.Err()
	}
	return drivers.Value{Text: p.Target}, nil
}

func (o *odd) Apply(_ context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	if c.Goal.Text == "panic" {
		panic("as asked")
	}
	progress(drivers.Progress{Message: "half", Percent: 50})
	return c.Goal, nil
}

func (o *odd) Health(ctx context.Context, report func(drivers.Health) error) error {
	for {
		if err := report(drivers.Health{OK: true}); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (o *odd) Inventory(_ context.Context, _ drivers.InventoryRequest, item func(drivers.Item) error) error {
	for i := range 1000 {
		if err := item(drivers.Item{Network: &drivers.NetworkItem{Name: fmt.Sprint(i)}}); err != nil {
			return err
		}
	}
	return &drivers.Error{Kind: drivers.Unavailable, Op: "list", Cause: errors.New("only a part could be listed")}
}

// binary gives a copy of the test binary with its checksum beside it.
func binary(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "driver")
	if err := os.WriteFile(path, data, 0o700); err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x  driver\n", sha256.Sum256(data))
	if err := os.WriteFile(plugin.ChecksumFile(path), []byte(sum), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// config is for a driver process of one mode, whose signs of life are asked for often.
func config(t testing.TB, mode string) plugin.Config {
	temp, err := os.MkdirTemp("", "hs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	return plugin.Config{
		Binary: binary(t), TempDir: temp, Env: []string{serveVariable + "=" + mode},
		PingEvery: 100 * time.Millisecond, PingTimeout: 2 * time.Second, Patience: 20 * time.Second, BackoffFirst: 20 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// buffer is a log that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// kill sends a signal to the driver's process.
func kill(t *testing.T, pid int, signal syscall.Signal) {
	t.Helper()
	if pid <= 1 {
		t.Fatalf("no process runs: %d", pid)
	}
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
