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

// BenchmarkKVMCallOverhead is what the driver adds to the calls to libvirt that it makes: the time
// of an operation through plugin and gRPC, less the time for which a call to libvirt is in
// flight in the same operation, measured in process. Target: at most 5 ms in any
// operation, whatever the number of its calls; medians of 21.
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

	worst := time.Duration(0)
	compare := func(name string, p drivers.Property, goals ...drivers.Value) {
		apply := func(d drivers.Driver, round int) {
			if len(goals) == 0 {
				s.observe(d, p)
			} else {
				s.apply(d, p, goals[round%len(goals)])
			}
		}
		ways := max(len(goals), 1) // there and back are told apart
		whole, libvirt, calls := make([][]time.Duration, ways), make([][]time.Duration, ways), make([]int, ways)
		for i := range rounds * ways {
			began := time.Now()
			apply(outside, i)
			whole[i%ways] = append(whole[i%ways], time.Since(began))
		}
		for i := range rounds * ways {
			watch.read()
			apply(inside, i)
			took, n := watch.read()
			libvirt[i%ways], calls[i%ways] = append(libvirt[i%ways], took), n
		}
		for way := range ways {
			added := median(whole[way]) - median(libvirt[way])
			worst = max(worst, added)
			text := name
			if len(goals) > 0 {
				text += " " + []string{"there", "back"}[way]
			}
			b.Logf("%-15s %8s, of it libvirt %8s in %2d calls: adds %s", text, round(median(whole[way])), round(median(libvirt[way])), calls[way], round(added))
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

func median(all []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(all))[len(all)/2]
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
