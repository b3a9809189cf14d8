package drivers

import (
	"encoding/json"
	"maps"
	"slices"
)

// The texts of a [Value] that the planner knows. The text of a disk is an endpoint, of
// a NIC a network, of the host property a host, each as the driver names them.
const (
	Absent    = "absent"
	Present   = "present"
	Off       = "off"
	On        = "on"
	Suspended = "suspended"
	Secondary = "secondary"
	Primary   = "primary"
	Undone    = "undone"
	DoneText  = "done"
)

// MadeEndpoint is the key under which the presence of a volume tells its endpoint in
// [Value.Made].
const MadeEndpoint = "endpoint"

// Value is what a property has, or shall have. The caller reads Text, Spec and Made;
// Rest is the driver's own and is only carried. No part of a value holds a secret.
type Value struct {
	Text string `json:"text"`
	// Spec says more about a goal: what to make, or which restore point to promote.
	Spec *Spec `json:"spec,omitempty"`
	// Made is what the planner may name before it exists. Presence of a volume:
	// MadeEndpoint. Role primary: for each promoted volume its endpoint. Role secondary
	// after a demotion: for each volume of kept writes its endpoint.
	Made map[string]string `json:"made,omitempty"`
	// Rest is what the driver needs beside the text to restore the value exactly, as
	// JSON. The driver versions it. It leaves out what changes by itself (device keys,
	// counters, times).
	Rest json.RawMessage `json:"rest,omitempty"`
}

// Clone returns a copy that shares nothing with v.
func (v Value) Clone() Value {
	v.Made = maps.Clone(v.Made)
	v.Rest = slices.Clone(v.Rest)
	if v.Spec != nil {
		v.Spec = v.Spec.clone()
	}
	return v
}

// Spec is one of its fields, by the property that it goes with.
type Spec struct {
	VM      *VMSpec      `json:"vm,omitempty"`
	Volume  *VolumeSpec  `json:"volume,omitempty"`
	Replica *ReplicaSpec `json:"replica,omitempty"`
}

func (s *Spec) clone() *Spec {
	c := *s
	if c.VM != nil {
		vm := *c.VM
		vm.Networks = maps.Clone(vm.Networks)
		c.VM = &vm
	}
	if c.Volume != nil {
		volume := *c.Volume
		c.Volume = &volume
	}
	if c.Replica != nil {
		replica := *c.Replica
		replica.Volumes = slices.Clone(replica.Volumes)
		c.Replica = &replica
	}
	return &c
}

// VMSpec is a VM to be made from a template. Its UUID is the property's target.
type VMSpec struct {
	Name      string `json:"name"`
	Template  string `json:"template"`
	Host      string `json:"host"`
	CPUs      int    `json:"cpus,omitempty"`      // 0: the template's
	MemoryMiB int64  `json:"memoryMiB,omitempty"` // 0: the template's
	// Networks gives each NIC slot its network. A slot that is not named has the
	// template's network, but is not connected.
	Networks map[string]string `json:"networks,omitempty"`
	UserData string            `json:"userData,omitempty"`
}

// VolumeSpec is a volume to be made: a copy-on-write clone of one volume of a restore
// point.
type VolumeSpec struct {
	Replica      string `json:"replica"`      // path of the replica
	RestorePoint string `json:"restorePoint"` // its id
	Volume       string `json:"volume"`       // the volume's name in the restore point
}

// ReplicaSpec says how to promote.
type ReplicaSpec struct {
	// RestorePoint to promote. It must be complete.
	RestorePoint string `json:"restorePoint,omitempty"`
	// Kept, instead of RestorePoint, promotes the writes kept under this name.
	Kept string `json:"kept,omitempty"`
	// As names the promoted volumes: volume V becomes the volume target "As/V", and
	// stays under that name when it is demoted.
	As string `json:"as"`
	// Volumes of the restore point to promote; all of them from the same instant.
	Volumes []string `json:"volumes"`
}
