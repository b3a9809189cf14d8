package vsphere

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

// watched are the properties that the watcher follows, by type.
var watched = map[string][]string{
	"Task":           {"info.state", "info.error", "info.result", "info.progress"},
	"VirtualMachine": {"runtime.powerState", "runtime.question"},
}

const (
	// updatesWait is how long one WaitForUpdatesEx stays open.
	updatesWait = 20 * time.Second
	// rereadEvery bounds how long a lost update can go unnoticed.
	rereadEvery = 5 * time.Second
	// rebuildPause keeps a broken collector from being rebuilt in a tight loop.
	rebuildPause = 200 * time.Millisecond
)

// watcher follows the state of tasks and VMs for everybody who waits, with one property
// collector: one list view of what is waited for, one filter over it, one call open at a
// time. A collector for each waiter would be several times slower.
type watcher struct {
	session *session
	ctx     context.Context // ends with the driver's session

	mu      sync.Mutex
	watches map[types.ManagedObjectReference]*watch
	running bool               // the pump
	cut     context.CancelFunc // ends the pump's open call

	flushing sync.Mutex // held while the view's members are changed
	view     *view.ListView
	members  map[types.ManagedObjectReference]bool
}

// watch is what is known of one object that somebody waits for.
type watch struct {
	users   int
	updates int // that the collector brought
	state   map[string]any
	changed chan struct{} // closed at each change
}

func newWatcher(ctx context.Context, s *session) *watcher {
	return &watcher{session: s, ctx: ctx, watches: map[types.ManagedObjectReference]*watch{}}
}

// until waits until done says so of the object's state, which it may not keep. It reads
// the state once itself, so a change just before is not missed.
func (w *watcher) until(ctx context.Context, ref types.ManagedObjectReference, done func(state map[string]any) (bool, error)) error {
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
	if !w.running {
		w.running = true
		go w.pump()
	} else {
		go w.flush() // into the view that the open call already watches
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

// learn notes what the collector brings. A value nil says that the property is unset now.
func (w *watcher) learn(ref types.ManagedObjectReference, values map[string]any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if watch := w.watches[ref]; watch != nil {
		watch.updates++
		watch.note(values)
	}
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
	paths := watched[ref.Type]
	var content []types.ObjectContent
	if err := property.DefaultCollector(w.session.client).Retrieve(ctx, []types.ManagedObjectReference{ref}, paths, &content); err != nil {
		return err
	}
	values := map[string]any{}
	for _, path := range paths {
		values[path] = nil
	}
	for _, c := range content {
		for _, p := range c.PropSet {
			values[p.Name] = p.Val
		}
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

// pump holds the one call open, from the first wait on until the session ends: making a
// collector for each wait would cost more than the wait.
func (w *watcher) pump() {
	var collector *property.Collector
	version := ""
	for w.ctx.Err() == nil {
		if collector == nil {
			built, err := w.build(w.ctx)
			if err != nil {
				w.pause()
				continue
			}
			collector, version = built, ""
		}
		w.flush()
		seconds := int32(updatesWait / time.Second)
		response, err := methods.WaitForUpdatesEx(w.opening(), w.session.client, &types.WaitForUpdatesEx{
			This: collector.Reference(), Version: version, Options: &types.WaitOptions{MaxWaitSeconds: &seconds},
		})
		if err != nil {
			// The session was renewed, or an object in the view is gone: begin anew.
			_ = collector.Destroy(w.ctx)
			w.forget()
			collector = nil
			w.pause()
			continue
		}
		if set := response.Returnval; set != nil {
			version = set.Version
			w.spread(set)
		}
	}
}

// opening gives the context of the next open call, which broken ends.
func (w *watcher) opening() context.Context {
	ctx, cut := context.WithCancel(w.ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut != nil {
		w.cut()
	}
	w.cut = cut
	return ctx
}

// broken has the pump build its collector anew now, and not at the end of its open call.
func (w *watcher) broken() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut != nil {
		w.cut()
	}
}

func (w *watcher) pause() {
	select {
	case <-w.ctx.Done():
	case <-time.After(rebuildPause):
	}
}

// build makes the collector, an empty view, and the filter over it.
func (w *watcher) build(ctx context.Context) (*property.Collector, error) {
	c := w.session.client
	list, err := view.NewManager(c).CreateListView(ctx, nil)
	if err != nil {
		return nil, err
	}
	collector, err := property.DefaultCollector(c).Create(ctx)
	if err != nil {
		return nil, err
	}
	spec := types.PropertyFilterSpec{ObjectSet: []types.ObjectSpec{{
		Obj:       list.Reference(),
		Skip:      types.NewBool(true),
		SelectSet: []types.BaseSelectionSpec{list.TraversalSpec()},
	}}}
	for kind, paths := range watched {
		spec.PropSet = append(spec.PropSet, types.PropertySpec{Type: kind, PathSet: paths})
	}
	if _, err := collector.CreateFilter(ctx, types.CreateFilter{Spec: spec}); err != nil {
		return nil, err
	}
	w.flushing.Lock()
	defer w.flushing.Unlock()
	w.view, w.members = list, map[types.ManagedObjectReference]bool{}
	return collector, nil
}

// forget drops the view: the pump's next round makes another.
func (w *watcher) forget() {
	w.flushing.Lock()
	defer w.flushing.Unlock()
	if w.view != nil {
		_ = w.view.Destroy(w.ctx)
	}
	w.view, w.members = nil, nil
}

// flush makes the view hold exactly what is waited for. Many joins at once make one call.
func (w *watcher) flush() {
	w.flushing.Lock()
	defer w.flushing.Unlock()
	if w.view == nil {
		return // the pump is about to build it
	}
	add, remove := w.difference()
	if len(add) == 0 && len(remove) == 0 {
		return
	}
	response, err := methods.ModifyListView(w.ctx, w.session.client, &types.ModifyListView{
		This: w.view.Reference(), Add: add, Remove: remove,
	})
	if err != nil {
		w.broken() // the view went with the session that expired
		return
	}
	for _, ref := range remove {
		delete(w.members, ref)
	}
	for _, ref := range add {
		w.members[ref] = true
	}
	if gone := response.Returnval; len(gone) > 0 {
		_, _ = w.view.Remove(w.ctx, gone) // their waiters find out when they reread
	}
}

// difference tells what the view lacks and what it has too much.
func (w *watcher) difference() (add, remove []types.ManagedObjectReference) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ref := range w.watches {
		if !w.members[ref] {
			add = append(add, ref)
		}
	}
	for ref := range w.members {
		if w.watches[ref] == nil {
			remove = append(remove, ref)
		}
	}
	return add, remove
}

// spread hands updates to those who wait.
func (w *watcher) spread(set *types.UpdateSet) {
	for _, filter := range set.FilterSet {
		for _, update := range filter.ObjectSet {
			values := map[string]any{}
			for _, change := range update.ChangeSet {
				values[change.Name] = change.Val
			}
			if len(values) > 0 {
				w.learn(update.Obj, values)
			}
		}
	}
}
