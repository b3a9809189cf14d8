package vsphere

import (
	"context"
	"encoding/json"

	"github.com/hotspare/hotspare/drivers"
)

// promote makes a child disk of the restore point for each volume, all of them from the
// same instant, and then the marker, which is what makes the replica primary.
func (r roleOf) promote(ctx context.Context, c drivers.Change, found drivers.Value, progress func(drivers.Progress)) (drivers.Value, error) {
	const op = "promote"
	object := "replica " + r.path
	spec, rest, err := r.promotion(c)
	if err != nil {
		return drivers.Value{}, err
	}
	asked := drivers.Value{Text: drivers.Primary, Rest: encode(rest)}
	if sameRole(found, asked) {
		return found, r.settleRecords(ctx, found.Made)
	}
	if err := expected(c, op, object, found, sameRole); err != nil {
		return drivers.Value{}, err
	}
	if found.Text == drivers.Primary {
		return drivers.Value{}, drift(op, object, found, "it is primary already, promoted as something else")
	}
	var endpoints map[string]string
	if spec.Kept != "" {
		endpoints, err = r.adopt(ctx, spec)
	} else {
		endpoints, err = r.branch(ctx, c, spec, progress)
	}
	if err != nil {
		return drivers.Value{}, fail(op, object, err)
	}
	m := &marker{V: 1, Site: r.settings.site, As: rest.As, RestorePoint: rest.RestorePoint, Kept: rest.Kept, Volumes: endpoints}
	folder, err := parsePath(r.path)
	if err != nil {
		return drivers.Value{}, invalid(op, object, "%w", err)
	}
	if err := r.writeFile(ctx, folder.join(markerName), append(encode(m), '\n')); err != nil {
		return drivers.Value{}, fail(op, object, err)
	}
	return m.value(), fail(op, object, r.settleRecords(ctx, endpoints))
}

// promotion gives what the change asks to promote, from its spec, or from the rest of a
// value that stood before, and what the replica's value says of it then.
func (r roleOf) promotion(c drivers.Change) (*drivers.ReplicaSpec, roleRest, error) {
	object := "replica " + r.path
	if c.Goal.Spec != nil && c.Goal.Spec.Replica != nil {
		spec := c.Goal.Spec.Replica
		if spec.As == "" || len(spec.Volumes) == 0 || (spec.RestorePoint == "") == (spec.Kept == "") {
			return nil, roleRest{}, invalid("promote", object, "the goal must give As, Volumes, and either RestorePoint or Kept")
		}
		return spec, roleRest{1, spec.As, spec.RestorePoint, spec.Kept}, nil
	}
	var rest roleRest
	if err := json.Unmarshal(c.Goal.Rest, &rest); err != nil || rest.As == "" {
		return nil, rest, invalid("promote", object, "the goal does not say which restore point, or which kept writes")
	}
	// The disks of that promotion are kept under its name.
	return &drivers.ReplicaSpec{Kept: rest.As, As: rest.As, Volumes: names(c.Goal.Made)}, rest, nil
}

// branch makes the disks of a promotion of a restore point.
func (r roleOf) branch(ctx context.Context, c drivers.Change, spec *drivers.ReplicaSpec, progress func(drivers.Progress)) (map[string]string, error) {
	point, err := r.restorePoint(ctx, r.path, spec.RestorePoint)
	if err != nil {
		return nil, err
	}
	endpoints := map[string]string{}
	var records []record
	for _, volume := range spec.Volumes {
		parent, ok := point.Volumes[volume]
		if !ok {
			return nil, notFound("promote", "volume "+volume, "check the volume's name", "restore point %s has no such volume", point.ID)
		}
		name := volumeName{spec.As, volume}
		rec := record{
			V: 1, Target: name.String(), Owner: c.Owner, Change: c.ID, Endpoint: r.diskPath(name).String(),
			Parents: []string{parent}, Promoting: true,
			Replica: r.path, RestorePoint: point.ID, Volume: volume,
		}
		if err := r.announceBranch(ctx, name, rec); err != nil {
			return nil, err
		}
		records = append(records, rec)
		endpoints[volume] = rec.Endpoint
	}
	return endpoints, r.makeDisks(ctx, c.ID, records, progress)
}

// announceBranch writes a promoted disk's record. A disk of a promotion that was cut off
// is used again where it hangs on the same restore point, and deleted where not.
func (r roleOf) announceBranch(ctx context.Context, name volumeName, rec record) error {
	old, found, err := r.look(ctx, name)
	if err != nil {
		return err
	}
	switch {
	case old == nil && found.Text == drivers.Present:
		return refuse("promote", "volume "+name.String(), "move that file away", "there is a disk %s that is not ours", rec.Endpoint)
	case old == nil:
	case !old.Promoting:
		return refuse("promote", "volume "+name.String(), "promote what is kept, or give the promotion another name",
			"a volume of this name is there already, and may hold what somebody wrote")
	case old.Change != rec.Change || old.RestorePoint != rec.RestorePoint:
		if err := r.deleteVolume(ctx, *old); err != nil {
			return err
		}
	}
	return r.announce(ctx, name, rec)
}

// adopt takes the disks of kept writes as the promoted ones, under the name As. The disks
// stay where they lie: what is renamed is their record.
func (r roleOf) adopt(ctx context.Context, spec *drivers.ReplicaSpec) (map[string]string, error) {
	endpoints := map[string]string{}
	for _, volume := range spec.Volumes {
		from, to := volumeName{spec.Kept, volume}, volumeName{spec.As, volume}
		rec, err := r.rename(ctx, from, to)
		if err != nil {
			return nil, err
		}
		exists, err := r.diskExists(ctx, rec.Endpoint)
		if err != nil {
			return nil, err
		}
		if !exists {
			return nil, notFound("promote", "volume "+from.String(), "choose a restore point instead", "its disk %s is gone", rec.Endpoint)
		}
		endpoints[volume] = rec.Endpoint
	}
	return endpoints, nil
}

// rename gives a volume another name. Cut off at any point, it is completed when it is
// called again.
func (r roleOf) rename(ctx context.Context, from, to volumeName) (*record, error) {
	old, err := r.readRecord(ctx, from)
	if err != nil {
		return nil, err
	}
	if from == to {
		if old == nil {
			return nil, notFound("promote", "volume "+from.String(), "choose a restore point instead", "nothing is kept under this name")
		}
		return old, nil
	}
	renamed, err := r.readRecord(ctx, to)
	if err != nil {
		return nil, err
	}
	switch {
	case old == nil && renamed == nil:
		return nil, notFound("promote", "volume "+from.String(), "choose a restore point instead", "nothing is kept under this name")
	case old == nil:
		return renamed, nil
	case renamed != nil && renamed.Endpoint != old.Endpoint:
		return nil, refuse("promote", "volume "+to.String(), "give the promotion another name", "a volume of this name is there already")
	}
	rec := *old
	rec.Target = to.String()
	if err := r.writeFile(ctx, renameNote(rec.Endpoint), []byte(rec.Target+"\n")); err != nil {
		return nil, err
	}
	if err := r.announce(ctx, to, rec); err != nil {
		return nil, err
	}
	if err := r.deletePin(ctx, *old); err != nil {
		return nil, err
	}
	return &rec, r.deleteWritten(ctx, r.recordPath(from))
}
