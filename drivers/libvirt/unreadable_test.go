package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// replicaFolder makes a replica's folder with these files.
func replicaFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

const oneRestorePoint = `{"restorePoints":[{"id":"rp-1","time":"2026-11-21T03:00:00Z","complete":true,"volumes":{"root":"rp-1/root.qcow2"}}]}`

// Each replica that cannot be read is told with its own problem and next step, and the one
// that can be read is told as ever.
func TestAReplicaThatCannotBeReadIsItsOwnProblem(t *testing.T) {
	const look = "; look at the replica's folder, and at its storage"
	missing := "; check the replica's path, and that replication has run and this machine has it mounted"
	cl := &cluster{}
	good := replicaFolder(t, map[string]string{restorepoint.ManifestName: oneRestorePoint})
	loop := replicaFolder(t, nil)
	if err := os.Symlink(restorepoint.ManifestName, filepath.Join(loop, restorepoint.ManifestName)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][2]string{
		"/no/such/replica": {"it has no restore-points.json", missing},
		"no/whole/path":    {"it is no whole, plain path", "; check the replica's path in the configuration"},
		replicaFolder(t, map[string]string{restorepoint.ManifestName: oneRestorePoint[:40]}):                                            {"it is no manifest", look},
		replicaFolder(t, map[string]string{restorepoint.ManifestName: strings.ReplaceAll(oneRestorePoint, "rp-1/root", "../root")}):     {"leads out of the replica's folder", "; look at the manifest"},
		replicaFolder(t, map[string]string{restorepoint.ManifestName: oneRestorePoint, restorepoint.MarkerName: `{"somebody":"else"}`}): {"role.json", ""},
		loop: {"too many levels of symbolic links", look},
	} {
		list, err := cl.readReplicas(t.Context(), []string{path, good})
		if err != nil || len(list) != 2 {
			t.Fatalf("%s: %d replicas, %v", path, len(list), err)
		}
		if r := list[1]; r.Path != good || r.Problem != "" || r.Role != drivers.Secondary || len(r.RestorePoints) != 1 {
			t.Errorf("beside %s the good one is %+v", path, r)
		}
		r := list[0]
		_, next, hasNext := strings.Cut(r.Problem, "; ")
		if r.Path != path || r.Role != "" || r.RestorePoints != nil || !strings.Contains(r.Problem, want[0]) || !strings.HasSuffix(r.Problem, want[1]) ||
			!hasNext || strings.Count(r.Problem, next) != 1 {
			t.Errorf("%s: %+v; want %q", path, r, want)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cl.readReplicas(over, []string{good}); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is over: %v", err)
	}
}

// A file that nobody's account may read is the replica's problem.
func TestAReplicaThatMayNotBeRead(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	folder := replicaFolder(t, map[string]string{restorepoint.ManifestName: oneRestorePoint})
	if err := os.Chmod(filepath.Join(folder, restorepoint.ManifestName), 0); err != nil {
		t.Fatal(err)
	}
	list, err := (&cluster{}).readReplicas(t.Context(), []string{folder})
	if err != nil || !strings.HasSuffix(list[0].Problem, "permission denied; let the driver's account read and write there") {
		t.Errorf("%+v, %v", list, err)
	}
}

// A mount that hangs takes as long as one replica may, and no other with it; it is not read
// again and again meanwhile, and is told as ever when it answers. A pipe without a writer
// hangs as a mount does.
func TestAReplicaThatHangs(t *testing.T) {
	cl := &cluster{}
	good := replicaFolder(t, map[string]string{restorepoint.ManifestName: oneRestorePoint})
	hangs := t.TempDir()
	pipe := filepath.Join(hangs, restorepoint.ManifestName)
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	list, err := cl.readReplicas(t.Context(), []string{hangs, good})
	if took := time.Since(began); took > 2*replicaLimit {
		t.Errorf("it took %s", took)
	}
	want := fmt.Sprintf("read replica %s: its folder gave no answer within %s; look whether its storage answers this machine", hangs, replicaLimit)
	if err != nil || list[0].Problem != want || list[1].Problem != "" {
		t.Errorf("%+v, %v; want the problem %q", list, err, want)
	}
	if err := os.Rename(pipe, pipe+".aside"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pipe, []byte(oneRestorePoint), 0o600); err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(pipe+".aside", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	list, err = cl.readReplicas(t.Context(), []string{hangs})
	if err != nil || list[0].Problem != "" || len(list[0].RestorePoints) != 1 {
		t.Errorf("when it answers again: %+v, %v", list, err)
	}
}
