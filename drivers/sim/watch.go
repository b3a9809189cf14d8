package sim

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// callLogLimit bounds the log of calls; the oldest go first.
const callLogLimit = 100_000

// Call is one Apply that the site has seen.
type Call struct {
	Change drivers.Change
	Host   string // of the VM when the call came; empty for other targets
	Start  time.Time
	End    time.Time
	Value  drivers.Value // that stood afterwards, where Err is nil
	Err    error
}

// watch is what tests ask about afterwards: which calls were made, and how many at once.
// It belongs to the process, not to the site's file.
type watch struct {
	mu       sync.Mutex
	calls    []Call
	inFlight map[gauge]int
	most     map[gauge]int
}

type gauge struct {
	kind drivers.Kind
	name drivers.Name
	host string
}

func (w *watch) enter(p drivers.Property, host string, limits []drivers.Limit) (violations []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.inFlight == nil {
		w.inFlight, w.most = map[gauge]int{}, map[gauge]int{}
	}
	count := func(g gauge, limit int, where string) {
		w.inFlight[g]++
		w.most[g] = max(w.most[g], w.inFlight[g])
		if limit > 0 && w.inFlight[g] > limit {
			violations = append(violations, fmt.Sprintf("%d changes of %s %s in flight %s, the limit is %d", w.inFlight[g], p.Kind, p.Name, where, limit))
		}
	}
	var limit drivers.Limit
	for _, l := range limits {
		if l.Kind == p.Kind && l.Name == p.Name {
			limit = l
		}
	}
	count(gauge{p.Kind, p.Name, ""}, limit.PerCluster, "in the cluster")
	if host != "" {
		count(gauge{p.Kind, p.Name, host}, limit.PerHost, "on "+host)
	}
	return violations
}

func (w *watch) leave(c Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := c.Change.Property
	w.inFlight[gauge{p.Kind, p.Name, ""}]--
	if c.Host != "" {
		w.inFlight[gauge{p.Kind, p.Name, c.Host}]--
	}
	if len(w.calls) >= callLogLimit {
		w.calls = slices.Delete(w.calls, 0, callLogLimit/10)
	}
	w.calls = append(w.calls, c)
}

// Calls gives the Apply calls that ended, in the order in which they ended; the last
// 100,000 of this process at most.
func (s *Site) Calls() []Call {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	return slices.Clone(s.watch.calls)
}

// ForgetCalls empties the log of calls and the highest numbers in flight.
func (s *Site) ForgetCalls() {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	s.watch.calls, s.watch.most = nil, map[gauge]int{}
}

// MostInFlight gives the highest number of Apply calls for this property that this
// process had in flight at once, in the whole cluster where host is empty.
func (s *Site) MostInFlight(kind drivers.Kind, name drivers.Name, host string) int {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	return s.watch.most[gauge{kind, name, host}]
}

// Violations gives what no plan may do although the site did not refuse it: two VMs that
// are on with one MAC on one network, more calls in flight than the limits allow.
func (s *Site) Violations() []string {
	var out []string
	s.look("violations", func(st *state) { out = slices.Clone(st.Violations) })
	return out
}

func (s *state) violate(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); len(s.Violations) < 1000 && !slices.Contains(s.Violations, text) {
		s.Violations = append(s.Violations, text)
	}
}
