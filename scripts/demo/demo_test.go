package main

import (
	"os/exec"
	"testing"
)

// lines hands what is written to a test's log.
type lines struct{ testing.TB }

func (l lines) Write(p []byte) (int, error) {
	l.Helper()
	l.Logf("%s", p)
	return len(p), nil
}

// The story on the simulated vCenter runs as make demo.
func TestTheStoryOnRealVirtualMachines(t *testing.T) {
	usable(t)
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "make", "-C", "../..", "build", "BIN="+bin)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
	if err := run(t.Context(), bin, true, false, lines{t}); err != nil {
		t.Fatal(err)
	}
}
