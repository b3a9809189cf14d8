package vsphere

import (
	"context"
	"strings"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// roleOf is the role of one replica, a folder on a datastore.
type roleOf struct {
	*client
	path string
}

func (r roleOf) observe(ctx context.Context) (drivers.Value, error) {
	m, err := r.readMarker(ctx, r.path)
	if err != nil {
		return drivers.Value{}, err
	}
	if m == nil {
		// A path that is no replica at all must not pass for a secondary one.
		_, err := r.readManifest(ctx, r.path)
		return drivers.Value{Text: drivers.Secondary}, err
	}
	return m.Value(), nil
}

func (r roleOf) apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	found, err := r.observe(ctx)
	if err != nil {
		return drivers.Value{}, err
	}
	switch c.Goal.Text {
	case drivers.Primary:
		return r.promote(ctx, c, found, progress)
	case drivers.Secondary:
		return r.demote(ctx, c, found)
	}
	return drivers.Value{}, drivers.Invalidf("set role of", "replica "+r.path, "%q is neither primary nor secondary", c.Goal.Text)
}

// demote takes the role back and keeps the promoted disks under their names. Without a
// marker it takes back what a promotion has left half made.
func (r roleOf) demote(ctx context.Context, c drivers.Change, found drivers.Value) (drivers.Value, error) {
	const op = "demote"
	object := "replica " + r.path
	secondary := drivers.Value{Text: drivers.Secondary}
	folder, err := parsePath(r.path)
	if err != nil {
		return drivers.Value{}, noReplica(r.path, err)
	}
	if found.Text == drivers.Secondary {
		if err := r.takeBack(ctx); err != nil {
			return drivers.Value{}, fail(op, object, err)
		}
		if err := r.deleteWritten(ctx, folder.join(restorepoint.MarkerName)); err != nil {
			return drivers.Value{}, fail(op, object, err)
		}
		kept, err := r.keptOf(ctx, c)
		secondary.Made = kept
		return secondary, err
	}
	if err := c.CheckExpected(op, object, found, restorepoint.SameRole); err != nil {
		return drivers.Value{}, err
	}
	for _, volume := range restorepoint.Names(found.Made) {
		users, err := r.attachedTo(ctx, found.Made[volume])
		if err != nil {
			return drivers.Value{}, fail(op, object, err)
		}
		for _, user := range users {
			if user.on {
				return drivers.Value{}, drivers.Refusef(op, object, "power that VM off first", "%s is on and runs on %s", user.name, found.Made[volume])
			}
		}
	}
	if err := r.settleRecords(ctx, found.Made); err != nil {
		return drivers.Value{}, fail(op, object, err)
	}
	if err := r.deleteWritten(ctx, folder.join(restorepoint.MarkerName)); err != nil {
		return drivers.Value{}, fail(op, object, err)
	}
	secondary.Made = found.Made
	return secondary, nil
}

// keptOf tells what an earlier, cut off, application of this same demotion kept: what was
// expected to be primary, and is still there.
func (r roleOf) keptOf(ctx context.Context, c drivers.Change) (map[string]string, error) {
	for _, value := range c.Expected {
		if value.Text != drivers.Primary {
			continue
		}
		kept := map[string]string{}
		for volume, endpoint := range value.Made {
			exists, err := r.diskExists(ctx, endpoint)
			if err != nil {
				return nil, err
			}
			if exists {
				kept[volume] = endpoint
			}
		}
		if len(kept) > 0 {
			return kept, nil
		}
	}
	return nil, nil
}

// takeBack deletes the disks of promotions that were cut off: nothing ever ran on them.
func (r roleOf) takeBack(ctx context.Context) error {
	records, err := r.hanging(ctx)
	if err != nil {
		return err
	}
	for _, rec := range records {
		if !rec.Promoting {
			continue
		}
		if err := r.deleteVolume(ctx, rec); err != nil {
			return err
		}
	}
	return nil
}

// hanging lists the records of the volumes that hang on the replica, by its pins.
func (r roleOf) hanging(ctx context.Context) ([]restorepoint.Record, error) {
	folder, err := parsePath(r.path)
	if err != nil {
		return nil, noReplica(r.path, err)
	}
	files, err := r.listFiles(ctx, folder.join(restorepoint.PinsName), "*.json")
	if err != nil {
		return nil, err
	}
	var records []restorepoint.Record
	for _, file := range files {
		content, err := r.readFile(ctx, folder.join(restorepoint.PinsName, file))
		if err != nil {
			return nil, err
		}
		p, err := restorepoint.ParsePin(content, file+" of "+r.path)
		if err != nil {
			return nil, err
		}
		if p.Site != r.settings.site || !strings.Contains(p.Target, "/") {
			continue
		}
		name, err := restorepoint.ParseVolume(p.Target)
		if err != nil {
			return nil, err
		}
		rec, err := r.readRecord(ctx, name)
		if err != nil {
			return nil, err
		}
		if rec != nil {
			records = append(records, *rec)
		}
	}
	return records, nil
}

// settleRecords notes that the promotion of these disks is complete: from now on they
// hold what somebody wrote, and are never taken back.
func (r roleOf) settleRecords(ctx context.Context, volumes map[string]string) error {
	for _, volume := range restorepoint.Names(volumes) {
		rec, err := r.recordOf(ctx, volumes[volume])
		if err != nil {
			return err
		}
		if rec == nil || !rec.Promoting {
			continue
		}
		rec.Promoting = false
		name, err := restorepoint.ParseVolume(rec.Target)
		if err != nil {
			return err
		}
		if err := r.writeRecord(ctx, name, *rec); err != nil {
			return err
		}
	}
	return nil
}
