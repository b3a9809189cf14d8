package libvirt

import (
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/drivertest"
	"github.com/hotspare/hotspare/drivers/libvirt/kvmsite"
	"github.com/hotspare/hotspare/drivers/plugin"
)

// stopwatch measures for how long at least one call to libvirt is in flight.
type stopwatch struct {
	mu    sync.Mutex
	calls int // in flight
	since time.Time
	total time.Duration
	count int
}

func (w *stopwatch) begin() (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls == 0 {
		w.since = time.Now()
	}
	w.calls++
	w.count++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.calls--; w.calls == 0 {
			w.total += time.Since(w.since)
		}
	}
}

// read gives what was measured since the last read.
func (w *stopwatch) read() (time.Duration, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	total, count := w.total, w.count
	w.total, w.count = 0, 0
	return total, count
}

// plugged gives the driver as a plugin process.
func (s *testSite) plugged() drivers.Driver {
	s.t.Helper()
	temp, err := os.MkdirTemp("", "hs") // the test's own folder has too long a name for a socket
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { os.RemoveAll(temp) })
	supervisor, err := plugin.Supervise(s.t.Context(), plugin.Config{
		Binary:  drivertest.Build(s.t, "github.com/hotspare/hotspare/cmd/hotspare-driver-libvirt"),
		TempDir: temp, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(supervisor.Close)
	if err := supervisor.Configure(s.t.Context(), s.configuration(nil)); err != nil {
		s.t.Fatal(err)
	}
	return supervisor
}

// BenchmarkKVMCallOverhead is what the driver adds to the calls to libvirt that it makes: the
// time of an operation, less the time for which a call to libvirt is in flight in that same
// operation, the median of 21, and to that what plugin and gRPC add, which is measured with an
// observation. (A start of QEMU alone varies by more than all of it.) Target: at most 5 ms in
// any operation, whatever the number of its calls.
func BenchmarkKVMCallOverhead(b *testing.B) {
	const rounds = 21
	s := newSite(b)
	watch := &stopwatch{}
	inside := s.driver()
	for _, h := range inside.(*driver).cluster.hosts {
		h.timing = watch.begin
	}
	outside := s.plugged()
	vm := kvmsite.VMUUID("shop-app")
	nic := s.property(drivers.VM, vm, drivers.NIC, kvmsite.VMMAC("shop-app"))
	disk := s.property(drivers.VM, vm, drivers.Disk, "vda")
	power := s.property(drivers.VM, s.plain(), drivers.Power, "")
	diskBefore, nicBefore := s.observe(inside, disk), s.observe(inside, nic)
	volume := s.property(drivers.Volume, "bench/shop-app-root", drivers.Presence, "")
	clone := s.apply(inside, volume, drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{
		Volume: &drivers.VolumeSpec{Replica: s.Replica(), RestorePoint: "rp-2", Volume: "shop-app-root"}}})
	defer s.apply(inside, volume, drivers.Value{Text: drivers.Absent})

	transport := s.transport(inside, outside, power, rounds)
	b.Logf("plugin and gRPC add %s", round(transport))
	worst := time.Duration(0)
	compare := func(name string, p drivers.Property, goals ...drivers.Value) {
		ways := max(len(goals), 1) // there and back are told apart
		whole, added, calls := make([][]time.Duration, ways), make([][]time.Duration, ways), make([]int, ways)
		for i := range rounds * ways {
			watch.read()
			began := time.Now()
			if len(goals) == 0 {
				s.observe(inside, p)
			} else {
				s.apply(inside, p, goals[i%ways])
			}
			took := time.Since(began)
			libvirt, n := watch.read()
			whole[i%ways], added[i%ways], calls[i%ways] = append(whole[i%ways], took), append(added[i%ways], took-libvirt), n
		}
		for way := range ways {
			text := name
			if len(goals) > 0 {
				text += " " + []string{"there", "back"}[way]
			}
			adds := median(added[way]) + transport
			worst = max(worst, adds)
			b.Logf("%-15s %9s with %2d calls to libvirt: adds %s", text, round(median(whole[way])+transport), calls[way], round(adds))
		}
	}
	compare("observe power", power)
	compare("observe disk", disk)
	compare("observe NIC", nic)
	compare("observe host", s.property(drivers.VM, vm, drivers.HostOf, ""))
	compare("NIC", nic, drivers.Value{Text: "bridge:iso-3"}, nicBefore)
	compare("disk", disk, drivers.Value{Text: clone.Made[drivers.MadeEndpoint]}, diskBefore)
	compare("power", power, drivers.Value{Text: drivers.On}, drivers.Value{Text: drivers.Off})
	b.ReportMetric(float64(worst.Microseconds())/1000, "ms/added(target<5)")
}

// transport is what plugin and gRPC add to an observation.
func (s *testSite) transport(inside, outside drivers.Driver, p drivers.Property, rounds int) time.Duration {
	s.t.Helper()
	var in, out []time.Duration
	for range 5 * rounds {
		began := time.Now()
		s.observe(inside, p)
		between := time.Now()
		s.observe(outside, p)
		in, out = append(in, between.Sub(began)), append(out, time.Since(between))
	}
	return median(out) - median(in)
}

func median(all []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(all))[len(all)/2]
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
