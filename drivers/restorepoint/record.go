package restorepoint

import (
	"encoding/json"
	"fmt"

	"github.com/hotspare/hotspare/drivers"
)

// Record is the small file beside a volume's disk. It is written before the disk and
// deleted after it, so a disk of ours always has one.
type Record struct {
	V        int           `json:"v"`
	Target   string        `json:"target"` // HOLDER/VOLUME
	Owner    drivers.Owner `json:"owner"`
	Change   string        `json:"change"`   // that makes it
	Endpoint string        `json:"endpoint"` // where its disk lies
	Parents  []string      `json:"parents"`  // nearest first
	// Promoting: part of a promotion whose marker is not written yet. Nothing has ever run
	// on such a disk, so taking the promotion back deletes it.
	Promoting bool `json:"promoting,omitempty"`

	Replica      string `json:"replica"`
	RestorePoint string `json:"restorePoint"`
	Volume       string `json:"volume"`
}

// ParseRecord reads a record that lies at a place, which its errors name.
func ParseRecord(content []byte, place string) (*Record, error) {
	var r Record
	if err := json.Unmarshal(content, &r); err != nil {
		return nil, fmt.Errorf("the record %s is damaged: %w", place, err)
	}
	if r.V != 1 {
		return nil, fmt.Errorf("the record %s is of version %d, and this driver knows 1", place, r.V)
	}
	return &r, nil
}

// Value is the presence of the volume, whose disk is there.
func (r *Record) Value() drivers.Value {
	return drivers.Value{
		Text: drivers.Present, Made: map[string]string{drivers.MadeEndpoint: r.Endpoint},
		Rest: Encode(VolumeRest{1, r.Replica, r.RestorePoint, r.Volume, r.Parents}),
	}
}

// HangsOn reports whether the volume is what a goal asks for.
func (r *Record) HangsOn(goal drivers.Value) bool {
	if goal.Spec != nil && goal.Spec.Volume != nil {
		s := goal.Spec.Volume
		return r.Replica == s.Replica && r.RestorePoint == s.RestorePoint && r.Volume == s.Volume
	}
	var rest VolumeRest
	if len(goal.Rest) == 0 || json.Unmarshal(goal.Rest, &rest) != nil {
		return true // present, and nothing more is asked
	}
	return r.Replica == rest.Replica && r.RestorePoint == rest.RestorePoint && r.Volume == rest.Volume
}

// VolumeRest is what a volume has beside being there.
type VolumeRest struct {
	V            int      `json:"v"`
	Replica      string   `json:"replica"`
	RestorePoint string   `json:"restorePoint"`
	Volume       string   `json:"volume"`
	Parents      []string `json:"parents"`
}

// SameVolume compares presence and, where both values carry one, what the volume hangs on.
func SameVolume(a, b drivers.Value) bool { return same[VolumeRest](a, b) }

// Pin is the content of a pin file: it lies beside the replica's manifest while a volume
// hangs on a restore point, for whoever prunes restore points.
type Pin struct {
	V            int    `json:"v"`
	Site         string `json:"site"`
	Target       string `json:"target"` // the volume that hangs on the restore point
	RestorePoint string `json:"restorePoint"`
}

// ParsePin reads the pin of that file name.
func ParsePin(content []byte, file string) (Pin, error) {
	var p Pin
	if err := json.Unmarshal(content, &p); err != nil {
		return p, fmt.Errorf("the pin %s is damaged: %w", file, err)
	}
	return p, nil
}

// same compares two values by text and, where both carry one, by their rests of type T.
func same[T any](a, b drivers.Value) bool {
	if a.Text != b.Text || len(a.Rest) == 0 || len(b.Rest) == 0 {
		return a.Text == b.Text
	}
	var x, y T
	return json.Unmarshal(a.Rest, &x) == nil && json.Unmarshal(b.Rest, &y) == nil && string(Encode(x)) == string(Encode(y))
}
