package libvirt

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// readRecord reads the record of a volume; nil where there is none.
func readRecord(at string) (*restorepoint.Record, error) {
	content, err := readFile(at)
	if content == nil || err != nil {
		return nil, err
	}
	return restorepoint.ParseRecord(content, at)
}

// recordOf gives the record of the volume at an endpoint; nil where the endpoint is none
// of ours.
func (cl *cluster) recordOf(endpoint string) (*restorepoint.Record, error) {
	if !strings.HasPrefix(endpoint, cl.home()+"/") {
		return nil, nil
	}
	r, err := readRecord(strings.TrimSuffix(endpoint, ".qcow2") + ".json")
	if err != nil || r != nil && r.Endpoint == endpoint {
		return r, err
	}
	return cl.renamedRecord(endpoint)
}

// renamedRecord looks for a volume that has been renamed: its disk stays where it lies,
// and a note there tells under which name.
func (cl *cluster) renamedRecord(endpoint string) (*restorepoint.Record, error) {
	note, err := readFile(renameNote(endpoint))
	if note == nil || err != nil {
		return nil, err
	}
	v, err := restorepoint.ParseVolume(strings.TrimSpace(string(note)))
	if err != nil {
		return nil, err
	}
	return readRecord(cl.recordPath(v))
}

// renameNote is where the name of a renamed volume stands, beside its disk.
func renameNote(endpoint string) string { return strings.TrimSuffix(endpoint, ".qcow2") + ".renamed" }

// pinPath is where a restore point is pinned for a volume that hangs on it.
func pinPath(r restorepoint.Record) string {
	return filepath.Join(r.Replica, restorepoint.PinsName, restorepoint.Escape(r.Target)+".json")
}

func (cl *cluster) writePin(r restorepoint.Record) error {
	return writeFile(pinPath(r), append(restorepoint.Encode(restorepoint.Pin{V: 1, Site: cl.settings.site, Target: r.Target, RestorePoint: r.RestorePoint}), '\n'))
}

func (cl *cluster) deletePin(r restorepoint.Record) error { return deleteFile(pinPath(r)) }

// readManifest gives a replica's restore points, oldest first, with whole paths.
func readManifest(replica string) ([]drivers.RestorePoint, error) {
	if err := checkReplica(replica); err != nil {
		return nil, err
	}
	at := filepath.Join(replica, restorepoint.ManifestName)
	content, err := readFile(at)
	if err != nil {
		return nil, fail("read", "replica "+replica, err)
	}
	if content == nil {
		return nil, drivers.NotFoundf("read", "replica "+replica, "check the replica's path, and that replication has run and this machine has it mounted", "it has no %s", restorepoint.ManifestName)
	}
	points, err := restorepoint.ParseManifest(content, func(path string) (string, error) {
		if !filepath.IsAbs(path) {
			path = filepath.Join(replica, path)
			if !strings.HasPrefix(path, replica+"/") {
				return "", drivers.Refusef("read", "replica "+replica, "look at the manifest", "a path leads out of the replica's folder")
			}
		}
		return filepath.Clean(path), nil
	})
	return points, fail("read "+restorepoint.ManifestName+" of", "replica "+replica, err)
}

// checkReplica refuses a path that no replica can have.
func checkReplica(replica string) error {
	if !filepath.IsAbs(replica) || filepath.Clean(replica) != replica {
		return drivers.NotFoundf("read", "replica "+replica, "check the replica's path in the configuration", "it is no whole, plain path of a folder")
	}
	return nil
}

// readMarker gives a replica's marker; nil while it is secondary.
func readMarker(replica string) (*restorepoint.Marker, error) {
	if err := checkReplica(replica); err != nil {
		return nil, err
	}
	content, err := readFile(filepath.Join(replica, restorepoint.MarkerName))
	if content == nil || err != nil {
		return nil, err
	}
	return restorepoint.ParseMarker(content, replica)
}

// ours reports whether a file lies where this driver puts volumes: also by its real path, for
// a link in the pool may lead out of it. Of a folder that is gone the path as it is counts.
func (cl *cluster) ours(file string) bool {
	if filepath.Clean(file) != file || !strings.HasPrefix(file, cl.home()+"/") {
		return false
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(file))
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	home, err := filepath.EvalSymlinks(cl.home())
	return err == nil && strings.HasPrefix(folder, home+"/")
}
