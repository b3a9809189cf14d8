package drivertest

import (
	"testing"

	"github.com/hotspare/hotspare/drivers"
)

// refusals checks that a driver does not do what would cost somebody's data.
func (s *suite) refusals(t *testing.T) {
	t.Run("refusals", func(t *testing.T) {
		s.check(t, "vm presence", "deletes no VM that is not ours", s.foreignVM)
		s.check(t, "volume presence", "deletes no volume that is not ours", s.foreignVolume)
		s.check(t, "volume presence", "deletes no volume that is attached", s.attachedVolume)
		s.check(t, "volume presence", "clones no incomplete restore point", s.incompleteClone)
		s.check(t, "replica role", "promotes no incomplete restore point", s.incompletePromotion)
		s.check(t, "replica role", "is not primary as two", s.primaryAsTwo)
		s.check(t, "replica role", "keeps writes, and promotes them again", s.keptWrites)
		s.check(t, "vm disk", "is not swapped while on", s.diskWhileOn)
		s.check(t, "vm host", "is not moved while on", s.hostWhileOn)
	})
}

// refused applies a change that must be refused, and see that nothing has changed.
func (s *suite) refused(t *testing.T, c drivers.Change, kinds ...drivers.ErrorKind) {
	t.Helper()
	before := text(s.observe(t, c.Property), false)
	_, err := s.try(t, c)
	wantKind(t, err, append(kinds, drivers.Refused)...)
	if after := text(s.observe(t, c.Property), false); after != before {
		t.Fatalf("refused, and changed all the same: before %s, after %s", before, after)
	}
}

func (s *suite) foreignVM(t *testing.T) {
	s.needs(drivers.VM, drivers.Presence)
	need("VM", s.VM != "")
	s.refused(t, s.change(s.property(drivers.VM, s.VM, drivers.Presence, ""), drivers.Value{Text: drivers.Absent}))
}

func (s *suite) foreignVolume(t *testing.T) {
	s.needs(drivers.Volume, drivers.Presence)
	need("volume that is not ours", s.ForeignVolume != "")
	s.refused(t, s.change(s.property(drivers.Volume, s.ForeignVolume, drivers.Presence, ""), drivers.Value{Text: drivers.Absent}))
}

func (s *suite) attachedVolume(t *testing.T) {
	s.needs(drivers.VM, drivers.Disk)
	need("VM with a disk", s.VM != "" && s.DiskSlot != "")
	volume := s.volumeScene(t)
	made := s.apply(t, s.change(volume.property, volume.goal))
	t.Cleanup(func() { s.apply(t, s.change(volume.property, drivers.Value{Text: drivers.Absent})) })
	disk := s.property(drivers.VM, s.VM, drivers.Disk, s.DiskSlot)
	found := s.observe(t, disk)
	t.Cleanup(func() { s.apply(t, s.change(disk, found)) })
	s.apply(t, s.change(disk, drivers.Value{Text: made.Made[drivers.MadeEndpoint]}))
	s.refused(t, s.change(volume.property, drivers.Value{Text: drivers.Absent}))
}

func (s *suite) incompleteClone(t *testing.T) {
	volume := s.volumeScene(t)
	need("incomplete restore point", s.IncompletePoint != "")
	s.refused(t, s.change(volume.property, s.volumeGoal(s.IncompletePoint)))
	_, err := s.try(t, s.change(volume.property, s.volumeGoal("no-such-"+s.prefix)))
	wantKind(t, err, drivers.NotFound)
}

func (s *suite) incompletePromotion(t *testing.T) {
	st := s.replicaScene(t)
	need("incomplete restore point", s.IncompletePoint != "")
	s.refused(t, s.change(st.property, s.replicaGoal(s.IncompletePoint, "", s.id())))
	_, err := s.try(t, s.change(st.property, s.replicaGoal("no-such-"+s.prefix, "", s.id())))
	wantKind(t, err, drivers.NotFound)
	_, err = s.try(t, s.change(st.property, s.replicaGoal("", "no-such-"+s.prefix, s.id())))
	wantKind(t, err, drivers.NotFound)
}

// promoted makes the replica primary for the length of the test.
func (s *suite) promoted(t *testing.T, st stage) drivers.Value {
	t.Helper()
	t.Cleanup(func() {
		s.apply(t, s.change(st.property, drivers.Value{Text: drivers.Secondary}))
		st.left(t)
	})
	return s.apply(t, s.change(st.property, st.goal))
}

func (s *suite) primaryAsTwo(t *testing.T) {
	st := s.replicaScene(t)
	need("second restore point", s.RestorePoints[1] != "")
	s.promoted(t, st)
	s.refused(t, s.change(st.property, s.replicaGoal(s.RestorePoints[1], "", s.id())), drivers.Drift)
	s.refused(t, s.change(st.property, s.replicaGoal(s.RestorePoints[0], "", s.id())), drivers.Drift)
}

// keptWrites: demoting keeps the promoted volumes by name, says where, and the same name
// promotes them again.
func (s *suite) keptWrites(t *testing.T) {
	st := s.replicaScene(t)
	as := st.goal.Spec.Replica.As
	first := s.promoted(t, st)
	if first.Made[s.Volume] == "" {
		t.Fatalf("the role does not tell the endpoint of volume %s: %v", s.Volume, first.Made)
	}
	kept := s.apply(t, s.change(st.property, drivers.Value{Text: drivers.Secondary}))
	if kept.Made[s.Volume] == "" {
		t.Fatalf("the role does not tell where the writes of volume %s are kept: %v", s.Volume, kept.Made)
	}
	if s.can.Can(drivers.Volume, drivers.Presence) {
		if v := s.observe(t, s.property(drivers.Volume, as+"/"+s.Volume, drivers.Presence, "")); v.Text != drivers.Present {
			t.Fatalf("the kept volume %s/%s is %s", as, s.Volume, v.Text)
		}
	}
	again := s.apply(t, s.change(st.property, s.replicaGoal("", as, as)))
	if again.Text != drivers.Primary || again.Made[s.Volume] == "" {
		t.Fatalf("promoting the kept writes gave %s", text(again, false))
	}
}

// on powers the rig's VM on, on a disk that it can run from, for the length of the test.
func (s *suite) on(t *testing.T) (disk drivers.Property, other string) {
	t.Helper()
	s.needs(drivers.VM, drivers.Disk)
	st := s.diskScene(t)
	disk = st.property
	found := s.observe(t, disk)
	t.Cleanup(func() { s.apply(t, s.change(disk, found)) })
	s.apply(t, s.change(disk, st.goal))
	power := disk.On(drivers.Power, "")
	was := s.observe(t, power)
	t.Cleanup(func() { s.apply(t, s.change(power, was)) })
	s.apply(t, s.change(power, drivers.Value{Text: drivers.On}))
	return disk, found.Text
}

func (s *suite) diskWhileOn(t *testing.T) {
	disk, other := s.on(t)
	s.refused(t, s.change(disk, drivers.Value{Text: other}))
}

func (s *suite) hostWhileOn(t *testing.T) {
	st := s.hostScene(t)
	s.on(t)
	s.refused(t, s.change(st.property, st.goal))
}
