package drivers

import (
	"fmt"
	"net/url"
	"strings"
)

// Kind says what sort of thing a target is.
type Kind string

// The kinds of targets.
const (
	VM        Kind = "vm"
	Volume    Kind = "volume"
	Datastore Kind = "datastore"
	Replica   Kind = "replica"
	Callout   Kind = "callout"
)

// Name says which property of a target is meant.
type Name string

// The properties. Which kind of target has which of them is in [Property.Valid].
const (
	Presence Name = "presence" // VM, volume, datastore
	Power    Name = "power"    // VM
	HostOf   Name = "host"     // VM
	Disk     Name = "disk"     // VM, one for each slot
	NIC      Name = "nic"      // VM, one for each slot
	Role     Name = "role"     // replica
	Done     Name = "state"    // callout
)

// Property names one property of one target at one cluster. It is comparable, and so
// can be the key of a map; as text it reads "cluster/kind/target/name" or, for a disk
// or a NIC, "cluster/kind/target/name/slot", each part escaped as in a URL's path.
type Property struct {
	// Cluster is the name of the cluster in the site's configuration.
	Cluster string
	Kind    Kind
	// Target is stable and never a display name where the hypervisor has better.
	// VM: its UUID, in lower case with dashes (vSphere: the instance UUID).
	// Volume: "HOLDER/VOLUME", a name that the caller chose; the driver says where it
	// lies ([MadeEndpoint]). Replica: its path as configured.
	Target string
	Name   Name
	// Slot is the driver's stable name of a disk's or NIC's place ("scsi0:0",
	// "ethernet0", "vda"), never an ordinal; empty for every other property.
	Slot string
}

// On names another property of the same target.
func (p Property) On(name Name, slot string) Property {
	p.Name, p.Slot = name, slot
	return p
}

// Valid reports, as an error, a property that no target can have.
func (p Property) Valid() error {
	allowed := map[Kind][]Name{
		VM:        {Presence, Power, HostOf, Disk, NIC},
		Volume:    {Presence},
		Datastore: {Presence},
		Replica:   {Role},
		Callout:   {Done},
	}
	if p.Cluster == "" || p.Target == "" {
		return fmt.Errorf("property %q: cluster and target must be given", p.String())
	}
	if slotted := p.Name == Disk || p.Name == NIC; slotted != (p.Slot != "") {
		return fmt.Errorf("property %q: a slot belongs to a disk or a NIC, and only to those", p.String())
	}
	for _, n := range allowed[p.Kind] {
		if n == p.Name {
			return nil
		}
	}
	return fmt.Errorf("property %q: a %s has no property %q", p.String(), p.Kind, p.Name)
}

// String gives the property as one line of text that [ParseProperty] reads back.
func (p Property) String() string {
	parts := []string{p.Cluster, string(p.Kind), p.Target, string(p.Name)}
	if p.Slot != "" {
		parts = append(parts, p.Slot)
	}
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// Label is the property in words for people, without its cluster and target:
// "power", "disk scsi0:0".
func (p Property) Label() string {
	if p.Kind == Replica {
		return "replica role"
	}
	if p.Slot != "" {
		return string(p.Name) + " " + p.Slot
	}
	return string(p.Name)
}

// ParseProperty reads what [Property.String] wrote.
func ParseProperty(text string) (Property, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 4 && len(parts) != 5 {
		return Property{}, fmt.Errorf("property %q: want cluster/kind/target/name or cluster/kind/target/name/slot", text)
	}
	for i := range parts {
		part, err := url.PathUnescape(parts[i])
		if err != nil {
			return Property{}, fmt.Errorf("property %q: %w", text, err)
		}
		parts[i] = part
	}
	p := Property{Cluster: parts[0], Kind: Kind(parts[1]), Target: parts[2], Name: Name(parts[3])}
	if len(parts) == 5 {
		p.Slot = parts[4]
	}
	return p, p.Valid()
}

// MarshalText makes a property usable as a key in JSON.
func (p Property) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (p *Property) UnmarshalText(text []byte) error {
	parsed, err := ParseProperty(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}
