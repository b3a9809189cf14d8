package serve_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hotspare/hotspare/drivers/drivertest"
	"github.com/hotspare/hotspare/drivers/vsphere/devsite"
)

const repository = "../../../"

// The lines that the README says to paste are pasted, one after the other, and each does what
// it is there for.
func TestTheREADMECanBePasted(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("the README's alert is posted with curl, which is not here")
	}
	work, err := os.MkdirTemp("", "hs") // short: a unix socket's path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(work) })
	for _, name := range []string{"hotspare", "hotspare-driver-vsphere", "hotspare-dev-vcenter"} {
		into(t, filepath.Dir(drivertest.Build(t, "github.com/hotspare/hotspare/cmd/"+name)), filepath.Join(work, "bin"))
	}
	into(t, repository+"configs", filepath.Join(work, "configs"))
	dir := filepath.Join(work, "s")
	t.Cleanup(func() { endVCenter(t, dir) })
	script := strings.ReplaceAll(pasted(t), "/tmp/hs", dir)
	cmd := exec.CommandContext(t.Context(), "bash", "-e", "-c", "trap 'kill %1; wait' EXIT\n"+script)
	cmd.Dir = work
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("pasting the README: %v\n%s", err, out)
	}
	for _, want := range []string{
		"nothing needs a person; lending open", // the first status
		"Workspace ws-1 of anna, copy of erp-dr",
		"reclaim of erp-dr begun as run r-2",
		"Plan r-3   failover erp-dr",
		"declared dead by maria",
		"time to ready",
		"back: ws-1",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if t.Failed() {
		t.Logf("it says:\n%s", out)
	}
}

// pasted gives the commands of the README's section, but for the build.
func pasted(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(repository + "README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## Try it by hand\n")
	section, _, ended := strings.Cut(section, "\n## ")
	if !found || !ended {
		t.Fatal("the README has no section to paste from")
	}
	var script strings.Builder
	for line := range strings.Lines(section) {
		if command, ok := strings.CutPrefix(line, "    "); ok && !strings.HasPrefix(command, "make ") {
			script.WriteString(command)
		}
	}
	return script.String()
}

// into copies the files of a folder into another.
func into(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), content, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// endVCenter ends the simulated vCenter of a directory, where one was started.
func endVCenter(t *testing.T, dir string) {
	info, err := devsite.ReadInfo(dir)
	if err != nil {
		t.Logf("no simulated vCenter to end: %v", err)
		return
	}
	if err := syscall.Kill(info.PID, syscall.SIGTERM); err != nil {
		t.Errorf("end the simulated vCenter, process %d: %v", info.PID, err)
	}
}
