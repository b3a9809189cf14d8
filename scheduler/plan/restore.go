package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
)

// restoreFor chooses what a failover promotes. While writes that an earlier failover left
// are neither home nor discarded, the operator must choose.
func (b *builder) restoreFor(g *groupAt, req Request) (*scheduler.ChosenRestore, error) {
	kept := keptOf(b.snap.State, g.Name)
	if req.Kept != "" {
		for _, k := range kept {
			if k.Name == req.Kept {
				if err := g.keptIn(k); err != nil {
					return nil, err
				}
				return &scheduler.ChosenRestore{Kept: k.Name, Time: k.At, Age: b.snap.Now.Sub(k.At), Volumes: len(k.Volumes)}, nil
			}
		}
		return nil, &Refused{Reason: fmt.Sprintf("%s has no kept writes %q", g.Name, req.Kept), Next: "see: hotspare group show " + g.Name}
	}
	if len(kept) > 0 && req.RestorePoint == "" {
		names := make([]string, len(kept))
		for i, k := range kept {
			names[i] = k.Name + " of " + k.At.Format(time.RFC3339)
		}
		return nil, &Refused{
			Reason: fmt.Sprintf("%s has kept writes of an earlier failover (%s), and restore points", g.Name, strings.Join(names, ", ")),
			Next:   "choose, the newest first: " + strings.Join(b.choices(g, kept), ", or "),
		}
	}
	chosen, err := choose(b.snap, g, req.RestorePoint)
	if err != nil {
		return nil, err
	}
	if g.RPO > 0 && chosen.Age > g.RPO {
		b.plan.Notes = append(b.plan.Notes, fmt.Sprintf("restore point %s is %s old, more than the RPO of %s", chosen.ID, scheduler.Span(chosen.Age), scheduler.Span(g.RPO)))
	}
	return chosen, nil
}

// choices gives the flags that choose what a failover promotes: each of the kept writes, and
// the newest restore point that can be used.
func (b *builder) choices(g *groupAt, kept []*scheduler.Kept) []string {
	type choice struct {
		at   time.Time
		flag string
	}
	var all []choice
	for _, k := range kept {
		all = append(all, choice{k.At, "--from-kept " + k.Name})
	}
	if point, err := choose(b.snap, g, ""); err == nil {
		all = append(all, choice{point.Time, fmt.Sprintf("--restore-point %s (%s old)", point.ID, scheduler.Span(point.Age))})
	}
	slices.SortStableFunc(all, func(x, y choice) int { return y.at.Compare(x.at) })
	flags := make([]string, len(all))
	for i, c := range all {
		flags[i] = c.flag
	}
	return flags
}

// known refuses a restore point that a group surely does not have. want is its id; empty is
// the newest.
func known(snap *scheduler.Snapshot, g *scheduler.Group, want string) error {
	points := pointsOf(snap, g)
	if want == "" || len(points) == 0 {
		return nil
	}
	ids := make([]string, len(points))
	for i, point := range points {
		if ids[i] = point.ID; point.ID == want {
			return nil
		}
	}
	return &Refused{Reason: fmt.Sprintf("%s has no restore point %q", g.Name, want), Next: "it has: " + strings.Join(ids, ", ")}
}

// keptIn refuses kept writes that lack a volume of the group.
func (g *groupAt) keptIn(k *scheduler.Kept) error {
	for _, vm := range g.vms {
		for _, disk := range vm.Disks {
			if _, ok := k.Volumes[disk.Volume]; !ok {
				return &Refused{Reason: fmt.Sprintf("kept writes %s lack volume %s of %s", k.Name, disk.Volume, vm.Name), Next: "choose a restore point: --restore-point ID"}
			}
		}
	}
	return nil
}

func keptOf(state *scheduler.State, group string) []*scheduler.Kept {
	var all []*scheduler.Kept
	for _, name := range sortedNames(state.Kept) {
		if k := state.Kept[name]; k.Group == group && k.Word.What != scheduler.WritesHome {
			all = append(all, k)
		}
	}
	return all
}

// choose finds the restore point: complete in every replica of the group, with every
// volume that the group's disks need. want is its id; empty is the newest. It refuses while
// a replica of the group cannot be read.
func choose(snap *scheduler.Snapshot, g *groupAt, want string) (*scheduler.ChosenRestore, error) {
	if err := snap.Inventory.Unreadable(g.Group); err != nil {
		return nil, &Refused{Reason: fmt.Sprintf("the restore points of %s cannot be read: %s", g.Name, err)}
	}
	var best *scheduler.ChosenRestore
	var why []string
	for _, point := range pointsOf(snap, g.Group) {
		if want != "" && point.ID != want {
			continue
		}
		volumes, err := covers(snap, g, point.ID)
		if err != nil {
			why = append(why, err.Error())
			continue
		}
		if best == nil || point.Time.After(best.Time) {
			best = &scheduler.ChosenRestore{ID: point.ID, Time: point.Time, Age: snap.Now.Sub(point.Time), Volumes: volumes}
		}
	}
	if best != nil {
		return best, nil
	}
	reason := fmt.Sprintf("%s has no complete restore point", g.Name)
	if want != "" {
		reason = fmt.Sprintf("restore point %q of %s cannot be used", want, g.Name)
	}
	if len(why) > 0 {
		reason += ": " + strings.Join(why, ", ")
	}
	return nil, &Refused{Reason: reason, Next: "see: hotspare group show " + g.Name}
}

func pointsOf(snap *scheduler.Snapshot, g *scheduler.Group) []drivers.RestorePoint {
	if len(g.Replicas) == 0 {
		return nil
	}
	inv := snap.Inventory[g.Replicas[0].Cluster]
	if inv == nil {
		return nil
	}
	return inv.Replicas[g.Replicas[0].Path].RestorePoints
}

// covers counts the volumes of the group in a restore point, or says what it lacks.
func covers(snap *scheduler.Snapshot, g *groupAt, id string) (int, error) {
	count := 0
	for _, replica := range g.Replicas {
		point := findPoint(snap, replica, id)
		switch {
		case point == nil:
			return 0, fmt.Errorf("%s is not in replica %s", id, replica.Name)
		case !point.Complete:
			return 0, fmt.Errorf("%s is not complete", id)
		}
		for _, vm := range g.vms {
			for _, disk := range vm.Disks {
				if disk.Replica != replica.Name {
					continue
				}
				if _, ok := point.Volumes[disk.Volume]; !ok {
					return 0, fmt.Errorf("%s lacks volume %s", id, disk.Volume)
				}
				count++
			}
		}
	}
	return count, nil
}

func findPoint(snap *scheduler.Snapshot, replica scheduler.ReplicaRef, id string) *drivers.RestorePoint {
	inv := snap.Inventory[replica.Cluster]
	if inv == nil {
		return nil
	}
	points := inv.Replicas[replica.Path].RestorePoints
	for i := range points {
		if points[i].ID == id {
			return &points[i]
		}
	}
	return nil
}
