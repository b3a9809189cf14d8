package libvirt

import (
	"context"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// promote makes an overlay of the restore point for each volume, all of them from the same
// instant, and then the marker, which is what makes the replica primary.
func (r roleOf) promote(ctx context.Context, c drivers.Change, found drivers.Value, progress func(drivers.Progress)) (drivers.Value, error) {
	const op = "promote"
	object := "replica " + r.path
	spec, rest, err := restorepoint.Promotion(r.path, c.Goal)
	if err != nil {
		return drivers.Value{}, err
	}
	if restorepoint.SameRole(found, drivers.Value{Text: drivers.Primary, Rest: restorepoint.Encode(rest)}) {
		return found, fail(op, object, r.settleRecords(found.Made))
	}
	if err := c.CheckExpected(op, object, found, restorepoint.SameRole); err != nil {
		return drivers.Value{}, err
	}
	if found.Text == drivers.Primary {
		return drivers.Value{}, drivers.Drifted(op, object, found, "it is primary already, promoted as something else")
	}
	progress(drivers.Progress{Message: "promoting"})
	var endpoints map[string]string
	if spec.Kept != "" {
		endpoints, err = r.adopt(spec)
	} else {
		endpoints, err = r.branch(ctx, c, spec)
	}
	if err != nil {
		return drivers.Value{}, fail(op, object, err)
	}
	m := &restorepoint.Marker{V: 1, Site: r.settings.site, As: rest.As, RestorePoint: rest.RestorePoint, Kept: rest.Kept, Volumes: endpoints}
	if err := writeFile(r.markerPath(), append(restorepoint.Encode(m), '\n')); err != nil {
		return drivers.Value{}, fail(op, object, err)
	}
	return m.Value(), fail(op, object, r.settleRecords(endpoints))
}

// branch makes the disks of a promotion of a restore point.
func (r roleOf) branch(ctx context.Context, c drivers.Change, spec *drivers.ReplicaSpec) (map[string]string, error) {
	points, err := readManifest(r.path)
	if err != nil {
		return nil, err
	}
	point, err := restorepoint.Find(points, r.path, spec.RestorePoint)
	if err != nil {
		return nil, err
	}
	for _, volume := range spec.Volumes {
		if _, ok := point.Volumes[volume]; !ok {
			return nil, drivers.NotFoundf("promote", "volume "+volume, "check the volume's name", "restore point %s has no such volume", point.ID)
		}
	}
	endpoints := map[string]string{}
	var records []restorepoint.Record
	for _, volume := range spec.Volumes {
		name := restorepoint.VolumeName{Holder: spec.As, Volume: volume}
		rec := restorepoint.Record{
			V: 1, Target: name.String(), Owner: c.Owner, Change: c.ID, Endpoint: r.diskPath(name),
			Parents: []string{point.Volumes[volume]}, Promoting: true,
			Replica: r.path, RestorePoint: point.ID, Volume: volume,
		}
		if err := r.announceBranch(ctx, name, rec); err != nil {
			return nil, err
		}
		records = append(records, rec)
		endpoints[volume] = rec.Endpoint
	}
	return endpoints, r.makeDisks(ctx, records)
}

// announceBranch writes a promoted disk's record. A disk of a promotion that was cut off
// is used again where it hangs on the same restore point, and deleted where not.
func (r roleOf) announceBranch(ctx context.Context, name restorepoint.VolumeName, rec restorepoint.Record) error {
	old, found, err := r.look(name)
	if err != nil {
		return err
	}
	switch {
	case old == nil && found.Text == drivers.Present:
		return drivers.Refusef("promote", "volume "+name.String(), "move that file away", "there is a disk %s that is not ours", rec.Endpoint)
	case old == nil:
	case !old.Promoting:
		return drivers.Refusef("promote", "volume "+name.String(), "promote what is kept, or give the promotion another name",
			"a volume of this name is there already, and may hold what somebody wrote")
	case old.Change != rec.Change || old.RestorePoint != rec.RestorePoint || old.Replica != rec.Replica:
		if err := r.deleteVolume(ctx, *old); err != nil {
			return err
		}
	}
	return r.announce(name, rec)
}

// adopt takes the disks of kept writes as the promoted ones, under the name As. The disks
// stay where they lie: what is renamed is their record.
func (r roleOf) adopt(spec *drivers.ReplicaSpec) (map[string]string, error) {
	endpoints := map[string]string{}
	for _, volume := range spec.Volumes {
		from, to := restorepoint.VolumeName{Holder: spec.Kept, Volume: volume}, restorepoint.VolumeName{Holder: spec.As, Volume: volume}
		rec, err := r.rename(from, to)
		if err != nil {
			return nil, err
		}
		there, err := exists(rec.Endpoint)
		if err != nil {
			return nil, err
		}
		if !there || rec.Replica != r.path {
			return nil, drivers.NotFoundf("promote", "volume "+from.String(), "choose a restore point instead", "its disk %s is gone, or of another replica", rec.Endpoint)
		}
		endpoints[volume] = rec.Endpoint
	}
	return endpoints, nil
}

// rename gives a volume another name. Cut off at any point, it is completed when it is
// called again.
func (r roleOf) rename(from, to restorepoint.VolumeName) (*restorepoint.Record, error) {
	old, err := readRecord(r.recordPath(from))
	if err != nil {
		return nil, err
	}
	nothing := drivers.NotFoundf("promote", "volume "+from.String(), "choose a restore point instead", "nothing is kept under this name")
	if from == to {
		if old == nil {
			return nil, nothing
		}
		return old, nil
	}
	renamed, err := readRecord(r.recordPath(to))
	if err != nil {
		return nil, err
	}
	switch {
	case old == nil && renamed == nil:
		return nil, nothing
	case old == nil:
		return renamed, nil
	case renamed != nil && renamed.Endpoint != old.Endpoint:
		return nil, drivers.Refusef("promote", "volume "+to.String(), "give the promotion another name", "a volume of this name is there already")
	}
	rec := *old
	rec.Target = to.String()
	if err := writeFile(renameNote(rec.Endpoint), []byte(rec.Target+"\n")); err != nil {
		return nil, err
	}
	if err := r.announce(to, rec); err != nil {
		return nil, err
	}
	if err := r.deletePin(*old); err != nil {
		return nil, err
	}
	return &rec, deleteFile(r.recordPath(from))
}
