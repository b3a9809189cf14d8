package plugin_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hotspare/hotspare/drivers/plugin"
)

// launch is what the test binary does in mode "launcher": it launches a driver that
// starts a child, tells the two pids, and waits to be killed.
func launch() {
	p, err := plugin.Launch(context.Background(), plugin.Config{
		Binary: os.Getenv("HOTSPARE_TEST_BINARY"), TempDir: os.Getenv("HOTSPARE_TEST_TEMP"), Env: []string{serveVariable + "=deaf to SIGTERM"},
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	child, err := p.Observe(context.Background(), vmProperty("child"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.PID(), child.Text)
	<-p.Done()
}

// A driver whose launcher is killed must not go on working on the site, nor what it
// started.
func TestAnOrphanEndsItself(t *testing.T) {
	c := config(t, "deaf to SIGTERM")
	launcher := exec.CommandContext(t.Context(), os.Args[0])
	launcher.Env = append(os.Environ(), serveVariable+"=launcher", "HOTSPARE_TEST_BINARY="+c.Binary, "HOTSPARE_TEST_TEMP="+c.TempDir)
	out, err := launcher.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := launcher.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pids := strings.Fields(line)
	if len(pids) != 2 {
		t.Fatal(line)
	}
	pid, child := number(t, pids[0]), number(t, pids[1])
	t.Cleanup(func() { _ = syscall.Kill(child, syscall.SIGKILL) }) // it may be gone
	kill(t, launcher.Process.Pid, syscall.SIGKILL)
	_ = launcher.Wait() // it was killed
	eventually(t, "the driver has ended", func() bool { return !runs(pid) })
	eventually(t, "its child has ended", func() bool { return !runs(child) })
}

// runs says whether a process runs; one that has ended and waits to be reaped does not.
func runs(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(data), ") ")
	return !strings.HasPrefix(after, "Z")
}

// stopped says whether every thread of a process has stopped.
func stopped(t *testing.T, pid int) bool {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		t.Fatal(threads, err)
	}
	for _, thread := range threads {
		data, err := os.ReadFile(thread)
		if _, after, _ := strings.Cut(string(data), ") "); err == nil && !strings.HasPrefix(after, "T") {
			return false
		}
	}
	return true
}
