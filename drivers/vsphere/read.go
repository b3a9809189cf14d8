package vsphere

import (
	"context"
	"errors"

	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

// retrieveOne reads properties of one object into the managed object at dst.
func retrieveOne(ctx context.Context, c *vim25.Client, ref types.ManagedObjectReference, paths []string, dst any) error {
	return property.DefaultCollector(c).RetrieveOne(ctx, ref, paths, dst)
}

// retrieveMany reads properties of objects of one type into the slice at dst, in one
// call. An object that has gone is left out.
func retrieveMany(ctx context.Context, c *vim25.Client, refs []types.ManagedObjectReference, paths []string, dst any) error {
	if len(refs) == 0 {
		return nil
	}
	err := property.DefaultCollector(c).Retrieve(ctx, refs, paths, dst)
	if !isGone(err) {
		return err
	}
	// One has gone meanwhile, and fails the call for all: leave it out and ask again.
	left := refs[:0:0]
	for _, ref := range refs {
		exists := []types.ObjectContent{}
		err := property.DefaultCollector(c).Retrieve(ctx, []types.ManagedObjectReference{ref}, paths[:1], &exists)
		if err == nil {
			left = append(left, ref)
		} else if !isGone(err) {
			return err
		}
	}
	if len(left) == len(refs) {
		return err
	}
	return retrieveMany(ctx, c, left, paths, dst)
}

// retrieveBelow reads properties of every object of one type below a container into dst:
// a slice of managed objects, or of types.ObjectContent. The view that it needs goes with a
// session that expires, and is then made anew.
func retrieveBelow(ctx context.Context, c *vim25.Client, container types.ManagedObjectReference, kind string, paths []string, dst any) error {
	for attempt := 0; ; attempt++ {
		v, err := view.NewManager(c).CreateContainerView(ctx, container, []string{kind}, true)
		if err != nil {
			return err
		}
		err = v.Retrieve(ctx, []string{kind}, paths, dst)
		if gone, ok := vimFault(err).(*types.ManagedObjectNotFound); ok && gone.Obj == v.Reference() && attempt == 0 {
			continue
		}
		// The view lives in the session; without this they would add up.
		if after := v.Destroy(context.WithoutCancel(ctx)); !isGone(after) {
			err = errors.Join(err, after)
		}
		return err
	}
}
