package vsphere

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// readManifest gives a replica's restore points, oldest first, with whole endpoints.
func (cl *client) readManifest(ctx context.Context, replica string) ([]drivers.RestorePoint, error) {
	folder, err := parsePath(replica)
	if err != nil {
		return nil, noReplica(replica, err)
	}
	content, err := cl.readFile(ctx, folder.join(restorepoint.ManifestName))
	if errors.Is(err, errNoFile) {
		return nil, drivers.NotFoundf("read", "replica "+replica, "check the replica's path, and that replication has run", "it has no %s", restorepoint.ManifestName)
	}
	if err != nil {
		return nil, err
	}
	points, err := restorepoint.ParseManifest(content, func(path string) (string, error) {
		if strings.HasPrefix(path, "[") {
			return path, nil
		}
		whole := folder.join(path)
		if !strings.HasPrefix(whole.path, folder.path+"/") {
			return "", drivers.Refusef("read", "replica "+replica, "look at the manifest", "the path %q leads out of the replica's folder", path)
		}
		return whole.String(), nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", restorepoint.ManifestName, replica, err)
	}
	return points, nil
}

// restorePoint gives one complete restore point.
func (cl *client) restorePoint(ctx context.Context, replica, id string) (drivers.RestorePoint, error) {
	points, err := cl.readManifest(ctx, replica)
	if err != nil {
		return drivers.RestorePoint{}, err
	}
	return restorepoint.Find(points, replica, id)
}

// readMarker gives a replica's marker; nil while it is secondary.
func (cl *client) readMarker(ctx context.Context, replica string) (*restorepoint.Marker, error) {
	folder, err := parsePath(replica)
	if err != nil {
		return nil, noReplica(replica, err)
	}
	content, err := cl.readFile(ctx, folder.join(restorepoint.MarkerName))
	if errors.Is(err, errNoFile) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return restorepoint.ParseMarker(content, replica)
}

// noReplica says that a path is none that a replica could have.
func noReplica(replica string, err error) error {
	return drivers.NotFoundf("read", "replica "+replica, "check the replica's path in the configuration", "%w", err)
}
