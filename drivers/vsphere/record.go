package vsphere

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/hotspare/hotspare/drivers"
)

// record is the small file beside a volume's disk. It is written before the disk and
// deleted after it, so a disk of ours always has one. vSphere itself gives files no tags,
// and forgets a child's parent when it is attached by its name alone.
type record struct {
	V        int           `json:"v"`
	Target   string        `json:"target"` // HOLDER/VOLUME
	Owner    drivers.Owner `json:"owner"`
	Change   string        `json:"change"`   // that makes it; names the scratch VM
	Endpoint string        `json:"endpoint"` // where its disk lies
	Parents  []string      `json:"parents"`  // nearest first
	// Promoting: part of a promotion whose marker is not written yet. Nothing has ever run
	// on such a disk, so taking the promotion back deletes it.
	Promoting bool `json:"promoting,omitempty"`

	Replica      string `json:"replica"`
	RestorePoint string `json:"restorePoint"`
	Volume       string `json:"volume"`
}

// readRecord reads the record of a volume; nil where there is none. One that is cut off
// belongs to a write that never ended, and is none.
func (cl *client) readRecord(ctx context.Context, v volumeName) (*record, error) {
	return cl.readRecordAt(ctx, cl.recordPath(v))
}

func (cl *client) readRecordAt(ctx context.Context, at datastorePath) (*record, error) {
	content, err := cl.readFile(ctx, at)
	if errors.Is(err, errNoFile) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(content, &r); err != nil {
		return nil, fmt.Errorf("the record %s is damaged: %w", at, err)
	}
	if r.V != 1 {
		return nil, fmt.Errorf("the record %s is of version %d, and this driver knows 1", at, r.V)
	}
	return &r, nil
}

// recordOf gives the record of the volume at an endpoint; nil where the endpoint is none
// of ours.
func (cl *client) recordOf(ctx context.Context, endpoint string) (*record, error) {
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
func (cl *client) renamedRecord(ctx context.Context, endpoint string) (*record, error) {
	note, err := cl.readFile(ctx, renameNote(endpoint))
	if errors.Is(err, errNoFile) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := parseVolume(strings.TrimSpace(string(note)))
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

func (cl *client) writeRecord(ctx context.Context, v volumeName, r record) error {
	return cl.writeFile(ctx, cl.recordPath(v), append(encode(r), '\n'))
}

// pinPath is where a restore point is pinned for a volume that hangs on it: beside the
// replica's manifest, for whoever prunes restore points.
func pinPath(replica string, target string) (datastorePath, error) {
	at, err := parsePath(replica)
	if err != nil {
		return at, noReplica(replica, err)
	}
	return at.join("pins", escape(target)+".json"), nil
}

// pin is the content of a pin file.
type pin struct {
	V            int    `json:"v"`
	Site         string `json:"site"`
	Target       string `json:"target"` // the volume that hangs on the restore point
	RestorePoint string `json:"restorePoint"`
}

func (cl *client) writePin(ctx context.Context, r record) error {
	at, err := pinPath(r.Replica, r.Target)
	if err != nil {
		return err
	}
	return cl.writeFile(ctx, at, append(encode(pin{1, cl.settings.site, r.Target, r.RestorePoint}), '\n'))
}

func (cl *client) deletePin(ctx context.Context, r record) error {
	at, err := pinPath(r.Replica, r.Target)
	if err != nil {
		return err
	}
	return cl.deleteWritten(ctx, at)
}
