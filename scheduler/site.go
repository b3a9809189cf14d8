package scheduler

import (
	"encoding/json"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// Site is one recovery site, as configured. It is not changed after it was loaded.
type Site struct {
	Name     string
	StateDir string // absolute
	Listen   Listen
	Clusters []Cluster
	Networks []Network
	Isolated []IsolatedPool
	Rules    WorkspaceRules
	Groups   []Group
	Template []Template
	Triggers []Trigger
}

// Listen says where the server listens.
type Listen struct {
	Unix string // path of the unix socket, absolute
	TCP  string // host:port for triggers and, with Token, the API; empty: none
	// Token is the bearer token of the API on TCP; empty: the API is only on the unix socket.
	Token string `json:"-"`
	// CertFile and KeyFile make TCP speak TLS; absolute. Without them TCP is on loopback only.
	CertFile, KeyFile string
}

// Cluster is hosts behind one driver configuration.
type Cluster struct {
	Name   string
	Driver string // name of the driver: the binary is hotspare-driver-NAME
	// Config is the driver's block as a JSON object, secrets included: it goes to the
	// driver and nowhere else.
	Config json.RawMessage `json:"-"`
	Room   RoomRules
}

// RoomRules say how much of the hosts may be used.
type RoomRules struct {
	CPURatio     float64 // virtual CPUs for one thread; default 4
	MemoryRatio  float64 // default 1
	FloorMemory  float64 // share of a host's memory that is never lent, 0 to 1
	FloorStorage float64 // share of a datastore that is never lent, 0 to 1
}

// Role of a network.
const (
	ProductionNetwork = "production"
	StandbyNetwork    = "standby"
)

// Network is one network that NICs of standby VMs are put on.
type Network struct {
	Name      string
	Cluster   string
	PortGroup string // the driver's name for it
	Role      string // ProductionNetwork or StandbyNetwork
}

// IsolatedPool is the pool of networks that lead nowhere; each workspace gets its own.
type IsolatedPool struct {
	Name       string
	Cluster    string
	PortGroups []string
}

// WorkspaceRules hold for all workspaces.
type WorkspaceRules struct {
	MaxLease  time.Duration // longest lease
	Retention time.Duration // how long clones are parked after the lease, unless said nearer
	Notice    time.Duration // how long before the end of a lease its owner is told
	Shutdown  time.Duration // how long guests have to shut down before they are cut off
}

// Group is a protection group: standby VMs that fail over together.
type Group struct {
	Name     string
	Priority int // 1 comes first
	RTO      time.Duration
	RPO      time.Duration
	Owner    string
	Copy     *CopyRules // nil: nobody may copy it
	Replicas []ReplicaRef
	VMs      []StandbyVM
}

// CopyRules say who may have a copy of a group.
type CopyRules struct {
	Allow     []string      // owners; "*" is anyone
	Retention time.Duration // of parked clones; 0: the site's
}

// ReplicaRef is one replica of a group.
type ReplicaRef struct {
	Name    string
	Cluster string
	Path    string // as the driver knows it
}

// StandbyVM is a VM that is registered and off, waiting to run one production workload.
type StandbyVM struct {
	Name    string
	UUID    string // optional; where given, it is the identity, else the name is
	Cluster string
	Start   int // lower starts first, and the next waits until it is ready
	Disks   []DiskMapping
	NICs    []NICMapping
	Ready   *ReadyCheck
}

// DiskMapping says which volume of which replica a disk shows.
type DiskMapping struct {
	Slot    string
	Replica string
	Volume  string
}

// NICMapping says which network a NIC is on in production: the name of a [Network].
type NICMapping struct {
	Slot       string
	Production string
}

// Kinds of readiness checks.
const (
	ReadyHTTP    = "http"
	ReadyTCP     = "tcp"
	ReadyCommand = "command"
)

// ReadyCheck asks the service, never the power state, whether it is ready.
type ReadyCheck struct {
	Kind    string        `json:"kind"`
	URL     string        `json:"url,omitempty"`     // ReadyHTTP: ready is a status of 200 to 399
	Address string        `json:"address,omitempty"` // ReadyTCP: host:port
	Command []string      `json:"command,omitempty"` // ReadyCommand: ready is exit code 0
	Within  time.Duration `json:"within"`
}

// Template is what new VMs are made from.
type Template struct {
	Name      string
	Cluster   string
	Source    string // the driver's name of the template
	CPUs      int
	MemoryMiB int64
	Network   string        // "isolated", or the name of a network that is not production
	Retention time.Duration // 0: the site's
	UserData  string
}

// IsolatedNetworkName is the [Template.Network] that means the workspace's own.
const IsolatedNetworkName = "isolated"

// Trigger is one source of signals.
type Trigger struct {
	Kind       string // "alertmanager"
	Name       string
	Token      string `json:"-"` // secret
	GroupLabel string
	Starts     Verb // Reclaim
}

// Group finds a group by name; nil where there is none.
func (s *Site) Group(name string) *Group {
	for i := range s.Groups {
		if s.Groups[i].Name == name {
			return &s.Groups[i]
		}
	}
	return nil
}

// Cluster finds a cluster by name; nil where there is none.
func (s *Site) Cluster(name string) *Cluster {
	for i := range s.Clusters {
		if s.Clusters[i].Name == name {
			return &s.Clusters[i]
		}
	}
	return nil
}

// Network finds a network by name; nil where there is none.
func (s *Site) Network(name string) *Network {
	for i := range s.Networks {
		if s.Networks[i].Name == name {
			return &s.Networks[i]
		}
	}
	return nil
}

// TemplateNamed finds a template by name; nil where there is none.
func (s *Site) TemplateNamed(name string) *Template {
	for i := range s.Template {
		if s.Template[i].Name == name {
			return &s.Template[i]
		}
	}
	return nil
}

// IsolatedAt lists the isolated networks of a cluster, in the order of the files.
func (s *Site) IsolatedAt(cluster string) []string {
	var all []string
	for _, pool := range s.Isolated {
		if pool.Cluster == cluster {
			all = append(all, pool.PortGroups...)
		}
	}
	return all
}

// Replica finds a replica of the group by name; nil where there is none.
func (g *Group) Replica(name string) *ReplicaRef {
	for i := range g.Replicas {
		if g.Replicas[i].Name == name {
			return &g.Replicas[i]
		}
	}
	return nil
}

// Property names the role of the replica.
func (r ReplicaRef) Property() drivers.Property {
	return drivers.Property{Cluster: r.Cluster, Kind: drivers.Replica, Target: r.Path, Name: drivers.Role}
}

// AllowsCopyBy reports whether this owner may have a copy of the group.
func (g *Group) AllowsCopyBy(owner string) bool {
	if g.Copy == nil {
		return false
	}
	for _, allowed := range g.Copy.Allow {
		if allowed == "*" || allowed == owner {
			return true
		}
	}
	return false
}
