package vsphere

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// spent is what all the power-offs of one kind took, and the CPU time of each process.
type spent struct {
	took time.Duration
	cpu  map[string]time.Duration
}

func (s *benchSite) cpu() map[string]time.Duration {
	s.Helper()
	used := map[string]time.Duration{}
	for name, pid := range s.processes {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			s.Fatal(err)
		}
		// After the name in brackets; user and system time in hundredths of a second.
		words := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		for _, word := range words[11:13] {
			n, err := strconv.Atoi(word)
			if err != nil {
				s.Fatal(err)
			}
			used[name] += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return used
}

// each does something with every VM, so many at once, and tells what all took.
func (s *benchSite) each(parallel int, do func(i int) error) spent {
	s.Helper()
	before := s.cpu()
	var workers sync.WaitGroup
	next := make(chan int)
	began := time.Now()
	for range parallel {
		workers.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					s.Error(err)
				}
			}
		})
	}
	for i := range s.vms {
		next <- i
	}
	close(next)
	workers.Wait()
	total := spent{took: time.Since(began), cpu: s.cpu()}
	for name, used := range before {
		total.cpu[name] -= used
	}
	if s.Failed() {
		s.FailNow()
	}
	return total
}

func (s *benchSite) on() {
	s.Helper()
	s.forget()
	s.each(8, func(i int) error {
		task, err := s.vms[i].PowerOn(s.Context())
		if err != nil {
			return err
		}
		return task.Wait(s.Context())
	})
}

// plain powers all off as one does by hand: each goroutine submits the task and waits for
// it.
func (s *benchSite) plain(parallel int) spent {
	s.Helper()
	s.on()
	return s.each(parallel, func(i int) error {
		task, err := s.vms[i].PowerOff(s.Context())
		if err != nil {
			return err
		}
		return task.Wait(s.Context())
	})
}

// ours powers all off through the supervised driver process.
func (s *benchSite) ours(parallel int) spent {
	s.Helper()
	s.on()
	return s.each(parallel, func(i int) error {
		p := drivers.Property{Cluster: clusterName, Kind: drivers.VM, Target: s.ids[i], Name: drivers.Power}
		value, err := s.driver.Apply(s.Context(), drivers.Change{
			Property: p, ID: fmt.Sprintf("c-%d", i), Force: true,
			Expected: []drivers.Value{{Text: drivers.On}}, Goal: drivers.Value{Text: drivers.Off},
			Owner: drivers.Owner{Site: siteName, Holder: "ws-1"},
		}, nil)
		if err == nil && value.Text != drivers.Off {
			err = fmt.Errorf("VM %s is %s", s.ids[i], value.Text)
		}
		return err
	})
}

// BenchmarkTargetPowerOff500 powers 500 VMs off through plugin and gRPC, as many at once as
// the driver declares, beside plain govmomi that submits and waits with 1, 8, 16, 32 and 64
// goroutines. The peer is the number of goroutines with the best median; target: the
// median of the pairs' ratios to it is at most 1.3. Powering on is not timed.
func BenchmarkTargetPowerOff500(b *testing.B) {
	const pairs = 7
	s := newBenchSite(b)
	about, err := s.driver.Describe(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	limit := 0
	for _, l := range about.Limits {
		if l.Kind == drivers.VM && l.Name == drivers.Power {
			limit = l.PerCluster
		}
	}
	s.ours(limit) // both ways are warm
	s.plain(8)
	var ours []spent
	plain := map[int][]spent{}
	widths := []int{1, 8, 16, 32, 64}
	for range pairs {
		ours = append(ours, s.ours(limit))
		for _, width := range widths {
			plain[width] = append(plain[width], s.plain(width))
		}
	}
	best := slices.MinFunc(widths, func(a, b int) int { return int(middle(times(plain[a])) - middle(times(plain[b]))) })
	var ratios []float64
	for i := range pairs {
		ratios = append(ratios, float64(ours[i].took)/float64(plain[best][i].took))
	}
	for _, width := range widths {
		b.Logf("plain, %2d at once: %v, CPU %v", width, times(plain[width]), s.middleCPU(plain[width]))
	}
	b.Logf("ours,  %2d at once: %v, CPU %v; ratios to plain with %d: %.2f", limit, times(ours), s.middleCPU(ours), best, ratios)
	b.ReportMetric(middle(ratios), "×plain(target≤1.3)")
	b.ReportMetric(middle(times(ours)).Seconds(), "s/ours")
	b.ReportMetric(middle(times(plain[best])).Seconds(), "s/plain")
	b.ReportMetric(float64(best), "plain-at-once")
}

func times(all []spent) []time.Duration {
	var took []time.Duration
	for _, one := range all {
		took = append(took, one.took.Round(time.Millisecond))
	}
	return took
}

// middleCPU is the median of each process's CPU time.
func (s *benchSite) middleCPU(all []spent) map[string]time.Duration {
	median := map[string]time.Duration{}
	for name := range s.processes {
		var used []time.Duration
		for _, one := range all {
			used = append(used, one.cpu[name])
		}
		median[name] = middle(used)
	}
	return median
}

// middle is the median.
func middle[T time.Duration | float64](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
