package libvirt

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// volumeOf is the presence of one volume: an overlay on a restore point's disk.
type volumeOf struct {
	*cluster
	target string
}

// home is where what this site's driver makes lies in the volumes pool.
func (cl *cluster) home() string {
	return filepath.Join(cl.folder, "hotspare", restorepoint.Escape(cl.settings.site))
}

// place gives a file of a volume: its disk, its record, or a note.
func (cl *cluster) place(v restorepoint.VolumeName, ending string) string {
	return filepath.Join(cl.home(), "volumes", restorepoint.Escape(v.Holder), restorepoint.Escape(v.Volume)+ending)
}

func (cl *cluster) diskPath(v restorepoint.VolumeName) string   { return cl.place(v, ".qcow2") }
func (cl *cluster) recordPath(v restorepoint.VolumeName) string { return cl.place(v, ".json") }

func (v volumeOf) observe(context.Context) (drivers.Value, error) {
	name, err := restorepoint.ParseVolume(v.target)
	if err != nil {
		return drivers.Value{}, err
	}
	_, value, err := v.look(name)
	return value, err
}

// look reads a volume's record and tells whether its disk is there. A disk without a
// record is there, and not ours: its value has no rest.
func (cl *cluster) look(name restorepoint.VolumeName) (*restorepoint.Record, drivers.Value, error) {
	absent := drivers.Value{Text: drivers.Absent}
	r, err := readRecord(cl.recordPath(name))
	if err != nil {
		return nil, absent, err
	}
	endpoint := cl.diskPath(name)
	if r != nil {
		endpoint = r.Endpoint
	}
	there, err := exists(endpoint)
	if err != nil || !there {
		return r, absent, err
	}
	if r != nil {
		return r, r.Value(), nil
	}
	// Another volume's disk may lie here, if that one was renamed.
	if renamed, err := cl.renamedRecord(endpoint); err != nil || renamed != nil {
		return nil, absent, err
	}
	return nil, drivers.Value{Text: drivers.Present, Made: map[string]string{drivers.MadeEndpoint: endpoint}}, nil
}

func (v volumeOf) apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	name, err := restorepoint.ParseVolume(v.target)
	if err != nil {
		return drivers.Value{}, err
	}
	r, found, err := v.look(name)
	if err != nil {
		return drivers.Value{}, err
	}
	foreign := found.Text == drivers.Present && r == nil
	switch {
	case foreign && c.Goal.Text == drivers.Absent:
		return drivers.Value{}, drivers.Refusef("delete", "volume "+v.target, "delete it by hand, if it may go",
			"the disk %s is not ours", found.Made[drivers.MadeEndpoint])
	case foreign:
		return drivers.Value{}, drivers.Drifted("set presence of", "volume "+v.target, found,
			"there is a disk %s that is not ours", found.Made[drivers.MadeEndpoint])
	case c.Goal.Text == drivers.Present:
		return v.make(ctx, c, name, r, found, progress)
	case c.Goal.Text == drivers.Absent:
		return v.remove(ctx, c, name, r, found)
	}
	return drivers.Value{}, drivers.Invalidf("set presence of", "volume "+v.target, "%q is neither present nor absent", c.Goal.Text)
}

func (v volumeOf) make(ctx context.Context, c drivers.Change, name restorepoint.VolumeName, old *restorepoint.Record, found drivers.Value, progress func(drivers.Progress)) (drivers.Value, error) {
	const op = "make"
	object := "volume " + v.target
	if found.Text == drivers.Present && old.HangsOn(c.Goal) {
		return found, nil
	}
	if err := c.CheckExpected(op, object, found, restorepoint.SameVolume); err != nil {
		return drivers.Value{}, err
	}
	if found.Text == drivers.Present {
		return drivers.Value{}, drivers.Drifted(op, object, found, "it is there and hangs on restore point %s", old.RestorePoint)
	}
	if c.Goal.Spec == nil || c.Goal.Spec.Volume == nil {
		return drivers.Value{}, drivers.Invalidf(op, object, "the goal does not say of which restore point")
	}
	spec := c.Goal.Spec.Volume
	points, err := readManifest(spec.Replica)
	if err != nil {
		return drivers.Value{}, err
	}
	point, err := restorepoint.Find(points, spec.Replica, spec.RestorePoint)
	if err != nil {
		return drivers.Value{}, err
	}
	parent, ok := point.Volumes[spec.Volume]
	if !ok {
		return drivers.Value{}, drivers.NotFoundf(op, object, "check the volume's name", "restore point %s has no volume %s", point.ID, spec.Volume)
	}
	if old != nil && old.Replica != spec.Replica {
		// One that was cut off, of another replica: its pin lies there.
		if err := v.deleteVolume(ctx, *old); err != nil {
			return drivers.Value{}, fail(op, object, err)
		}
	}
	r := restorepoint.Record{
		V: 1, Target: v.target, Owner: c.Owner, Change: c.ID, Endpoint: v.diskPath(name), Parents: []string{parent},
		Replica: spec.Replica, RestorePoint: spec.RestorePoint, Volume: spec.Volume,
	}
	progress(drivers.Progress{Message: "making an overlay of " + spec.RestorePoint})
	if err := v.announce(name, r); err != nil {
		return drivers.Value{}, fail(op, object, err)
	}
	if err := v.makeDisks(ctx, []restorepoint.Record{r}); err != nil {
		return drivers.Value{}, fail(op, object, errors.Join(err, v.unmade(ctx, r, err)))
	}
	return v.observe(ctx)
}

