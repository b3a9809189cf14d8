package vsphere

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hotspare/hotspare/drivers"
)

// The files in a replica's folder.
const (
	manifestName = "restore-points.json" // written by replication
	markerName   = "role.json"           // ours: the replica is primary while it exists
)

// manifest is the content of a replica's manifest. A volume's path may be given below the
// replica's folder.
type manifest struct {
	RestorePoints []drivers.RestorePoint `json:"restorePoints"`
}

// readManifest gives a replica's restore points, oldest first, with whole endpoints.
func (cl *client) readManifest(ctx context.Context, replica string) ([]drivers.RestorePoint, error) {
	folder, err := parsePath(replica)
	if err != nil {
		return nil, noReplica(replica, err)
	}
	content, err := cl.readFile(ctx, folder.join(manifestName))
	if errors.Is(err, errNoFile) {
		return nil, notFound("read", "replica "+replica, "check the replica's path, and that replication has run", "it has no %s", manifestName)
	}
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(content, &m); err != nil {
		// Replication may be writing it just now.
		return nil, fmt.Errorf("%s of %s is no manifest: %w", manifestName, replica, err)
	}
	for _, point := range m.RestorePoints {
		for name, at := range point.Volumes {
			if !strings.HasPrefix(at, "[") {
				point.Volumes[name] = folder.join(at).String()
			}
		}
	}
	slices.SortStableFunc(m.RestorePoints, func(a, b drivers.RestorePoint) int { return a.Time.Compare(b.Time) })
	return m.RestorePoints, nil
}

// restorePoint gives one complete restore point.
func (cl *client) restorePoint(ctx context.Context, replica, id string) (drivers.RestorePoint, error) {
	points, err := cl.readManifest(ctx, replica)
	if err != nil {
		return drivers.RestorePoint{}, err
	}
	at := slices.IndexFunc(points, func(p drivers.RestorePoint) bool { return p.ID == id })
	if at < 0 {
		return drivers.RestorePoint{}, notFound("find restore point", id, "choose one of the replica's restore points", "replica %s has no such restore point", replica)
	}
	if !points[at].Complete {
		return drivers.RestorePoint{}, refuse("use restore point", id, "choose a complete one", "it is not complete: replication has not ended")
	}
	return points[at], nil
}

// marker is the content of the file that makes a replica primary.
type marker struct {
	V            int               `json:"v"`
	Site         string            `json:"site"`
	As           string            `json:"as"`
	RestorePoint string            `json:"restorePoint,omitempty"`
	Kept         string            `json:"kept,omitempty"`
	Volumes      map[string]string `json:"volumes"` // volume to endpoint
}

// readMarker gives a replica's marker; nil while it is secondary.
func (cl *client) readMarker(ctx context.Context, replica string) (*marker, error) {
	folder, err := parsePath(replica)
	if err != nil {
		return nil, noReplica(replica, err)
	}
	content, err := cl.readFile(ctx, folder.join(markerName))
	if errors.Is(err, errNoFile) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var m marker
	if err := json.Unmarshal(content, &m); err != nil || m.V != 1 {
		return nil, refuse("read", "replica "+replica, "look at the file, and who wrote it", "its %s is not of this driver's form", markerName)
	}
	return &m, nil
}

// noReplica says that a path is none that a replica could have.
func noReplica(replica string, err error) error {
	return notFound("read", "replica "+replica, "check the replica's path in the configuration", "%w", err)
}
