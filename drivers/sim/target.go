package sim

import (
	"context"
	"sync"
)

// targets lets one call at a time change a target; the others wait.
type targets struct {
	mu   sync.Mutex
	busy map[string]*waitable
}

type waitable struct {
	turn  chan struct{} // holds one token while nobody works on the target
	users int
}

// take waits until the target is free, or the context ends.
func (t *targets) take(ctx context.Context, target string) (release func(), err error) {
	t.mu.Lock()
	if t.busy == nil {
		t.busy = map[string]*waitable{}
	}
	w := t.busy[target]
	if w == nil {
		w = &waitable{turn: make(chan struct{}, 1)}
		w.turn <- struct{}{}
		t.busy[target] = w
	}
	w.users++
	t.mu.Unlock()

	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if w.users--; w.users == 0 {
			delete(t.busy, target)
		}
	}
	select {
	case <-w.turn:
		return func() { w.turn <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
