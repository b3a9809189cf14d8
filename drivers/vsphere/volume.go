package vsphere

import (
	"context"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// volumeOf is the presence of one volume: a child disk of a restore point's disk.
type volumeOf struct {
	*client
	target string
}

func (v volumeOf) observe(ctx context.Context) (drivers.Value, error) {
	name, err := restorepoint.ParseVolume(v.target)
	if err != nil {
		return drivers.Value{}, err
	}
	_, value, err := v.look(ctx, name)
	return value, err
}

// look reads a volume's record and tells whether its disk is there. A disk without a
// record is there, and not ours: its value has no rest.
func (cl *client) look(ctx context.Context, name restorepoint.VolumeName) (*restorepoint.Record, drivers.Value, error) {
	absent := drivers.Value{Text: drivers.Absent}
	r, err := cl.readRecord(ctx, name)
	if err != nil {
		return nil, absent, err
	}
	endpoint := cl.diskPath(name).String()
	if r != nil {
		endpoint = r.Endpoint
	}
	exists, err := cl.diskExists(ctx, endpoint)
	if err != nil || !exists {
		return r, absent, err
	}
	if r != nil {
		return r, r.Value(), nil
	}
	// Another volume's disk may lie here, if that one was renamed.
	if renamed, err := cl.renamedRecord(ctx, endpoint); err != nil || renamed != nil {
		return nil, absent, err
	}
	return nil, drivers.Value{Text: drivers.Present, Made: map[string]string{drivers.MadeEndpoint: endpoint}}, nil
}

func (v volumeOf) apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	name, err := restorepoint.ParseVolume(v.target)
	if err != nil {
		return drivers.Value{}, err
	}
	r, found, err := v.look(ctx, name)
	if err != nil {
		return drivers.Value{}, err
	}
	if found.Text == drivers.Present && r == nil && c.Goal.Text == drivers.Absent {
		return drivers.Value{}, drivers.Refusef("delete", "volume "+v.target, "delete it by hand, if it may go",
			"the disk %s is not ours", found.Made[drivers.MadeEndpoint])
	}
	if found.Text == drivers.Present && r == nil {
		return drivers.Value{}, drivers.Drifted("set presence of", "volume "+v.target, found,
			"there is a disk %s that is not ours", found.Made[drivers.MadeEndpoint])
	}
	switch c.Goal.Text {
	case drivers.Present:
		return v.make(ctx, c, name, r, found, progress)
	case drivers.Absent:
		return v.remove(ctx, c, r, found)
	}
	return drivers.Value{}, drivers.Invalidf("set presence of", "volume "+v.target, "%q is neither present nor absent", c.Goal.Text)
}

func (v volumeOf) make(ctx context.Context, c drivers.Change, name restorepoint.VolumeName, old *restorepoint.Record, found drivers.Value, progress func(drivers.Progress)) (drivers.Value, error) {
	const op = "make"
	object := "volume " + v.target
	if found.Text == drivers.Present && old.HangsOn(c.Goal) {
		// What is left of its making is cleared; then the goal stands.
		return found, v.clearScratch(ctx, old.Change)
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
	point, err := v.restorePoint(ctx, spec.Replica, spec.RestorePoint)
	if err != nil {
		return drivers.Value{}, err
	}
	parent, ok := point.Volumes[spec.Volume]
	if !ok {
		return drivers.Value{}, drivers.NotFoundf(op, object, "check the volume's name", "restore point %s has no volume %s", point.ID, spec.Volume)
	}
	if old != nil {
		if err := v.clearScratch(ctx, old.Change); err != nil {
			return drivers.Value{}, fail(op, object, err)
		}
	}
	r := restorepoint.Record{
		V: 1, Target: v.target, Owner: c.Owner, Change: c.ID, Endpoint: v.diskPath(name).String(), Parents: []string{parent},
		Replica: spec.Replica, RestorePoint: spec.RestorePoint, Volume: spec.Volume,
	}
	if err := v.announce(ctx, name, r); err != nil {
		return drivers.Value{}, fail(op, object, err)
	}
	if err := v.makeDisks(ctx, c.ID, []restorepoint.Record{r}, progress); err != nil {
		return drivers.Value{}, fail(op, object, err)
	}
	return v.observe(ctx)
}

// announce writes down a volume before it is made: its record, then its pin.
func (cl *client) announce(ctx context.Context, name restorepoint.VolumeName, r restorepoint.Record) error {
	if err := cl.writeRecord(ctx, name, r); err != nil {
		return err
	}
	return cl.writePin(ctx, r)
}

func (v volumeOf) remove(ctx context.Context, c drivers.Change, r *restorepoint.Record, found drivers.Value) (drivers.Value, error) {
	const op = "delete"
	object := "volume " + v.target
	absent := drivers.Value{Text: drivers.Absent}
	if r == nil {
		name, err := restorepoint.ParseVolume(v.target)
		if err != nil {
			return drivers.Value{}, err
		}
		return absent, v.deleteWritten(ctx, v.recordPath(name)) // one that was cut off
	}
	if found.Text == drivers.Present {
		if err := c.CheckExpected(op, object, found, restorepoint.SameVolume); err != nil {
			return drivers.Value{}, err
		}
	}
	marker, err := v.readMarker(ctx, r.Replica)
	if err != nil {
		return drivers.Value{}, fail(op, object, err)
	}
	if marker != nil && marker.Holds(r.Endpoint) {
		return drivers.Value{}, drivers.Refusef(op, object, "demote the replica first", "it is a promoted disk of %s, which is primary", r.Replica)
	}
	if err := v.deleteVolume(ctx, *r); err != nil {
		return drivers.Value{}, fail(op, object, err)
	}
	return absent, nil
}

// deleteVolume deletes a volume of ours with its pin, and its record last. It refuses
// while any VM but its own scratch VM has the disk, or one that hangs on it.
func (cl *client) deleteVolume(ctx context.Context, r restorepoint.Record) error {
	if err := cl.clearScratch(ctx, r.Change); err != nil {
		return err
	}
	exists, err := cl.diskExists(ctx, r.Endpoint)
	if err != nil {
		return err
	}
	at, err := parsePath(r.Endpoint)
	if err != nil {
		return err
	}
	if exists {
		users, err := cl.attachedTo(ctx, r.Endpoint)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return drivers.Refusef("delete", "volume "+r.Target, "give that VM another disk first", "%s has it attached", users[0].name)
		}
		if err := cl.deleteDisk(ctx, at); err != nil {
			return err
		}
	}
	if err := cl.deletePin(ctx, r); err != nil {
		return err
	}
	name, err := restorepoint.ParseVolume(r.Target)
	if err != nil {
		return err
	}
	if r.Endpoint != cl.diskPath(name).String() {
		if err := cl.deleteWritten(ctx, renameNote(r.Endpoint)); err != nil {
			return err
		}
	}
	return cl.deleteWritten(ctx, cl.recordPath(name))
}

// clearScratch removes the scratch VM of a change, where one is left.
func (cl *client) clearScratch(ctx context.Context, change string) error {
	scratch, err := cl.findScratch(ctx, change)
	if err != nil || scratch == nil {
		return err
	}
	return cl.destroyScratch(ctx, *scratch)
}
