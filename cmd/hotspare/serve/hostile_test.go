package serve_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// lent is how many VMs a reclaim takes back on a hostile day.
const lent = 200

const miniTemplate = `
template "mini" {
  cluster = "dr1"
  source  = "tpl-ubuntu"
  cpus    = 1
  memory  = "2GiB"
  network = "isolated"
}
`

// day is what happens in the middle of a reclaim.
type day struct {
	name string
	// hit does it. hear is called all the while with what the run and the driver say.
	hit func(v *vcenter, hear func())
	// heard is what somebody who looks on must have read, while it went on or after.
	heard []string
	// restarts of the driver that the day brings.
	restarts int
}

// hostileDays are what a site has to expect of one night. gone is how long the vCenter
// stays away; all: those too that take another way through the same code.
func hostileDays(gone time.Duration, all bool) []day {
	var hangs []string // told only where it lasts: a short hang is none
	if gone > 30*time.Second {
		hangs = append(hangs, "the site gives no answer: no report of its health since ")
	}
	days := []day{
		{name: "the session is terminated", hit: func(v *vcenter, _ func()) { v.expire() },
			heard: []string{"session at vCenter had expired"}},
		{name: "the driver hangs", hit: func(v *vcenter, _ func()) { v.signal(v.driverPID(), syscall.SIGSTOP) },
			heard: []string{"a step keeps: done after a call failed, the last: ", "its process hung: no sign of life for 5s; it was killed"}, restarts: 1},
		{name: "the vCenter is gone", hit: func(v *vcenter, hear func()) {
			v.gate.shut()
			v.rest(gone, hear)
			v.gate.open()
		}, heard: []string{"connection refused", "a step keeps: ", "failed, the last: "}},
	}
	if !all {
		return days
	}
	return append(days,
		day{name: "the driver is killed", hit: func(v *vcenter, _ func()) { v.signal(v.driverPID(), syscall.SIGKILL) },
			heard: []string{"its process ended by itself: signal: killed"}, restarts: 1},
		day{name: "the vCenter hangs", hit: func(v *vcenter, hear func()) {
			v.signal(v.pid, syscall.SIGSTOP)
			v.rest(gone, hear)
			v.signal(v.pid, syscall.SIGCONT)
		}, heard: hangs})
}

// With HOTSPARE_GONE, a duration, the vCenter stays away for so long, and all days are
// lived through.
func TestAReclaimOf200VMsEndsByItselfOnHostileDays(t *testing.T) {
	gone, text := 3*time.Second, os.Getenv("HOTSPARE_GONE")
	if text != "" {
		var err error
		if gone, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	v := newVCenter(t, miniTemplate)
	got, err := v.client.RequestWorkspace(t.Context(), api.WorkspaceRequest{Template: "mini", Count: lent, Owner: "anna", For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	v.over(got.Run)
	v.follow("ws-1")
	if n := v.read(types.VirtualMachinePowerStatePoweredOn); n != lent {
		t.Fatalf("%d VMs are lent, not %d", n, lent)
	}
	for i, d := range hostileDays(gone, text != "") {
		began := time.Now()
		v.live(d, i+1)
		t.Logf("%s: reclaim and revert took %s", d.name, time.Since(began).Round(100*time.Millisecond))
		if t.Failed() {
			return
		}
	}
}

// live lives through one hostile day, the nth: a reclaim that is hit in its middle, and the
// revert that gives the workspace back.
func (v *vcenter) live(d day, nth int) {
	v.Helper()
	before := v.driver()
	logged := len(v.log.String())
	run, err := v.client.Begin(v.Context(), api.PlanRequest{Verb: scheduler.Reclaim, Group: "erp-dr"})
	if err != nil {
		v.Fatal(err)
	}
	v.until("the reclaim is in its middle", func() bool { return v.run(run.Run).Done >= lent/6 })
	if done := v.run(run.Run).Done; done > lent*2/3 {
		v.Fatalf("%s: the reclaim was hit too late, with %d steps done", d.name, done)
	}
	words := map[string]bool{}
	d.hit(v, func() { v.hear(run.Run, words) })
	v.over(run.Run)
	v.hear(run.Run, words)

	if n := v.read(types.VirtualMachinePowerStatePoweredOff); n != lent {
		v.Errorf("%s: %d of %d VMs are off after the reclaim", d.name, n, lent)
	}
	v.until(d.name+": each VM went off once, and came on no more", func() bool {
		err = v.power.wrong(types.VirtualMachinePowerStatePoweredOff, nth-1, nth)
		return err == nil
	})
	if now := v.driver(); now.Restarts != before.Restarts+d.restarts {
		v.Errorf("%s: the driver was relaunched %d times, want %d", d.name, now.Restarts-before.Restarts, d.restarts)
	}
	told := v.log.String()[logged:]
	for word := range words {
		told += "\n" + word
	}
	for _, word := range d.heard {
		if !strings.Contains(told, word) {
			v.Errorf("%s: nobody is told %q; what is told:\n%s", d.name, word, told)
		}
	}
	v.Logf("%s: %d texts told, such as: %s", d.name, len(words), strings.Join(slices.Sorted(maps.Keys(words))[:min(3, len(words))], "\n\t"))
	back, err := v.client.Begin(v.Context(), api.PlanRequest{Verb: scheduler.Revert, Group: "erp-dr"})
	if err != nil {
		v.Fatal(err)
	}
	v.over(back.Run)
	v.until(d.name+": each VM came on once more, and stayed on", func() bool {
		err = v.power.wrong(types.VirtualMachinePowerStatePoweredOn, nth, nth)
		return err == nil
	})
}

// hear collects what the run and the driver say now, each once.
func (v *vcenter) hear(run string, words map[string]bool) {
	r := v.run(run)
	for _, note := range r.Notes {
		words["a step says: "+note.Message] = true
	}
	for _, s := range r.Run.Steps {
		if s.Note != "" {
			words["a step keeps: "+s.Note] = true
		}
	}
	if d := v.driver(); d.Error != "" {
		words[fmt.Sprintf("the driver is %s: %s", d.State, d.Error)] = true
	}
}

func (v *vcenter) run(id string) *api.Run {
	v.Helper()
	run, err := v.client.Run(context.Background(), id)
	if err != nil {
		v.Fatal(err)
	}
	return run
}

func (v *vcenter) driver() api.Driver {
	v.Helper()
	all, err := v.client.Drivers(context.Background())
	if err != nil {
		v.Fatal(err)
	}
	return all[0]
}

func (v *vcenter) driverPID() int { return v.driver().PID }

func (v *vcenter) signal(pid int, s syscall.Signal) {
	v.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		v.Fatalf("signal process %d: %v", pid, err)
	}
}
