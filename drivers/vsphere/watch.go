package vsphere

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25/types"
)

// watched are the properties that the watcher follows, by type.
var watched = map[string][]string{
	"Task":           {"info.state", "info.error", "info.result", "info.progress"},
	"VirtualMachine": {"runtime.powerState", "runtime.question"},
}

const (
	// rereadEvery bounds how long a lost update can go unnoticed.
	rereadEvery = 5 * time.Second
	// secondLook is how long after the first look a wait looks again, before it joins.
	secondLook = 20 * time.Millisecond
)

// watcher follows the state of tasks and VMs for everybody who waits, with one property
// collector: one list view of what is waited for, one filter over it, one call open at a
// time. A collector for each waiter would be several times slower.
//
// Only the pump changes the view, and only while no call is open: whoever comes has the
// open call cancelled. (A view that changes under an open call can lock up govmomi's
// simulator.)
type watcher struct {
	session *session
	reads   *reads
	ctx     context.Context // ends with the driver's session

	mu        sync.Mutex
	watches   map[types.ManagedObjectReference]*watch
	members   map[types.ManagedObjectReference]bool // of the view
	running   bool                                  // the pump
	nudging   bool
	collector *property.Collector // whose call is open, or about to be
	cut       context.CancelFunc  // ends the open call on our side
}

// watch is what is known of one object that somebody waits for.
type watch struct {
	users   int
	updates int // that the collector brought
	state   map[string]any
	changed chan struct{} // closed at each change
}

func newWatcher(ctx context.Context, s *session, r *reads) *watcher {
	return &watcher{session: s, reads: r, ctx: ctx, watches: map[types.ManagedObjectReference]*watch{}}
}

// until waits until done says so of the object's state, which it may not keep. Much is over
// at once: that is found by two looks, which cost less than a change of the view, for which
// the open call is cancelled. Who has joined reads once more, so a change just before is
// not missed.
func (w *watcher) until(ctx context.Context, ref types.ManagedObjectReference, done func(state map[string]any) (bool, error)) error {
	for look := range 2 {
		if look > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-w.ctx.Done():
				return errClosed
			case <-time.After(secondLook):
			}
		}
		state, err := w.read(ctx, ref)
		if err != nil {
			return err
		}
		if ok, err := done(state); ok || err != nil {
			return err
		}
	}
	w.join(ref)
	defer w.leave(ref)
	if err := w.reread(ctx, ref); err != nil {
		return err
	}
	timer := time.NewTicker(rereadEvery)
	defer timer.Stop()
	for {
		state, changed := w.look(ref)
		if ok, err := done(state); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.ctx.Done():
			return errClosed
		case <-changed:
		case <-timer.C:
			if err := w.reread(ctx, ref); err != nil {
				return err
			}
		}
	}
}

func (w *watcher) join(ref types.ManagedObjectReference) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watches[ref] == nil {
		w.watches[ref] = &watch{state: map[string]any{}, changed: make(chan struct{})}
	}
	w.watches[ref].users++
	switch {
	case !w.running:
		w.running = true
		go w.pump()
	case !w.nudging && !w.members[ref]:
		w.nudging = true
		go w.nudge()
	}
}

func (w *watcher) leave(ref types.ManagedObjectReference) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watches[ref].users--
	if w.watches[ref].users == 0 {
		delete(w.watches, ref)
	}
}

func (w *watcher) look(ref types.ManagedObjectReference) (map[string]any, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.watches[ref].state), w.watches[ref].changed
}

func (watch *watch) note(values map[string]any) {
	maps.Copy(watch.state, values)
	close(watch.changed)
	watch.changed = make(chan struct{})
}

// reread reads the state by a call of its own. Where the collector brings news while that
// call is under way, the news stand: what was read may be older.
func (w *watcher) reread(ctx context.Context, ref types.ManagedObjectReference) error {
	w.mu.Lock()
	before := w.watches[ref].updates
	w.mu.Unlock()
	values, err := w.read(ctx, ref)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	watch := w.watches[ref]
	if watch.updates != before {
		for path := range watch.state {
			delete(values, path)
		}
	}
	watch.note(values)
	return nil
}

// read gives every watched property of an object, nil where it is unset.
func (w *watcher) read(ctx context.Context, ref types.ManagedObjectReference) (map[string]any, error) {
	paths := watched[ref.Type]
	content, err := w.reads.object(ctx, ref, paths)
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	for _, path := range paths {
		values[path] = nil
	}
	for _, p := range content.PropSet {
		values[p.Name] = p.Val
	}
	return values, nil
}
