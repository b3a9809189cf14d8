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
	// secondLook is how long after the first look a wait looks again, before it joins.
	secondLook = 20 * time.Millisecond
	// nudgeEvery is how long the pump is given to take in who came.
	nudgeEvery = 10 * time.Millisecond
	// rebuildPause keeps a broken collector from being rebuilt in a tight loop.
	rebuildPause = 200 * time.Millisecond
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

// nudge has the pump take in those who came, until it has. Who has gone after nudgeEvery
// needs none: most calls find at their first read that it is over. The call may open just
// after it was to be cancelled, so once is not enough.
func (w *watcher) nudge() {
	for {
		select {
		case <-w.ctx.Done():
		case <-time.After(nudgeEvery):
		}
		if !w.behind() {
			return
		}
		w.mu.Lock()
		collector := w.collector
		w.mu.Unlock()
		if collector != nil {
			if err := collector.CancelWaitForUpdates(w.ctx); err != nil {
				w.mu.Lock()
				w.cut() // it went with the session that expired
				w.mu.Unlock()
			}
		}
	}
}

// behind reports whether somebody waits for what the view does not hold. Who hears no has
// stopped nudging.
func (w *watcher) behind() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ref := range w.watches {
		if !w.members[ref] && w.ctx.Err() == nil {
			return true
		}
	}
	w.nudging = false
	return false
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

// pump holds the one call open, from the first wait on until the session ends: making a
// collector for each wait would cost more than the wait.
func (w *watcher) pump() {
	var list *view.ListView
	var collector *property.Collector
	version := ""
	for w.ctx.Err() == nil {
		var err error
		if collector == nil {
			list, collector, err = w.build()
			version = ""
		}
		if err == nil {
			err = w.flush(list)
		}
		var response *types.WaitForUpdatesExResponse
		if err == nil {
			seconds := int32(updatesWait / time.Second)
			response, err = methods.WaitForUpdatesEx(w.opening(collector), w.session.client, &types.WaitForUpdatesEx{
				This: collector.Reference(), Version: version, Options: &types.WaitOptions{MaxWaitSeconds: &seconds},
			})
		}
		if _, cancelled := vimFault(err).(*types.RequestCanceled); cancelled {
			continue // somebody has come
		}
		if err != nil {
			// The session was renewed, or an object in the view is gone: begin anew.
			w.drop(list, collector)
			list, collector = nil, nil
			continue
		}
		if set := response.Returnval; set != nil {
			version = set.Version
			w.spread(set)
		}
	}
}

// opening notes the collector whose call is about to open, and gives the call's context.
func (w *watcher) opening(collector *property.Collector) context.Context {
	ctx, cut := context.WithCancel(w.ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut != nil {
		w.cut()
	}
	w.collector, w.cut = collector, cut
	return ctx
}

// build makes an empty view, a collector, and its filter over the view.
func (w *watcher) build() (*view.ListView, *property.Collector, error) {
	c := w.session.client
	list, err := view.NewManager(c).CreateListView(w.ctx, nil)
	if err != nil {
		return nil, nil, err
	}
	collector, err := property.DefaultCollector(c).Create(w.ctx)
	if err != nil {
		return list, nil, err
	}
	spec := types.PropertyFilterSpec{ObjectSet: []types.ObjectSpec{{
		Obj:       list.Reference(),
		Skip:      types.NewBool(true),
		SelectSet: []types.BaseSelectionSpec{list.TraversalSpec()},
	}}}
	for kind, paths := range watched {
		spec.PropSet = append(spec.PropSet, types.PropertySpec{Type: kind, PathSet: paths})
	}
	_, err = collector.CreateFilter(w.ctx, types.CreateFilter{Spec: spec})
	return list, collector, err
}

// drop takes away what was built, as far as it is still there, and waits a moment.
func (w *watcher) drop(list *view.ListView, collector *property.Collector) {
	w.mu.Lock()
	w.collector, w.members = nil, nil
	w.mu.Unlock()
	if collector != nil {
		_ = collector.Destroy(w.ctx)
	}
	if list != nil {
		_ = list.Destroy(w.ctx)
	}
	select {
	case <-w.ctx.Done():
	case <-time.After(rebuildPause):
	}
}

// flush makes the view hold exactly what is waited for, in one call.
func (w *watcher) flush(list *view.ListView) error {
	w.mu.Lock()
	wanted := map[types.ManagedObjectReference]bool{}
	var add, remove []types.ManagedObjectReference
	for ref := range w.watches {
		wanted[ref] = true
		if !w.members[ref] {
			add = append(add, ref)
		}
	}
	for ref := range w.members {
		if !wanted[ref] {
			remove = append(remove, ref)
		}
	}
	w.mu.Unlock()
	if len(add) == 0 && len(remove) == 0 {
		return nil
	}
	response, err := methods.ModifyListView(w.ctx, w.session.client, &types.ModifyListView{This: list.Reference(), Add: add, Remove: remove})
	if err != nil {
		return err
	}
	if gone := response.Returnval; len(gone) > 0 {
		// Their waiters find out when they reread.
		if _, err := list.Remove(w.ctx, gone); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.members = wanted
	return nil
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