// unmade takes back the record and the pin of a volume that cannot be made, unless it may
// be tried again.
func (cl *cluster) unmade(ctx context.Context, r restorepoint.Record, why error) error {
	if k := drivers.KindOf(why); k != drivers.Refused && k != drivers.NotFound {
		return nil
	}
	return cl.deleteVolume(ctx, r)
}

// announce writes down a volume before it is made: its record, then its pin.
func (cl *cluster) announce(name restorepoint.VolumeName, r restorepoint.Record) error {
	if err := writeFile(cl.recordPath(name), append(restorepoint.Encode(r), '\n')); err != nil {
		return err
	}
	return cl.writePin(r)
}

// makeDisks makes the overlays of these records that do not exist yet.
func (cl *cluster) makeDisks(ctx context.Context, records []restorepoint.Record) error {
	for _, r := range records {
		if err := ctx.Err(); err != nil {
			return err
		}
		there, err := exists(r.Endpoint)
		if err != nil {
			return err
		}
		if there {
			continue
		}
		parent := r.Parents[0]
		if _, err := os.Stat(parent); errors.Is(err, os.ErrNotExist) {
			return drivers.NotFoundf("make", "volume "+r.Target, "choose another restore point", "the restore point's file %s is gone", parent)
		}
		if err := makeOverlay(ctx, r.Endpoint, parent, formatFor(parent, "qcow2")); err != nil {
			return err
		}
	}
	return nil
}

func (v volumeOf) remove(ctx context.Context, c drivers.Change, name restorepoint.VolumeName, r *restorepoint.Record, found drivers.Value) (drivers.Value, error) {
	const op = "delete"
	object := "volume " + v.target
	absent := drivers.Value{Text: drivers.Absent}
	if r == nil {
		err := deleteFile(v.recordPath(name)) // one that was cut off
		_ = os.Remove(filepath.Dir(v.recordPath(name)))
		return absent, fail(op, object, err)
	}
	if found.Text == drivers.Present {
		if err := c.CheckExpected(op, object, found, restorepoint.SameVolume); err != nil {
			return drivers.Value{}, err
		}
	}
	m, err := readMarker(r.Replica)
	if err != nil {
		return drivers.Value{}, fail(op, object, err)
	}
	if m != nil && m.Holds(r.Endpoint) {
		return drivers.Value{}, drivers.Refusef(op, object, "demote the replica first", "it is a promoted disk of %s, which is primary", r.Replica)
	}
	return absent, fail(op, object, v.deleteVolume(ctx, *r))
}

// deleteVolume deletes a volume of ours with its pin, and its record last. It refuses
// while any VM has the disk, or one that hangs on it.
func (cl *cluster) deleteVolume(ctx context.Context, r restorepoint.Record) error {
	name, err := restorepoint.ParseVolume(r.Target)
	if err != nil {
		return err
	}
	if !cl.ours(r.Endpoint) {
		return drivers.Refusef("delete", "volume "+r.Target, "look at the record, and who wrote it", "its record names the disk %s, which is none of ours", r.Endpoint)
	}
	there, err := exists(r.Endpoint)
	if err != nil {
		return err
	}
	if there {
		all, err := cl.readUsages(ctx)
		if err != nil {
			return err
		}
		if err := cl.unseen(); err != nil {
			return err
		}
		if user := users(all, r.Endpoint, func(usage, usedDisk, bool) bool { return true }); user != nil {
			return drivers.Refusef("delete", "volume "+r.Target, "give that VM another disk first", "%s on host %s has it attached", user.name, user.host.name)
		}
	}
	if err := deleteFile(r.Endpoint); err != nil { // also what is left of its making
		return err
	}
	if err := cl.deletePin(r); err != nil {
		return err
	}
	if r.Endpoint != cl.diskPath(name) {
		if err := deleteFile(renameNote(r.Endpoint)); err != nil {
			return err
		}
	}
	if err := deleteFile(cl.recordPath(name)); err != nil {
		return err
	}
	_ = os.Remove(filepath.Dir(cl.recordPath(name))) // of a holder that has no other volume
	return nil
}
