package vsphere

import (
	"context"
	"errors"
	"strings"

	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// readRecord reads the record of a volume; nil where there is none. vSphere itself gives
// files no tags, and forgets a child's parent when it is attached by its name alone.
func (cl *client) readRecord(ctx context.Context, v restorepoint.VolumeName) (*restorepoint.Record, error) {
	return cl.readRecordAt(ctx, cl.recordPath(v))
}

func (cl *client) readRecordAt(ctx context.Context, at datastorePath) (*restorepoint.Record, error) {
	content, err := cl.readFile(ctx, at)
	if errors.Is(err, errNoFile) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return restorepoint.ParseRecord(content, at.String())
}

// recordOf gives the record of the volume at an endpoint; nil where the endpoint is none
// of ours.
func (cl *client) recordOf(ctx context.Context, endpoint string) (*restorepoint.Record, error) {
	at, err := parsePath(endpoint)
	if err != nil {
		return nil, err
	}
	ours := cl.volumesFolder()
	if at.datastore != ours.datastore || !strings.HasPrefix(at.path, ours.path+"/") {
		return nil, nil
	}
	at.path = strings.TrimSuffix(at.path, ".vmdk") + ".json"
	r, err := cl.readRecordAt(ctx, at)
	if r != nil && r.Endpoint == endpoint {
		return r, err
	}
	if err != nil {
		return nil, err
	}
	return cl.renamedRecord(ctx, endpoint)
}

// renamedRecord looks for a volume that has been renamed: its disk stays where it lies,
// and a note there tells under which name.
func (cl *client) renamedRecord(ctx context.Context, endpoint string) (*restorepoint.Record, error) {
	note, err := cl.readFile(ctx, renameNote(endpoint))
	if errors.Is(err, errNoFile) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := restorepoint.ParseVolume(strings.TrimSpace(string(note)))
	if err != nil {
		return nil, err
	}
	return cl.readRecord(ctx, v)
}

// renameNote is where the name of a renamed volume stands, beside its disk.
func renameNote(endpoint string) datastorePath {
	at, _ := parsePath(endpoint)
	at.path = strings.TrimSuffix(at.path, ".vmdk") + ".renamed"
	return at
}

func (cl *client) writeRecord(ctx context.Context, v restorepoint.VolumeName, r restorepoint.Record) error {
	return cl.writeFile(ctx, cl.recordPath(v), append(restorepoint.Encode(r), '\n'))
}

// pinPath is where a restore point is pinned for a volume that hangs on it: beside the
// replica's manifest, for whoever prunes restore points.
func pinPath(replica string, target string) (datastorePath, error) {
	at, err := parsePath(replica)
	if err != nil {
		return at, noReplica(replica, err)
	}
	return at.join(restorepoint.PinsName, restorepoint.Escape(target)+".json"), nil
}

func (cl *client) writePin(ctx context.Context, r restorepoint.Record) error {
	at, err := pinPath(r.Replica, r.Target)
	if err != nil {
		return err
	}
	return cl.writeFile(ctx, at, append(restorepoint.Encode(restorepoint.Pin{V: 1, Site: cl.settings.site, Target: r.Target, RestorePoint: r.RestorePoint}), '\n'))
}

func (cl *client) deletePin(ctx context.Context, r restorepoint.Record) error {
	at, err := pinPath(r.Replica, r.Target)
	if err != nil {
		return err
	}
	return cl.deleteWritten(ctx, at)
}
