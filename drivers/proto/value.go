package proto

import (
	"encoding/json"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// FromProperty gives the message for a property.
func FromProperty(p drivers.Property) *Property {
	return &Property{Cluster: p.Cluster, Kind: string(p.Kind), Target: p.Target, Name: string(p.Name), Slot: p.Slot}
}

// ToProperty gives the property in a message; nil is the zero property.
func ToProperty(m *Property) drivers.Property {
	return drivers.Property{
		Cluster: m.GetCluster(), Kind: drivers.Kind(m.GetKind()), Target: m.GetTarget(),
		Name: drivers.Name(m.GetName()), Slot: m.GetSlot(),
	}
}

// FromValue gives the message for a value.
func FromValue(v drivers.Value) *Value {
	return &Value{Text: v.Text, Spec: fromSpec(v.Spec), Made: v.Made, Rest: v.Rest}
}

// ToValue gives the value in a message; nil is the zero value.
func ToValue(m *Value) drivers.Value {
	return drivers.Value{Text: m.GetText(), Spec: toSpec(m.GetSpec()), Made: m.GetMade(), Rest: raw(m.GetRest())}
}

// raw keeps "no JSON" apart from JSON: an empty RawMessage could not be marshaled.
func raw(data []byte) json.RawMessage {
	if len(data) == 0 {
		return nil
	}
	return data
}

func fromSpec(s *drivers.Spec) *Spec {
	if s == nil {
		return nil
	}
	m := &Spec{}
	if v := s.VM; v != nil {
		m.Vm = &VMSpec{
			Name: v.Name, Template: v.Template, Host: v.Host, Cpus: int64(v.CPUs), MemoryMib: v.MemoryMiB,
			Networks: v.Networks, UserData: v.UserData,
		}
	}
	if v := s.Volume; v != nil {
		m.Volume = &VolumeSpec{Replica: v.Replica, RestorePoint: v.RestorePoint, Volume: v.Volume}
	}
	if v := s.Replica; v != nil {
		m.Replica = &ReplicaSpec{RestorePoint: v.RestorePoint, Kept: v.Kept, As: v.As, Volumes: v.Volumes}
	}
	return m
}

func toSpec(m *Spec) *drivers.Spec {
	if m == nil {
		return nil
	}
	s := &drivers.Spec{}
	if v := m.Vm; v != nil {
		s.VM = &drivers.VMSpec{
			Name: v.Name, Template: v.Template, Host: v.Host, CPUs: int(v.Cpus), MemoryMiB: v.MemoryMib,
			Networks: v.Networks, UserData: v.UserData,
		}
	}
	if v := m.Volume; v != nil {
		s.Volume = &drivers.VolumeSpec{Replica: v.Replica, RestorePoint: v.RestorePoint, Volume: v.Volume}
	}
	if v := m.Replica; v != nil {
		s.Replica = &drivers.ReplicaSpec{RestorePoint: v.RestorePoint, Kept: v.Kept, As: v.As, Volumes: v.Volumes}
	}
	return s
}

// FromChange gives the message for a change.
func FromChange(c drivers.Change) *Change {
	m := &Change{
		Property: FromProperty(c.Property), Id: c.ID, Goal: FromValue(c.Goal), Grace: int64(c.Grace), Force: c.Force,
		Owner: fromOwner(c.Owner),
	}
	for _, v := range c.Expected {
		m.Expected = append(m.Expected, FromValue(v))
	}
	return m
}

// ToChange gives the change in a message.
func ToChange(m *Change) drivers.Change {
	c := drivers.Change{
		Property: ToProperty(m.GetProperty()), ID: m.GetId(), Goal: ToValue(m.GetGoal()), Grace: time.Duration(m.GetGrace()),
		Force: m.GetForce(), Owner: toOwner(m.GetOwner()),
	}
	for _, v := range m.GetExpected() {
		c.Expected = append(c.Expected, ToValue(v))
	}
	return c
}

func fromOwner(o drivers.Owner) *Owner { return &Owner{Site: o.Site, Holder: o.Holder} }

func toOwner(m *Owner) drivers.Owner {
	return drivers.Owner{Site: m.GetSite(), Holder: m.GetHolder()}
}

// FromProgress gives the message for progress.
func FromProgress(p drivers.Progress) *Progress {
	return &Progress{Message: p.Message, Percent: int64(p.Percent)}
}

// ToProgress gives the progress in a message.
func ToProgress(m *Progress) drivers.Progress {
	return drivers.Progress{Message: m.GetMessage(), Percent: int(m.GetPercent())}
}

// fromTime keeps the instant, and not the zone; the zero time is no message.
func fromTime(t time.Time) *Instant {
	if t.IsZero() {
		return nil
	}
	return &Instant{Seconds: t.Unix(), Nanoseconds: int32(t.Nanosecond())}
}

func toTime(m *Instant) time.Time {
	if m == nil {
		return time.Time{}
	}
	return time.Unix(m.Seconds, int64(m.Nanoseconds)).UTC()
}
