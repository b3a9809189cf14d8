package vsphere

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	// batchLimit is how long a read for many may take before each reads alone: one object
	// that hangs must not hold up the others.
	batchLimit = 5 * time.Second
	// batchPatience is how long a read for many waits for the one before.
	batchPatience = 100 * time.Millisecond
)

// reads reads single objects. Reads of the same properties at one time share a call: a
// wave of changes would else be mostly the costs of calls.
type reads struct {
	vim *vim25.Client

	mu    sync.Mutex
	kinds map[string]*batches[types.ManagedObjectReference, seen]
}

// seen is what vCenter says of an object, and which tasks it is at work on there, where
// these were asked for.
type seen struct {
	content types.ObjectContent
	running []runningTask
}

// object reads properties of an object.
func (r *reads) object(ctx context.Context, ref types.ManagedObjectReference, paths []string) (types.ObjectContent, error) {
	found, err := r.read(ctx, ref, paths, false)
	return found.content, err
}

// withTasks reads properties of an object, and which of its recent tasks have not ended.
// Whether the properties are from before or after a task's end is not said: read again
// what tasks change.
func (r *reads) withTasks(ctx context.Context, ref types.ManagedObjectReference, paths []string) (types.ObjectContent, []runningTask, error) {
	found, err := r.read(ctx, ref, paths, true)
	return found.content, found.running, err
}

func (r *reads) read(ctx context.Context, ref types.ManagedObjectReference, paths []string, tasks bool) (seen, error) {
	found, ok, err := r.batches(ref.Type, paths, tasks).read(ctx, ref)
	if isFault(err) || errors.Is(err, errNoAnswer) {
		// Some object of the batch is to blame, and the others are not to suffer for it.
		var alone map[types.ManagedObjectReference]seen
		alone, err = r.retrieve(ctx, []types.ManagedObjectReference{ref}, paths, tasks)
		found, ok = alone[ref]
	}
	if err == nil && !ok {
		err = fmt.Errorf("vCenter says nothing of %s", ref)
	}
	return found, err
}

// batches gives the batches in which these properties are read.
func (r *reads) batches(kind string, paths []string, tasks bool) *batches[types.ManagedObjectReference, seen] {
	key := fmt.Sprint(kind, tasks, strings.Join(paths, " "))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kinds == nil {
		r.kinds = map[string]*batches[types.ManagedObjectReference, seen]{}
	}
	if r.kinds[key] == nil {
		paths = slices.Clone(paths)
		r.kinds[key] = &batches[types.ManagedObjectReference, seen]{
			limit: batchLimit, patience: batchPatience,
			call: func(ctx context.Context, refs []types.ManagedObjectReference) (map[types.ManagedObjectReference]seen, error) {
				return r.retrieve(ctx, refs, paths, tasks)
			},
		}
	}
	return r.kinds[key]
}

// retrieve reads objects of one type in one call. One that has gone fails it.
func (r *reads) retrieve(ctx context.Context, refs []types.ManagedObjectReference, paths []string, tasks bool) (map[types.ManagedObjectReference]seen, error) {
	spec := types.PropertyFilterSpec{PropSet: []types.PropertySpec{{Type: refs[0].Type, PathSet: paths}}}
	var toTasks []types.BaseSelectionSpec
	if tasks {
		toTasks = []types.BaseSelectionSpec{recentTasksOf(refs[0].Type)}
		spec.PropSet = append(spec.PropSet, taskProperties)
	}
	for _, ref := range refs {
		spec.ObjectSet = append(spec.ObjectSet, types.ObjectSpec{Obj: ref, Skip: types.NewBool(false), SelectSet: toTasks})
	}
	response, err := property.DefaultCollector(r.vim).RetrieveProperties(ctx, types.RetrieveProperties{SpecSet: []types.PropertyFilterSpec{spec}})
	if err != nil {
		return nil, err
	}
	running := map[types.ManagedObjectReference][]runningTask{}
	if tasks {
		for _, t := range runningOf(response.Returnval) {
			running[t.entity] = append(running[t.entity], t)
		}
	}
	found := map[types.ManagedObjectReference]seen{}
	for _, content := range response.Returnval {
		if slices.Contains(refs, content.Obj) {
			// A task that names no entity may be anybody's.
			of := slices.Concat(running[content.Obj], running[types.ManagedObjectReference{}])
			found[content.Obj] = seen{content, of}
		}
	}
	return found, nil
}
