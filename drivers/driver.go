package drivers

import (
	"context"
	"encoding/json"
	"time"
)

// ContractVersion is the version of this contract. A caller refuses a driver of another.
const ContractVersion = 1

// Driver sets properties at one cluster. All methods may be called at once from many
// goroutines, within the limits that Describe declares. Every error is an [*Error] or
// the context's.
type Driver interface {
	// Describe tells what the driver can do. It needs no configuration and touches
	// nothing.
	Describe(ctx context.Context) (Description, error)

	// Configure connects the driver to its cluster. It must succeed once before any
	// method below; called again with the same configuration it does nothing. It
	// changes nothing at the site. Errors of kind Invalid name the attribute.
	Configure(ctx context.Context, c Configuration) error

	// Health calls report after a real, authenticated read of the site, at once and
	// then at least every c.HealthEvery, until ctx ends or report returns an error,
	// which it returns.
	Health(ctx context.Context, report func(Health) error) error

	// Inventory calls item for everything at the cluster that the scheduler may have to
	// know, in any order. It returns nil only if it listed everything: an empty or
	// partial inventory is an error, never nil. A replica that cannot be read, while the
	// cluster can, is told with its problem ([ReplicaItem]) and fails nothing else.
	Inventory(ctx context.Context, request InventoryRequest, item func(Item) error) error

	// Observe reads one property now, from the site. A VM or volume that does not exist
	// has presence [Absent]; any other property of it is an error of kind NotFound.
	Observe(ctx context.Context, p Property) (Value, error)

	// Apply makes the property's value the goal, and that property's only. Applied twice
	// is as applied once: a goal that stands already is success. It returns the value
	// that now stands.
	//
	// It refuses with Drift to overwrite a value that is none of: one of c.Expected, the
	// goal, or a half-made state of this same change. Before it changes a target it
	// waits for, or ends, what an earlier call of ours left running on it. progress may
	// be nil, is advisory and must not block.
	Apply(ctx context.Context, c Change, progress func(Progress)) (Value, error)
}

// Configuration is what a driver needs to know of its cluster.
type Configuration struct {
	Site    string `json:"site"`    // the site's id: part of the names of what the driver makes
	Cluster string `json:"cluster"` // this cluster's name
	// Body is the cluster's config block as a JSON object; its schema is the
	// driver's ([Description.Schema]). It may hold secrets.
	Body        json.RawMessage `json:"body"`
	HealthEvery time.Duration   `json:"healthEvery"` // 0: 10 s
}

// Change states a goal for one property.
type Change struct {
	Property Property `json:"property"`
	// ID is the same when the same change is applied again, and unique at the site
	// otherwise. It has only letters, digits, dots and dashes: drivers name scratch
	// objects after it.
	ID string `json:"id"`
	// Expected lists the values that may stand before; empty means any. The caller
	// gives more than one when an earlier change was cut off.
	Expected []Value `json:"expected,omitempty"`
	Goal     Value   `json:"goal"`
	// Grace, for power off and suspend: how long the guest is asked before the driver
	// gives up with GraceOver. Negative or zero: do not ask.
	Grace time.Duration `json:"grace,omitempty"`
	// Force allows to cut a guest off.
	Force bool `json:"force,omitempty"`
	// Owner marks what this change makes.
	Owner Owner `json:"owner"`
}

// Owner is the mark on what hotspare made. The zero Owner means: not ours.
type Owner struct {
	Site   string `json:"site,omitempty"`
	Holder string `json:"holder,omitempty"`
}

// Progress of a long Apply; advisory.
type Progress struct {
	Message string `json:"message"`           // "cloning", "waiting for the guest to shut down"
	Percent int    `json:"percent,omitempty"` // 0 to 100; 0 also where it is not known
}

// Health is the result of one authenticated read of the site.
type Health struct {
	At    time.Time     `json:"at"`
	OK    bool          `json:"ok"`
	Took  time.Duration `json:"took"`
	Error string        `json:"error,omitempty"` // what to tell a person, where not OK
}

// Description is what a driver can do.
type Description struct {
	Driver   string `json:"driver"` // "vsphere"
	Version  string `json:"version"`
	Contract int    `json:"contract"` // ContractVersion it was built for
	// Properties that the driver can observe and apply.
	Properties []Capability `json:"properties"`
	Limits     []Limit      `json:"limits"`
	// MovesVMs: the hypervisor moves VMs between hosts itself (DRS); the host of a VM is
	// then never drift.
	MovesVMs bool `json:"movesVMs,omitempty"`
	// Schema lists the attributes of the configuration block.
	Schema []Attribute `json:"schema"`
}

// Can reports whether the driver can set this property of this kind of target.
func (d Description) Can(kind Kind, name Name) bool {
	for _, c := range d.Properties {
		if c.Kind == kind && c.Name == name {
			return true
		}
	}
	return false
}

// Capability is one property that a driver can set.
type Capability struct {
	Kind Kind `json:"kind"`
	Name Name `json:"name"`
	// Texts it can be set to, where they are few.
	Texts []string `json:"texts,omitempty"`
	// NotExact says in one sentence why a change cannot be taken back exactly; empty
	// where it can. The plan shows it.
	NotExact string `json:"notExact,omitempty"`
}

// Limit is how many changes of one kind may be in flight at once. Zero: no limit.
type Limit struct {
	Kind       Kind `json:"kind"`
	Name       Name `json:"name"`
	PerCluster int  `json:"perCluster,omitempty"`
	PerHost    int  `json:"perHost,omitempty"`
}

// Attribute is one attribute of a driver's configuration block.
type Attribute struct {
	Name     string `json:"name"`
	Type     string `json:"type"` // "string", "number", "bool", "duration" (Go's form, as a string), "file" (path of a file whose content is the value), "list(string)", "map(string)"
	Required bool   `json:"required,omitempty"`
	Secret   bool   `json:"secret,omitempty"`
	Help     string `json:"help"`
}
