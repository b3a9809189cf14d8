package vsphere

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// batches lets many callers share calls: what is asked for while a call is under way is
// asked for in the next one, together. A call begins only after everybody whom it serves
// has asked, so what it says is never older than the question. The end of one caller does
// not end the call of the others.
type batches[K comparable, V any] struct {
	call     func(ctx context.Context, keys []K) (map[K]V, error)
	limit    time.Duration // of one call
	patience time.Duration // with the call before, until the next one begins beside it

	mu     sync.Mutex
	next   *batch[K, V]  // not begun yet
	latest chan struct{} // closed when the call that began last has ended
}

// batch is one call; values and err are set when done is closed.
type batch[K comparable, V any] struct {
	keys   map[K]bool
	done   chan struct{}
	values map[K]V
	err    error
}

// read gives what a call that begins from now on says of a key, and whether it says
// anything.
func (b *batches[K, V]) read(ctx context.Context, key K) (V, bool, error) {
	b.mu.Lock()
	mine := b.next
	if mine == nil {
		mine = &batch[K, V]{keys: map[K]bool{}, done: make(chan struct{})}
		b.next = mine
		go b.run(mine, b.latest)
	}
	mine.keys[key] = true
	b.mu.Unlock()
	select {
	case <-mine.done:
		value, ok := mine.values[key]
		return value, ok, mine.err
	case <-ctx.Done():
		var none V
		return none, false, ctx.Err()
	}
}

// run makes the call once the one before has ended, or has taken too long.
func (b *batches[K, V]) run(mine *batch[K, V], before <-chan struct{}) {
	if before != nil {
		select {
		case <-before:
		case <-time.After(b.patience):
		}
	}
	b.mu.Lock()
	b.next, b.latest = nil, mine.done
	b.mu.Unlock()
	ctx, cancel := limited(context.Background(), b.limit)
	defer cancel()
	mine.values, mine.err = b.call(ctx, slices.Collect(maps.Keys(mine.keys)))
	if mine.err != nil && ctx.Err() != nil {
		mine.err = context.Cause(ctx)
	}
	close(mine.done)
}
