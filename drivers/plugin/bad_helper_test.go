package plugin_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/plugin"
)

// wordsVariable names the file that a fickle driver reads its behavior from.
const wordsVariable = "HOTSPARE_TEST_WORDS"

// The process's own, which are other ones while it serves.
var stdout, stderr = os.Stdout, os.Stderr

// misbehave is what the test binary does in the modes that serve badly, or not at all.
func misbehave(mode string) {
	switch mode {
	case "silent":
		time.Sleep(time.Hour)
	case "dies":
		fmt.Fprintln(os.Stderr, "error while loading shared libraries: libvirt.so.0")
		os.Exit(127)
	case "greets":
		fmt.Println("welcome to the driver")
		plugin.Serve(&odd{contract: drivers.ContractVersion})
	case "floods":
		for {
			if _, err := os.Stdout.WriteString(strings.Repeat("x", 64<<10)); err != nil {
				return
			}
		}
	case "handshake of another contract":
		fmt.Printf("1|%d|unix|/nowhere|grpc|\n", drivers.ContractVersion+1)
		time.Sleep(time.Hour)
	case "listens to nobody":
		path := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "s")
		l, err := net.Listen("unix", path)
		if err != nil {
			return
		}
		fmt.Printf("1|%d|unix|%s|grpc|\n", drivers.ContractVersion, path)
		for {
			if _, err := l.Accept(); err != nil {
				return
			}
		}
	case "no description":
		plugin.Serve(&fickle{words: "describe: hang"})
	case "deaf to SIGTERM":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		plugin.Serve(&fickle{})
	case "fickle":
		words, err := os.ReadFile(os.Getenv(wordsVariable))
		if err != nil {
			return
		}
		plugin.Serve(&fickle{words: string(words)})
	}
}

// fickle is a driver that does at each launch what stands in a file then.
type fickle struct {
	odd
	words string
}

// says gives what stands after a key.
func (f *fickle) says(key string) string {
	for line := range strings.Lines(f.words) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), key+": "); ok {
			return rest
		}
	}
	return ""
}

func (f *fickle) obey(key string) error {
	switch what := f.says(key); what {
	case "":
		return nil
	case "hang":
		select {} // whatever the context says
	case "crash":
		go panic("crashed in " + key)
		select {}
	default:
		return &drivers.Error{Kind: drivers.Refused, Op: key, Object: "the site", Cause: errors.New(what), Next: "ask the site"}
	}
}

func (f *fickle) Describe(context.Context) (drivers.Description, error) {
	d := drivers.Description{Driver: "fickle", Contract: drivers.ContractVersion}
	if name := f.says("name"); name != "" {
		d.Driver = name
	}
	if version, err := strconv.Atoi(f.says("contract")); err == nil {
		d.Contract = version
	}
	return d, f.obey("describe")
}

func (f *fickle) Configure(context.Context, drivers.Configuration) error { return f.obey("configure") }

func (f *fickle) Inventory(context.Context, drivers.InventoryRequest, func(drivers.Item) error) error {
	return f.obey("inventory")
}

func (f *fickle) Apply(ctx context.Context, c drivers.Change, _ func(drivers.Progress)) (drivers.Value, error) {
	if f.says("apply of "+c.Property.Target) != "" {
		return drivers.Value{}, f.obey("apply of " + c.Property.Target)
	}
	return c.Goal, ctx.Err()
}

// Observe does what its target names.
func (f *fickle) Observe(_ context.Context, p drivers.Property) (drivers.Value, error) {
	switch p.Target {
	case "stderr":
		line := strings.Repeat("y", 200) + "\n"
		for range 2 << 20 / len(line) {
			if _, err := fmt.Fprint(stderr, line); err != nil {
				return drivers.Value{}, err
			}
		}
	case "stdout":
		if _, err := stdout.WriteString(strings.Repeat("z", 2<<20)); err != nil {
			return drivers.Value{}, err
		}
	case "child", "child that left":
		// It holds the driver's own pipes.
		child := exec.Command("/bin/sleep", "1000")
		child.Stdout, child.Stderr = stdout, stderr
		if p.Target == "child that left" {
			child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		}
		if err := child.Start(); err != nil {
			return drivers.Value{}, err
		}
		return drivers.Value{Text: strconv.Itoa(child.Process.Pid)}, nil
	}
	return drivers.Value{Text: p.Target}, nil
}

// fickleConfig is for a fickle driver, with the function that says what it does from its
// next launch on.
func fickleConfig(t *testing.T) (plugin.Config, func(words ...string)) {
	t.Helper()
	c := config(t, "fickle")
	path := filepath.Join(t.TempDir(), "words")
	c.Env = append(c.Env, wordsVariable+"="+path)
	c.BackoffMost, c.HeldEvery = 100*time.Millisecond, time.Hour
	say := func(words ...string) {
		t.Helper()
		// Renamed, so that a launch meanwhile reads the words before or after.
		if err := os.WriteFile(path+".new", []byte(strings.Join(words, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	say()
	return c, say
}

// processes gives the processes that run a binary.
func processes(t *testing.T, binary string) []int {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, link := range links {
		if path, err := os.Readlink(link); err == nil && strings.TrimSuffix(path, " (deleted)") == binary {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// said checks that an error names the operation, the object, the cause and the next step.
func said(t *testing.T, err error, kind drivers.ErrorKind, parts ...string) {
	t.Helper()
	var e *drivers.Error
	if !errors.As(err, &e) {
		t.Fatalf("not a driver's error: %v", err)
	}
	if e.Kind != kind || e.Op == "" || e.Object == "" || e.Cause == nil {
		t.Errorf("want kind %s, operation, object and cause in %+v", kind, e)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("want %q in: %v", part, err)
		}
	}
	if !strings.Contains(err.Error(), "; ") {
		t.Errorf("no next step in: %v", err)
	}
	t.Log(err)
}
