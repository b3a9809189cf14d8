package drivertest

import (
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/hotspare/hotspare/drivers"
)

// scene is one property that the suite sets and takes back.
type scene struct {
	name string
	// set prepares the site and gives the change; it skips where the rig lacks something.
	// What it makes it takes away at the end of the test.
	set func(t *testing.T) stage
}

// stage is a prepared scene. The property has a value that is not the goal.
type stage struct {
	property drivers.Property
	goal     drivers.Value
	// back gives the value to put back, from the one that was found.
	back func(found drivers.Value) drivers.Value
	// left takes away what may lawfully be left over: kept writes.
	left func(t *testing.T)
	// looseMade: what was made may differ before and after.
	looseMade bool
}

func asFound(found drivers.Value) drivers.Value { return found }

func (s *suite) scenes() []scene {
	return []scene{
		{"vm power", s.powerScene}, {"vm power suspended", s.suspendScene}, {"vm host", s.hostScene}, {"vm disk", s.diskScene},
		{"vm nic", s.nicScene}, {"vm presence", s.vmScene}, {"volume presence", s.volumeScene},
		{"datastore presence", s.datastoreScene}, {"replica role", s.replicaScene}, {"callout state", s.calloutScene},
	}
}

func (s *suite) powerScene(t *testing.T) stage {
	s.needs(drivers.VM, drivers.Power)
	need("VM to power on", s.PowerVM != "")
	p := s.property(drivers.VM, s.PowerVM, drivers.Power, "")
	return stage{property: p, goal: drivers.Value{Text: drivers.On}, back: asFound}
}

func (s *suite) suspendScene(t *testing.T) stage {
	s.needs(drivers.VM, drivers.Power)
	offered := false
	for _, c := range s.can.Properties {
		for _, text := range c.Texts {
			offered = offered || c.Kind == drivers.VM && c.Name == drivers.Power && text == drivers.Suspended
		}
	}
	if !offered {
		skip("the driver does not offer to suspend")
	}
	vm := s.vmScene(t)
	made := s.change(vm.property, vm.goal)
	s.apply(t, made)
	p := vm.property.On(drivers.Power, "")
	t.Cleanup(func() {
		s.apply(t, s.change(p, drivers.Value{Text: drivers.Off}))
		s.apply(t, s.change(vm.property, drivers.Value{Text: drivers.Absent}))
	})
	s.apply(t, s.change(p, drivers.Value{Text: drivers.On}))
	return stage{property: p, goal: drivers.Value{Text: drivers.Suspended}, back: asFound}
}

func (s *suite) hostScene(t *testing.T) stage {
	s.needs(drivers.VM, drivers.HostOf)
	need("VM and another host", s.VM != "" && s.Host != "")
	return stage{property: s.property(drivers.VM, s.VM, drivers.HostOf, ""), goal: drivers.Value{Text: s.Host}, back: asFound}
}

func (s *suite) diskScene(t *testing.T) stage {
	s.needs(drivers.VM, drivers.Disk)
	need("VM with a disk", s.VM != "" && s.DiskSlot != "")
	endpoint := s.Endpoint
	if endpoint == "" {
		endpoint = s.clone(t, "disk")
	}
	p := s.property(drivers.VM, s.VM, drivers.Disk, s.DiskSlot)
	return stage{property: p, goal: drivers.Value{Text: endpoint}, back: asFound}
}

func (s *suite) nicScene(t *testing.T) stage {
	s.needs(drivers.VM, drivers.NIC)
	need("VM with a NIC, and another network", s.VM != "" && s.NICSlot != "" && s.Network != "")
	p := s.property(drivers.VM, s.VM, drivers.NIC, s.NICSlot)
	return stage{property: p, goal: drivers.Value{Text: s.Network}, back: asFound}
}

func (s *suite) vmScene(t *testing.T) stage {
	s.needs(drivers.VM, drivers.Presence)
	need("template and host", s.Template != "" && s.TemplateHost != "")
	p := s.property(drivers.VM, newUUID(t), drivers.Presence, "")
	spec := &drivers.VMSpec{Name: s.id(), Template: s.Template, Host: s.TemplateHost, UserData: "#cloud-config\n"}
	return stage{property: p, goal: drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{VM: spec}}, back: asFound}
}

func newUUID(t *testing.T) string {
	t.Helper()
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (s *suite) volumeGoal(point string) drivers.Value {
	return drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{Volume: &drivers.VolumeSpec{
		Replica: s.Replica, RestorePoint: point, Volume: s.Volume,
	}}}
}

func (s *suite) volumeScene(t *testing.T) stage {
	s.needs(drivers.Volume, drivers.Presence)
	need("restore point with a volume", s.Replica != "" && s.RestorePoints[0] != "" && s.Volume != "")
	p := s.property(drivers.Volume, s.id()+"/data", drivers.Presence, "")
	return stage{property: p, goal: s.volumeGoal(s.RestorePoints[0]), back: asFound}
}

// clone makes a volume for the length of the test, and gives its endpoint.
func (s *suite) clone(t *testing.T, name string) string {
	t.Helper()
	volume := s.volumeScene(t)
	volume.property.Target = s.id() + "/" + name
	v := s.apply(t, s.change(volume.property, volume.goal))
	t.Cleanup(func() { s.apply(t, s.change(volume.property, drivers.Value{Text: drivers.Absent})) })
	if v.Made[drivers.MadeEndpoint] == "" {
		t.Fatalf("the presence of %s does not tell its endpoint: %v", volume.property, v.Made)
	}
	return v.Made[drivers.MadeEndpoint]
}

func (s *suite) datastoreScene(t *testing.T) stage {
	s.needs(drivers.Datastore, drivers.Presence)
	need("datastore", s.Datastore != "")
	p := s.property(drivers.Datastore, s.Datastore, drivers.Presence, "")
	goal := drivers.Value{Text: drivers.Absent}
	if s.observe(t, p).Text == drivers.Absent {
		goal.Text = drivers.Present
	}
	return stage{property: p, goal: goal, back: asFound}
}

func (s *suite) replicaGoal(point, kept, as string) drivers.Value {
	return drivers.Value{Text: drivers.Primary, Spec: &drivers.Spec{Replica: &drivers.ReplicaSpec{
		RestorePoint: point, Kept: kept, As: as, Volumes: []string{s.Volume},
	}}}
}

func (s *suite) replicaScene(t *testing.T) stage {
	s.needs(drivers.Replica, drivers.Role)
	need("replica", s.Replica != "" && s.RestorePoints[0] != "" && s.Volume != "")
	as := s.id()
	left := func(t *testing.T) {
		if s.can.Can(drivers.Volume, drivers.Presence) {
			s.apply(t, s.change(s.property(drivers.Volume, as+"/"+s.Volume, drivers.Presence, ""), drivers.Value{Text: drivers.Absent}))
		}
	}
	return stage{
		property: s.property(drivers.Replica, s.Replica, drivers.Role, ""), goal: s.replicaGoal(s.RestorePoints[0], "", as),
		back: asFound, left: left, looseMade: true,
	}
}

func (s *suite) calloutScene(t *testing.T) stage {
	s.needs(drivers.Callout, drivers.Done)
	need("callout", s.Callout != "")
	p := s.property(drivers.Callout, s.Callout, drivers.Done, "")
	return stage{property: p, goal: drivers.Value{Text: drivers.DoneText}, back: asFound}
}
