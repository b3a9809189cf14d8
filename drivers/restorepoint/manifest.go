package restorepoint

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hotspare/hotspare/drivers"
)

// The files in a replica's folder.
const (
	ManifestName = "restore-points.json" // written by replication
	MarkerName   = "role.json"           // ours: the replica is primary while it exists
	PinsName     = "pins"                // folder of the pins
)

// ParseManifest gives the restore points of a manifest, oldest first. whole makes an
// endpoint of a volume's path, which may be given below the replica's folder. An error may
// mean that replication is writing the manifest just now.
func ParseManifest(content []byte, whole func(path string) (string, error)) ([]drivers.RestorePoint, error) {
	var m struct {
		RestorePoints []drivers.RestorePoint `json:"restorePoints"`
	}
	if err := json.Unmarshal(content, &m); err != nil {
		return nil, fmt.Errorf("it is no manifest: %w", err)
	}
	for _, point := range m.RestorePoints {
		for name, at := range point.Volumes {
			endpoint, err := whole(at)
			if err != nil {
				return nil, fmt.Errorf("volume %s of restore point %s: %w", name, point.ID, err)
			}
			point.Volumes[name] = endpoint
		}
	}
	slices.SortStableFunc(m.RestorePoints, func(a, b drivers.RestorePoint) int { return a.Time.Compare(b.Time) })
	return m.RestorePoints, nil
}

// Find gives one complete restore point of a replica: NotFound where there is none of this
// id, Refused where it is not complete.
func Find(points []drivers.RestorePoint, replica, id string) (drivers.RestorePoint, error) {
	at := slices.IndexFunc(points, func(p drivers.RestorePoint) bool { return p.ID == id })
	if at < 0 {
		return drivers.RestorePoint{}, drivers.NotFoundf("find restore point", id, "choose one of the replica's restore points", "replica %s has no such restore point", replica)
	}
	if !points[at].Complete {
		return drivers.RestorePoint{}, drivers.Refusef("use restore point", id, "choose a complete one", "it is not complete: replication has not ended")
	}
	return points[at], nil
}

// Marker is the content of the file that makes a replica primary.
type Marker struct {
	V            int               `json:"v"`
	Site         string            `json:"site"`
	As           string            `json:"as"`
	RestorePoint string            `json:"restorePoint,omitempty"`
	Kept         string            `json:"kept,omitempty"`
	Volumes      map[string]string `json:"volumes"` // volume to endpoint
}

// ParseMarker reads a marker. One of another form is refused: somebody else wrote it.
func ParseMarker(content []byte, replica string) (*Marker, error) {
	var m Marker
	if err := json.Unmarshal(content, &m); err != nil || m.V != 1 {
		return nil, drivers.Refusef("read", "replica "+replica, "look at the file, and who wrote it", "its %s is not of this driver's form", MarkerName)
	}
	return &m, nil
}

// Value is the role of a replica that has this marker.
func (m *Marker) Value() drivers.Value {
	return drivers.Value{Text: drivers.Primary, Made: m.Volumes, Rest: Encode(RoleRest{1, m.As, m.RestorePoint, m.Kept})}
}

// Holds reports whether an endpoint is one of the promoted disks.
func (m *Marker) Holds(endpoint string) bool {
	for _, e := range m.Volumes {
		if e == endpoint {
			return true
		}
	}
	return false
}

// RoleRest is what a primary replica has beside its role: what was promoted, and as what.
type RoleRest struct {
	V            int    `json:"v"`
	As           string `json:"as"`
	RestorePoint string `json:"restorePoint,omitempty"`
	Kept         string `json:"kept,omitempty"`
}

// SameRole compares the role and, where both values carry one, what was promoted.
func SameRole(a, b drivers.Value) bool { return same[RoleRest](a, b) }

// Promotion gives what a change asks to promote, from its spec, or from the rest of a value
// that stood before, and what the replica's value says of it then.
func Promotion(replica string, goal drivers.Value) (*drivers.ReplicaSpec, RoleRest, error) {
	wrong := func(cause string) error {
		return drivers.Invalidf("promote", "replica "+replica, "%s", cause)
	}
	if goal.Spec != nil && goal.Spec.Replica != nil {
		spec := goal.Spec.Replica
		if spec.As == "" || len(spec.Volumes) == 0 || (spec.RestorePoint == "") == (spec.Kept == "") {
			return nil, RoleRest{}, wrong("the goal must give As, Volumes, and either RestorePoint or Kept")
		}
		return spec, RoleRest{1, spec.As, spec.RestorePoint, spec.Kept}, nil
	}
	var rest RoleRest
	if err := json.Unmarshal(goal.Rest, &rest); err != nil || rest.As == "" {
		return nil, rest, wrong("the goal does not say which restore point, or which kept writes")
	}
	// The disks of that promotion are kept under its name.
	return &drivers.ReplicaSpec{Kept: rest.As, As: rest.As, Volumes: Names(goal.Made)}, rest, nil
}
