package proto

import (
	"strings"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// FromConfiguration gives the message for a configuration. It may hold secrets.
func FromConfiguration(c drivers.Configuration) *Configuration {
	return &Configuration{Site: c.Site, Cluster: c.Cluster, Body: c.Body, HealthEvery: int64(c.HealthEvery)}
}

// ToConfiguration gives the configuration in a message.
func ToConfiguration(m *Configuration) drivers.Configuration {
	return drivers.Configuration{
		Site: m.GetSite(), Cluster: m.GetCluster(), Body: raw(m.GetBody()), HealthEvery: time.Duration(m.GetHealthEvery()),
	}
}

// FromHealth gives the message for a health report.
func FromHealth(h drivers.Health) *HealthReport {
	return &HealthReport{At: fromTime(h.At), Ok: h.OK, Took: int64(h.Took), Error: h.Error}
}

// ToHealth gives the health report in a message.
func ToHealth(m *HealthReport) drivers.Health {
	return drivers.Health{At: toTime(m.GetAt()), OK: m.GetOk(), Took: time.Duration(m.GetTook()), Error: m.GetError()}
}

// FromDescription gives the message for a description.
func FromDescription(d drivers.Description) *Description {
	m := &Description{Driver: d.Driver, Version: d.Version, Contract: int64(d.Contract), MovesVms: d.MovesVMs}
	for _, c := range d.Properties {
		m.Properties = append(m.Properties, &Capability{Kind: string(c.Kind), Name: string(c.Name), Texts: c.Texts, NotExact: c.NotExact})
	}
	for _, l := range d.Limits {
		m.Limits = append(m.Limits, &Limit{
			Kind: string(l.Kind), Name: string(l.Name), PerCluster: int64(l.PerCluster), PerHost: int64(l.PerHost),
		})
	}
	for _, a := range d.Schema {
		m.Schema = append(m.Schema, &Attribute{Name: a.Name, Type: a.Type, Required: a.Required, Secret: a.Secret, Help: a.Help})
	}
	return m
}

// ToDescription gives the description in a message.
func ToDescription(m *Description) drivers.Description {
	d := drivers.Description{
		Driver: m.GetDriver(), Version: m.GetVersion(), Contract: int(m.GetContract()), MovesVMs: m.GetMovesVms(),
	}
	for _, c := range m.GetProperties() {
		d.Properties = append(d.Properties, drivers.Capability{
			Kind: drivers.Kind(c.Kind), Name: drivers.Name(c.Name), Texts: c.Texts, NotExact: c.NotExact,
		})
	}
	for _, l := range m.GetLimits() {
		d.Limits = append(d.Limits, drivers.Limit{
			Kind: drivers.Kind(l.Kind), Name: drivers.Name(l.Name), PerCluster: int(l.PerCluster), PerHost: int(l.PerHost),
		})
	}
	for _, a := range m.GetSchema() {
		d.Schema = append(d.Schema, drivers.Attribute{Name: a.Name, Type: a.Type, Required: a.Required, Secret: a.Secret, Help: a.Help})
	}
	return d
}

// FromItem gives the message for one thing of the inventory.
func FromItem(i drivers.Item) *Item {
	switch {
	case i.Host != nil:
		h := i.Host
		return &Item{Item: &Item_Host{Host: &HostItem{
			Name: h.Name, Cpus: int64(h.CPUs), MemoryMib: h.MemoryMiB, Maintenance: h.Maintenance, Connected: h.Connected,
			Networks: h.Networks, Datastores: h.Datastores,
		}}}
	case i.VM != nil:
		v := i.VM
		return &Item{Item: &Item_Vm{Vm: &VMItem{
			Id: v.ID, Name: v.Name, Host: v.Host, Power: v.Power, Cpus: int64(v.CPUs), MemoryMib: v.MemoryMiB, Disks: v.Disks,
			Nics: v.NICs, Template: v.Template, Snapshots: int64(v.Snapshots), Owner: fromOwner(v.Owner),
			Addresses: v.Addresses,
		}}}
	case i.Network != nil:
		return &Item{Item: &Item_Network{Network: &NetworkItem{Name: i.Network.Name}}}
	case i.Datastore != nil:
		d := i.Datastore
		return &Item{Item: &Item_Datastore{Datastore: &DatastoreItem{Name: d.Name, CapacityMib: d.CapacityMiB, FreeMib: d.FreeMiB}}}
	case i.Replica != nil:
		r := &ReplicaItem{Path: i.Replica.Path, Role: i.Replica.Role, Problem: strings.ToValidUTF8(i.Replica.Problem, "\uFFFD")}
		for _, p := range i.Replica.RestorePoints {
			r.RestorePoints = append(r.RestorePoints, &RestorePoint{Id: p.ID, Time: fromTime(p.Time), Complete: p.Complete, Volumes: p.Volumes})
		}
		return &Item{Item: &Item_Replica{Replica: r}}
	}
	return &Item{}
}

// ToItem gives the thing in a message; the zero Item where it holds none that is known.
func ToItem(m *Item) drivers.Item {
	switch i := m.GetItem().(type) {
	case *Item_Host:
		h := i.Host
		return drivers.Item{Host: &drivers.HostItem{
			Name: h.Name, CPUs: int(h.Cpus), MemoryMiB: h.MemoryMib, Maintenance: h.Maintenance, Connected: h.Connected,
			Networks: h.Networks, Datastores: h.Datastores,
		}}
	case *Item_Vm:
		v := i.Vm
		return drivers.Item{VM: &drivers.VMItem{
			ID: v.Id, Name: v.Name, Host: v.Host, Power: v.Power, CPUs: int(v.Cpus), MemoryMiB: v.MemoryMib, Disks: v.Disks,
			NICs: v.Nics, Template: v.Template, Snapshots: int(v.Snapshots), Owner: toOwner(v.Owner),
			Addresses: v.Addresses,
		}}
	case *Item_Network:
		return drivers.Item{Network: &drivers.NetworkItem{Name: i.Network.Name}}
	case *Item_Datastore:
		d := i.Datastore
		return drivers.Item{Datastore: &drivers.DatastoreItem{Name: d.Name, CapacityMiB: d.CapacityMib, FreeMiB: d.FreeMib}}
	case *Item_Replica:
		r := &drivers.ReplicaItem{Path: i.Replica.Path, Role: i.Replica.Role, Problem: i.Replica.Problem}
		for _, p := range i.Replica.RestorePoints {
			r.RestorePoints = append(r.RestorePoints, drivers.RestorePoint{
				ID: p.Id, Time: toTime(p.Time), Complete: p.Complete, Volumes: p.Volumes,
			})
		}
		return drivers.Item{Replica: r}
	}
	return drivers.Item{}
}
