package sim

import (
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// Host is one hypervisor host.
type Host struct {
	Name        string
	CPUs        int
	MemoryMiB   int64 // what the VMs that are on may have together
	Maintenance bool
	// Disconnected: the hypervisor's management cannot reach it. See [Site.FailHost] for
	// a host that is gone.
	Disconnected bool
	Networks     []string // that its VMs can reach
}

// VM is one machine, or a template.
type VM struct {
	ID        string // UUID; empty in AddVM: made from the name by [ID]
	Name      string
	Host      string
	Pool      string // the host's resource pool it lies in, kept in the host value's rest
	Power     string // drivers.Off (also ""), drivers.On or drivers.Suspended
	CPUs      int
	MemoryMiB int64
	Disks     map[string]Disk
	NICs      map[string]NIC
	Template  bool
	Snapshots int
	Owner     drivers.Owner
	Autostart bool
	HARestart string // restart priority: "", "low", "medium", "high", or "disabled"
	Guest     Guest

	BootedAt   time.Time `json:",omitzero"` // when the guest is ready, while it is on
	MadeFrom   string    `json:",omitempty"`
	MadeSpec   string    `json:",omitempty"` // digest of the spec it was made from
	MovingTo   string    `json:",omitempty"` // half-made: registered there, not yet removed here
	Half       *Half     `json:",omitempty"` // half-made presence
	HalfHost   *Half     `json:",omitempty"`
	OwnVolumes []string  `json:",omitempty"` // endpoints of the disks made with it
}

// Guest is how the operating system of a VM behaves, where it differs from the site's
// [Latency].
type Guest struct {
	IgnoresShutdown bool          `json:",omitempty"`
	Boot            time.Duration `json:",omitempty"` // 0: the site's
	Shutdown        time.Duration `json:",omitempty"` // 0: the site's
}

// Disk is what lies in one disk slot of a VM.
type Disk struct {
	Endpoint  string // empty: nothing attached
	Format    string // empty in AddVM: the volume's
	Bus       string
	Serial    string
	Cache     string
	BootOrder int   `json:",omitempty"`
	Half      *Half `json:",omitempty"`
}

// NIC is one network card of a VM.
type NIC struct {
	Network      string
	MAC          string // empty in AddVM: made from the VM's id and the slot
	Model        string
	Disconnected bool `json:",omitempty"`
}

// Volume is one file or device that a disk slot can point at.
type Volume struct {
	Endpoint string // "[ds1] folder/name"
	// Name is the target "HOLDER/VOLUME" of the volumes that hotspare made, else empty.
	Name    string        `json:",omitempty"`
	Format  string        `json:",omitempty"`
	SizeMiB int64         `json:",omitempty"` // what it takes of its datastore now
	Parent  string        `json:",omitempty"` // endpoint that a copy-on-write clone hangs on
	Origin  Origin        `json:",omitzero"`
	Owner   drivers.Owner `json:",omitzero"`
	// Replica is the path of the replica that writes this volume while it is secondary.
	Replica string `json:",omitempty"`
	Half    *Half  `json:",omitempty"`
}

// Origin says what a clone was made from.
type Origin struct {
	Replica, RestorePoint, Volume string
}

// Datastore is one place for volumes.
type Datastore struct {
	Name        string
	LUN         string
	CapacityMiB int64
	Hosts       []string // that have it mounted
	Half        *Half    `json:",omitempty"`
}

// Replica is the recovery-side copy of a group's production volumes.
type Replica struct {
	Path          string
	Volumes       map[string]string // volume name to the endpoint that replication writes
	RestorePoints []drivers.RestorePoint
	Role          string // drivers.Secondary (also "") or drivers.Primary
	Promoted      *Promotion
	Kept          map[string]Promotion // writes of earlier promotions, by the name they had
	LastKept      string
	Half          *Half `json:",omitempty"`
	// Unreadable is why its restore points cannot be read; empty: they can.
	Unreadable string `json:",omitempty"`
}

// Promotion is how a replica was promoted.
type Promotion struct {
	As           string
	RestorePoint string            `json:",omitempty"`
	Kept         string            `json:",omitempty"`
	Volumes      map[string]string // volume name to endpoint
}

// Callout is a scripted change with do, undo and check.
type Callout struct {
	Name    string
	Done    bool
	Printed string // what its do printed; in the value's rest
	Half    *Half  `json:",omitempty"`
}

// Half marks a half-made state: a change that began and did not end.
type Half struct {
	Change   string // its id
	From, To drivers.Value
}

// task is a power change that the hypervisor works on. It outlives its caller: when it
// is due it lands, whether anybody waits or not, unless a later change ended it first.
type task struct {
	Power string
	Due   time.Time
	Asked bool // the guest was asked; its going down is its own doing
	// Autostart and HARestart are set when it lands.
	Autostart *bool
	HARestart *string
}

// state is everything at a site: what the file of [Open] holds.
type state struct {
	Hosts      map[string]*Host
	VMs        map[string]*VM
	Networks   map[string]bool
	Datastores map[string]*Datastore
	Volumes    map[string]*Volume // by endpoint
	Replicas   map[string]*Replica
	Callouts   map[string]*Callout
	Tasks      map[string]*task // by VM id

	Latency    Latency
	Limits     []drivers.Limit
	MovesVMs   bool
	Faults     []*Fault
	Password   string // that Configure must give; empty: any
	Session    int    // sessions of an earlier number have expired
	Down       string // why the site answers nothing; empty: it answers
	Unlisted   bool   // the inventory comes back empty, as from an expired session
	Violations []string

	index index
}

func newState() *state {
	s := &state{
		Hosts: map[string]*Host{}, VMs: map[string]*VM{}, Networks: map[string]bool{},
		Datastores: map[string]*Datastore{}, Volumes: map[string]*Volume{},
		Replicas: map[string]*Replica{}, Callouts: map[string]*Callout{}, Tasks: map[string]*task{},
	}
	s.index.rebuild(s)
	return s
}
