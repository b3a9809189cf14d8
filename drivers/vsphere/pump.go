package vsphere

import (
	"context"
	"time"

	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	// updatesWait is how long one WaitForUpdatesEx stays open.
	updatesWait = 20 * time.Second
	// nudgeEvery is how long the pump is given to take in who came.
	nudgeEvery = 10 * time.Millisecond
	// rebuildPause keeps a broken collector from being rebuilt in a tight loop.
	rebuildPause = 200 * time.Millisecond
)

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

// learn notes what the collector brings. A value nil says that the property is unset now.
func (w *watcher) learn(ref types.ManagedObjectReference, values map[string]any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if watch := w.watches[ref]; watch != nil {
		watch.updates++
		watch.note(values)
	}
}
