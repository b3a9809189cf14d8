package execute

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/hotspare/hotspare/drivers"
)

// slots give calls their turn: one call at a time works on a target, whichever run it
// belongs to, and no more at once than the drivers declare. Those who wait are served by
// [place]. Target and slot are given together: a claim that waits for one never keeps the
// other from anyone.
type slots struct {
	mu      sync.Mutex
	queues  []*queue
	classes map[class]*queue
	busy    map[drivers.Property]bool // targets
}

// class is what a limit is for.
type class struct {
	cluster string
	kind    drivers.Kind
	name    drivers.Name
}

// place is that of a claim among those who wait: the lower priority number first, then the
// run that was started first, then its steps as a person reads them.
type place struct{ priority, run, step int }

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.priority, o.priority), cmp.Compare(p.run, o.run), cmp.Compare(p.step, o.step))
}

type queue struct {
	inUse   int
	perHost map[string]int
	waiting []*claim
}

type claim struct {
	target  drivers.Property
	limit   drivers.Limit
	host    string
	place   place
	granted chan struct{}
}

func newSlots() *slots {
	return &slots{classes: map[class]*queue{}, busy: map[drivers.Property]bool{}}
}

// acquire waits for a turn and gives the function that ends it.
func (s *slots) acquire(ctx context.Context, p drivers.Property, limit drivers.Limit, host string, at place) (release func(), err error) {
	c := &claim{target: p.On("", ""), limit: limit, host: host, place: at, granted: make(chan struct{})}
	s.mu.Lock()
	q := s.queueOf(class{p.Cluster, p.Kind, p.Name})
	i, _ := slices.BinarySearchFunc(q.waiting, at, func(w *claim, at place) int { return w.place.compare(at) })
	q.waiting = slices.Insert(q.waiting, i, c)
	s.grant(q)
	s.mu.Unlock()
	select {
	case <-c.granted:
		return func() { s.release(q, c) }, nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	i = slices.Index(q.waiting, c)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	s.mu.Unlock()
	if i < 0 { // granted meanwhile
		s.release(q, c)
	}
	return nil, ctx.Err()
}

func (s *slots) queueOf(key class) *queue {
	q := s.classes[key]
	if q == nil {
		q = &queue{perHost: map[string]int{}}
		s.classes[key], s.queues = q, append(s.queues, q)
	}
	return q
}

func (s *slots) release(q *queue, c *claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.inUse--
	if q.perHost[c.host]--; q.perHost[c.host] == 0 {
		delete(q.perHost, c.host)
	}
	delete(s.busy, c.target)
	for _, q := range s.queues { // others may wait for the target
		s.grant(q)
	}
}

// grant gives turns to those who wait, in order, passing over those whose host is full or
// whose target is busy.
func (s *slots) grant(q *queue) {
	for i := 0; i < len(q.waiting); {
		c := q.waiting[i]
		if c.limit.PerCluster > 0 && q.inUse >= c.limit.PerCluster {
			return
		}
		if s.busy[c.target] || c.limit.PerHost > 0 && c.host != "" && q.perHost[c.host] >= c.limit.PerHost {
			i++
			continue
		}
		q.inUse++
		q.perHost[c.host]++
		s.busy[c.target] = true
		q.waiting = slices.Delete(q.waiting, i, i+1)
		close(c.granted)
	}
}

// limitOf finds the limit that a driver declares for a property.
func limitOf(d drivers.Description, p drivers.Property) drivers.Limit {
	for _, limit := range d.Limits {
		if limit.Kind == p.Kind && limit.Name == p.Name {
			return limit
		}
	}
	return drivers.Limit{}
}
