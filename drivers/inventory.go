package drivers

import (
	"errors"
	"fmt"
	"time"
)

// InventoryRequest says what to read beside what the cluster itself lists.
type InventoryRequest struct {
	// Replicas are the paths of the replicas whose restore points are wanted. Each of them is
	// told, also one that cannot be read or does not exist.
	Replicas []string `json:"replicas,omitempty"`
}

// Item is one thing at the cluster: exactly one field is set.
type Item struct {
	Host      *HostItem      `json:"host,omitempty"`
	VM        *VMItem        `json:"vm,omitempty"`
	Network   *NetworkItem   `json:"network,omitempty"`
	Datastore *DatastoreItem `json:"datastore,omitempty"`
	Replica   *ReplicaItem   `json:"replica,omitempty"`
}

// HostItem is one hypervisor host.
type HostItem struct {
	Name        string   `json:"name"`
	CPUs        int      `json:"cpus"` // threads
	MemoryMiB   int64    `json:"memoryMiB"`
	Maintenance bool     `json:"maintenance,omitempty"`
	Connected   bool     `json:"connected"`
	Networks    []string `json:"networks"`   // that its VMs can reach
	Datastores  []string `json:"datastores"` // that it has mounted
}

// VMItem is one machine, or a template.
type VMItem struct {
	ID        string            `json:"id"` // as [Property.Target]
	Name      string            `json:"name"`
	Host      string            `json:"host"`
	Power     string            `json:"power"` // Off, On or Suspended
	CPUs      int               `json:"cpus"`
	MemoryMiB int64             `json:"memoryMiB"`
	Disks     map[string]string `json:"disks,omitempty"` // slot to endpoint
	NICs      map[string]string `json:"nics,omitempty"`  // slot to network
	Template  bool              `json:"template,omitempty"`
	Snapshots int               `json:"snapshots,omitempty"`
	Owner     Owner             `json:"owner,omitzero"`
	// Addresses are those of the guest of a VM that is on, as it says itself, or as its lease
	// or its host's neighbour table say; empty where nobody says any. Nobody vouches for them.
	Addresses []string `json:"addresses,omitempty"`
}

// NetworkItem is one network that a NIC can be on.
type NetworkItem struct {
	Name string `json:"name"`
}

// DatastoreItem is one place for volumes.
type DatastoreItem struct {
	Name        string `json:"name"`
	CapacityMiB int64  `json:"capacityMiB"`
	FreeMiB     int64  `json:"freeMiB"`
}

// ReplicaItem is one replica and its restore points, oldest first.
type ReplicaItem struct {
	Path          string         `json:"path"`
	Role          string         `json:"role"` // Secondary or Primary
	RestorePoints []RestorePoint `json:"restorePoints"`
	// Problem is why the replica could not be read, with what to do about it; Role and
	// RestorePoints are empty then. It is this replica's alone: where the whole site cannot be
	// read, the inventory is an error.
	Problem string `json:"problem,omitempty"`
}

// Unreadable gives the item of a replica that could not be read. Its problem is err, with a
// next step where err has none.
func Unreadable(path string, err error) *ReplicaItem {
	const next = "look at the replica's folder, and at its storage"
	var known *Error
	switch {
	case !errors.As(err, &known):
		err = &Error{Op: "read", Object: "replica " + path, Cause: err, Next: next}
	case known.Next == "":
		err = fmt.Errorf("%w; %s", err, next)
	}
	return &ReplicaItem{Path: path, Problem: err.Error()}
}

// RestorePoint is one instant over all volumes of a group.
type RestorePoint struct {
	ID       string            `json:"id"`
	Time     time.Time         `json:"time"`
	Complete bool              `json:"complete"`
	Volumes  map[string]string `json:"volumes"` // volume name to endpoint
}
