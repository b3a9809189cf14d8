package plugin_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/plugin"
)

// replace puts another binary in place, with its true checksum.
func replace(t *testing.T, binary string, data []byte) {
	t.Helper()
	if err := os.Remove(binary); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(plugin.ChecksumFile(binary), fmt.Appendf(nil, "%x\n", sha256.Sum256(data)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Each binary that cannot serve is refused with the reason, at once, and leaves neither a
// process nor a file.
func TestWhatIsNotLaunched(t *testing.T) {
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		mode    string
		prepare func(t *testing.T, binary string)
		kind    drivers.ErrorKind
		want    []string
	}{
		"no binary":   {"", func(t *testing.T, b string) { must(t, os.Remove(b)) }, drivers.Refused, []string{"no such file", "install the driver"}},
		"a directory": {"", func(t *testing.T, b string) { must(t, os.Remove(b)); must(t, os.Mkdir(b, 0o700)) }, drivers.Refused, []string{"no regular file (drwx"}},
		"not executable": {"", func(t *testing.T, b string) { must(t, os.Chmod(b, 0o600)) }, drivers.Refused,
			[]string{"not executable (-rw-------)", "chmod +x"}},
		"no program":  {"", func(t *testing.T, b string) { replace(t, b, []byte("no program")) }, drivers.Refused, []string{"exec format error", "built for"}},
		"no checksum": {"", func(t *testing.T, b string) { must(t, os.Remove(plugin.ChecksumFile(b))) }, drivers.Refused, []string{"read the checksum", "make build"}},
		"another checksum": {"", func(t *testing.T, b string) { must(t, os.WriteFile(b, []byte("changed"), 0o700)) }, drivers.Refused,
			[]string{"SHA-256 is not the one in", "make build"}},
		"garbage for a checksum": {"", func(t *testing.T, b string) {
			must(t, os.WriteFile(plugin.ChecksumFile(b), []byte("garbage"), 0o600))
		}, drivers.Refused, []string{"does not begin with a SHA-256", "make build"}},
		"another contract":                  {"old", nil, drivers.Refused, []string{"contract version 2, this hotspare is of 1", "install the driver that came"}},
		"a handshake of another contract":   {"handshake of another contract", nil, drivers.Refused, []string{"contract version 2, this hotspare is of 1"}},
		"a greeting before the handshake":   {"greets", nil, drivers.Refused, []string{`it wrote "welcome to the driver"`, "prints nothing before"}},
		"megabytes before the handshake":    {"floods", nil, drivers.Refused, []string{`it wrote "xxx`, "bytes)", "prints nothing before"}},
		"an end before the handshake":       {"dies", nil, drivers.Unavailable, []string{"ended by itself: exit status 127: error while loading shared libraries: libvirt.so.0"}},
		"no handshake":                      {"silent", nil, drivers.Unavailable, []string{"gave no handshake within 300ms", "overloaded"}},
		"a socket that nobody serves":       {"listens to nobody", nil, drivers.Unavailable, []string{"within 300ms", "overloaded"}},
		"no answer to the first describe":   {"no description", nil, drivers.Unavailable, []string{"gave no answer to describe within 2s"}},
		"no folder for temporary files":     {"odd", nil, drivers.Unavailable, []string{"/nowhere", "temporary folder"}},
		"a path too long for a unix socket": {"odd", nil, drivers.Unavailable, []string{"107 are possible", "temporary folder"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t, test.mode)
			temp := c.TempDir
			if test.prepare != nil {
				test.prepare(t, c.Binary)
			}
			slow := test.kind == drivers.Unavailable && test.mode != "odd" && test.mode != "dies"
			switch {
			case test.mode == "no description": // it has to come so far first
				c.StartTimeout = 2 * time.Second
			case slow:
				c.StartTimeout = 300 * time.Millisecond
			case name == "no folder for temporary files":
				c.TempDir = "/nowhere"
			case test.mode == "odd":
				c.TempDir = filepath.Join(temp, "a-very-long-name-of-a-temporary-folder-that-leaves-no-room-for-the-name-of-a-socket-in-it")
				must(t, os.Mkdir(c.TempDir, 0o700))
				defer os.Remove(c.TempDir)
			}
			began := time.Now()
			_, err := plugin.Supervise(t.Context(), c)
			took := time.Since(began)
			said(t, err, test.kind, append(test.want, c.Binary, "launch driver")...)
			if took > 4*time.Second {
				t.Errorf("it took %s", took)
			}
			if pids := processes(t, c.Binary); len(pids) > 0 {
				t.Errorf("processes %v are left", pids)
			}
			if test.mode != "odd" {
				if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
					t.Error(left, err)
				}
			}
		})
	}
}

// A launch that is broken off leaves nothing, whenever that happens.
func TestALaunchThatIsBrokenOffLeavesNothing(t *testing.T) {
	for _, mode := range []string{"silent", "listens to nobody", "no description", "odd"} {
		t.Run(mode, func(t *testing.T) {
			c := config(t, mode)
			c.StartTimeout = time.Hour
			for _, after := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond, 200 * time.Millisecond} {
				ctx, cancel := context.WithTimeout(t.Context(), after)
				began := time.Now()
				p, err := plugin.Launch(ctx, c)
				took := time.Since(began) - after
				cancel()
				switch {
				case err == nil && mode == "odd":
					p.Kill(errors.New("it was launched in time"))
				case !errors.Is(err, context.DeadlineExceeded):
					t.Fatalf("after %s: %v", after, err)
				case took > 3*time.Second:
					t.Errorf("after %s it took %s more", after, took)
				}
				if pids := processes(t, c.Binary); len(pids) > 0 {
					t.Fatalf("after %s: processes %v are left", after, pids)
				}
				if left, err := os.ReadDir(c.TempDir); err != nil || len(left) > 0 {
					t.Fatal(after, left, err)
				}
			}
		})
	}
}
