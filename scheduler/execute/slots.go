package execute

import (
	"context"
	"slices"
	"sync"

	"github.com/hotspare/hotspare/drivers"
)

// slots keep the concurrency limits that drivers declare. Who claims a slot with the
// lower priority number gets it first, and among those who came first.
type slots struct {
	mu      sync.Mutex
	classes map[class]*queue
}

// class is what a limit is for.
type class struct {
	cluster string
	kind    drivers.Kind
	name    drivers.Name
}

type queue struct {
	inUse   int
	perHost map[string]int
	waiting []*claim
}

type claim struct {
	limit    drivers.Limit
	host     string
	priority int
	granted  chan struct{}
}

func newSlots() *slots { return &slots{classes: map[class]*queue{}} }

// acquire waits for a slot and gives the function that frees it.
func (s *slots) acquire(ctx context.Context, p drivers.Property, limit drivers.Limit, host string, priority int) (release func(), err error) {
	key := class{p.Cluster, p.Kind, p.Name}
	c := &claim{limit: limit, host: host, priority: priority, granted: make(chan struct{})}
	s.mu.Lock()
	q := s.classes[key]
	if q == nil {
		q = &queue{perHost: map[string]int{}}
		s.classes[key] = q
	}
	at, _ := slices.BinarySearchFunc(q.waiting, priority, func(w *claim, priority int) int {
		if w.priority <= priority {
			return -1
		}
		return 1
	})
	q.waiting = slices.Insert(q.waiting, at, c)
	q.grant()
	s.mu.Unlock()
	release = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		q.inUse--
		q.perHost[host]--
		q.grant()
	}
	select {
	case <-c.granted:
		return release, nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	i := slices.Index(q.waiting, c)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	s.mu.Unlock()
	if i < 0 { // granted meanwhile
		release()
	}
	return nil, ctx.Err()
}

// grant gives slots to those who wait, in order, passing over those whose host is full.
func (q *queue) grant() {
	for i := 0; i < len(q.waiting); {
		c := q.waiting[i]
		if c.limit.PerCluster > 0 && q.inUse >= c.limit.PerCluster {
			return
		}
		if c.limit.PerHost > 0 && c.host != "" && q.perHost[c.host] >= c.limit.PerHost {
			i++
			continue
		}
		q.inUse++
		q.perHost[c.host]++
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

// locks let one call at a time work on a target, whichever run it belongs to.
type locks struct {
	mu   sync.Mutex
	held map[drivers.Property]chan struct{}
}

func newLocks() *locks { return &locks{held: map[drivers.Property]chan struct{}{}} }

// lock waits for the target of p and gives the function that frees it.
func (l *locks) lock(ctx context.Context, p drivers.Property) (unlock func(), err error) {
	target := p.On("", "")
	for {
		l.mu.Lock()
		other, taken := l.held[target]
		if !taken {
			free := make(chan struct{})
			l.held[target] = free
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				delete(l.held, target)
				l.mu.Unlock()
				close(free)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
