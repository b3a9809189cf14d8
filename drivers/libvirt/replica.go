package libvirt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// roleOf is the role of one replica, a folder that the hosts and this machine share.
type roleOf struct {
	*cluster
	path string
}

func (r roleOf) markerPath() string { return filepath.Join(r.path, restorepoint.MarkerName) }

func (r roleOf) observe(context.Context) (drivers.Value, error) {
	m, err := readMarker(r.path)
	if err != nil {
		return drivers.Value{}, err
	}
	if m == nil {
		// A path that is no replica at all must not pass for a secondary one.
		_, err := readManifest(r.path)
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
	if found.Text == drivers.Secondary {
		if err := r.takeBack(ctx); err != nil {
			return drivers.Value{}, fail(op, object, err)
		}
		if err := deleteFile(r.markerPath()); err != nil { // one that was not written to its end
			return drivers.Value{}, fail(op, object, err)
		}
		kept, err := keptOf(c)
		return drivers.Value{Text: drivers.Secondary, Made: kept}, fail(op, object, err)
	}
	if err := c.CheckExpected(op, object, found, restorepoint.SameRole); err != nil {
		return drivers.Value{}, err
	}
	all, err := r.readUsages(ctx)
	if err != nil {
		return drivers.Value{}, fail(op, object, err)
	}
	for _, volume := range restorepoint.Names(found.Made) {
		user := users(all, found.Made[volume], func(u usage, _ usedDisk, _ bool) bool { return u.inUse() })
		if user != nil {
			return drivers.Value{}, drivers.Refusef(op, object, "power that VM off first", "%s is %s on host %s, with the disk %s", user.name, user.power(), user.host.name, found.Made[volume])
		}
	}
	if err := r.settleRecords(found.Made); err != nil {
		return drivers.Value{}, fail(op, object, err)
	}
	if err := deleteFile(r.markerPath()); err != nil {
		return drivers.Value{}, fail(op, object, err)
	}
	return drivers.Value{Text: drivers.Secondary, Made: found.Made}, fail(op, object, syncPath(r.path))
}

// keptOf tells what an earlier, cut off, application of this same demotion kept: what was
// expected to be primary, and is still there.
func keptOf(c drivers.Change) (map[string]string, error) {
	for _, value := range c.Expected {
		if value.Text != drivers.Primary {
			continue
		}
		kept := map[string]string{}
		for volume, endpoint := range value.Made {
			there, err := exists(endpoint)
			if err != nil {
				return nil, err
			}
			if there {
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
	records, err := r.hanging()
	if err != nil {
		return err
	}
	for _, rec := range records {
		if rec.Promoting {
			if err := r.deleteVolume(ctx, rec); err != nil {
				return err
			}
		}
	}
	return nil
}

// hanging lists the records of the volumes that hang on the replica, by its pins.
func (r roleOf) hanging() ([]restorepoint.Record, error) {
	folder := filepath.Join(r.path, restorepoint.PinsName)
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var records []restorepoint.Record
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") || strings.HasPrefix(e.Name(), scratchPrefix) {
			continue
		}
		content, err := readFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, err
		}
		if content == nil {
			continue
		}
		p, err := restorepoint.ParsePin(content, e.Name())
		if err != nil {
			return nil, err
		}
		if p.Site != r.settings.site {
			continue
		}
		name, err := restorepoint.ParseVolume(p.Target)
		if err != nil {
			return nil, err
		}
		rec, err := readRecord(r.recordPath(name))
		if err != nil {
			return nil, err
		}
		if rec != nil && rec.Replica == r.path {
			records = append(records, *rec)
		}
	}
	return records, nil
}

// settleRecords notes that the promotion of these disks is complete: from now on they
// hold what somebody wrote, and are never taken back.
func (r roleOf) settleRecords(volumes map[string]string) error {
	for _, volume := range restorepoint.Names(volumes) {
		rec, err := r.recordOf(volumes[volume])
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
		if err := writeFile(r.recordPath(name), append(restorepoint.Encode(rec), '\n')); err != nil {
			return err
		}
	}
	return nil
}
