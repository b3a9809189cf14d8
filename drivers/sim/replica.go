package sim

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// replicaRole is the role of a replica. Promoting makes a writable clone of each volume
// and stops replication; demoting keeps those clones by name.
type replicaRole struct{ base }

func (a *replicaRole) replica(st *state) (*Replica, error) {
	r := st.Replicas[a.c.Property.Target]
	if r == nil {
		return nil, a.fail.notFound("", "there is no replica %s", a.c.Property.Target)
	}
	return r, nil
}

func (a *replicaRole) observe(st *state) (drivers.Value, error) {
	r, err := a.replica(st)
	if err != nil {
		return drivers.Value{}, err
	}
	if p := r.Promoted; r.Role == drivers.Primary {
		return drivers.Value{
			Text: drivers.Primary, Made: maps.Clone(p.Volumes),
			Rest: rest(map[string]any{"as": p.As, "restorePoint": p.RestorePoint, "kept": p.Kept}),
		}, nil
	}
	if _, err := st.readable(a.fail, r.Path); err != nil {
		return drivers.Value{}, err
	}
	value := drivers.Value{Text: drivers.Secondary, Rest: rest(map[string]any{})}
	for _, name := range sorted(r.Kept[r.LastKept].Volumes) {
		if endpoint := r.Kept[r.LastKept].Volumes[name]; st.Volumes[endpoint] != nil {
			if value.Made == nil {
				value.Made = map[string]string{}
			}
			value.Made[name] = endpoint
		}
	}
	return value, nil
}

func (a *replicaRole) half(st *state) *Half {
	if r := st.Replicas[a.c.Property.Target]; r != nil {
		return r.Half
	}
	return nil
}

func (a *replicaRole) reached(st *state, have drivers.Value) bool {
	if !matches(have, a.c.Goal) {
		return false
	}
	if have.Text == drivers.Secondary || a.c.Goal.Spec == nil || a.c.Goal.Spec.Replica == nil {
		return true
	}
	p, spec := st.Replicas[a.c.Property.Target].Promoted, a.c.Goal.Spec.Replica
	return p.As == spec.As && p.RestorePoint == spec.RestorePoint && p.Kept == spec.Kept &&
		slices.Equal(sorted(p.Volumes), slices.Sorted(slices.Values(spec.Volumes)))
}

func (a *replicaRole) start(st *state, have drivers.Value, _ time.Time) (time.Duration, error) {
	r, err := a.replica(st)
	if err != nil {
		return 0, err
	}
	if a.c.Goal.Text == drivers.Secondary {
		if err := a.refusesDemote(st, r); err != nil {
			return 0, err
		}
		r.Half = a.mark(r.Half, have)
		return st.Latency.Demote, nil
	}
	if _, _, err := a.promotion(st, r); err != nil {
		return 0, err
	}
	if r.Role == drivers.Primary && r.Half == nil {
		return 0, a.inTheWay(have, "demote it first", "%s is primary as %s", r.Path, r.Promoted.As)
	}
	r.Half = a.mark(r.Half, have)
	return st.Latency.Promote, nil
}

func (a *replicaRole) finish(st *state, _ time.Time) error {
	r, err := a.replica(st)
	if err != nil {
		return err
	}
	if a.c.Goal.Text == drivers.Secondary {
		if err := a.refusesDemote(st, r); err != nil {
			return err
		}
		r.demote()
		return nil
	}
	p, volumes, err := a.promotion(st, r)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		st.putVolume(v)
	}
	r.Role, r.Promoted, r.Half = drivers.Primary, p, nil
	return nil
}

func (r *Replica) demote() {
	r.Half = nil
	if r.Role != drivers.Primary {
		return
	}
	if r.Kept == nil {
		r.Kept = map[string]Promotion{}
	}
	r.Kept[r.Promoted.As], r.LastKept = *r.Promoted, r.Promoted.As
	r.Role, r.Promoted = drivers.Secondary, nil
}

func (a *replicaRole) refusesDemote(st *state, r *Replica) error {
	if r.Role != drivers.Primary {
		return nil
	}
	for _, name := range sorted(r.Promoted.Volumes) {
		if user := st.runningUser(r.Promoted.Volumes[name], ""); user != "" {
			return a.fail.refused("power it off first", "%s runs on volume %s", user, name)
		}
	}
	return nil
}

// promotion gives what the goal asks for, and the volumes that are still to be made.
func (a *replicaRole) promotion(st *state, r *Replica) (*Promotion, []*Volume, error) {
	if a.c.Goal.Spec == nil || a.c.Goal.Spec.Replica == nil {
		return nil, nil, a.fail.invalid("the goal does not say what to promote")
	}
	spec := a.c.Goal.Spec.Replica
	switch {
	case (spec.RestorePoint == "") == (spec.Kept == ""):
		return nil, nil, a.fail.invalid("the goal must name a restore point or kept writes, and not both")
	case spec.As == "" || spec.As == "." || spec.As == ".." || strings.ContainsAny(spec.As, "/\\[]\x00"):
		return nil, nil, a.fail.invalid("promoted volumes cannot be named %q", spec.As)
	case len(spec.Volumes) == 0:
		return nil, nil, a.fail.invalid("the goal names no volumes")
	case !a.ours(a.c.Owner):
		return nil, nil, a.fail.invalid("the change's owner is of site %q, this is site %q", a.c.Owner.Site, a.config.Site)
	}
	p := &Promotion{As: spec.As, RestorePoint: spec.RestorePoint, Kept: spec.Kept, Volumes: map[string]string{}}
	var todo []*Volume
	for _, name := range spec.Volumes {
		if strings.ContainsAny(name, "/\\[]\x00") {
			return nil, nil, a.fail.invalid("a volume cannot be named %q", name)
		}
		v, err := a.promotedVolume(st, r, spec, name)
		if err != nil {
			return nil, nil, err
		}
		if st.Volumes[v.Endpoint] == nil {
			todo = append(todo, v)
		}
		p.Volumes[name] = v.Endpoint
	}
	return p, todo, nil
}

// promotedVolume gives the volume "As/name": one that lies there and is what the goal
// asks for, or one to be made.
func (a *replicaRole) promotedVolume(st *state, r *Replica, spec *drivers.ReplicaSpec, name string) (*Volume, error) {
	target := spec.As + "/" + name
	lies := st.volume(target)
	var parent *Volume
	origin := Origin{Replica: r.Path, RestorePoint: spec.RestorePoint, Volume: name}
	if spec.Kept != "" {
		kept := st.Volumes[r.Kept[spec.Kept].Volumes[name]]
		if kept == nil {
			return nil, a.fail.notFound("", "no writes of volume %s are kept as %s", name, spec.Kept)
		}
		if kept.Name == target {
			return kept, nil
		}
		parent, origin.RestorePoint = kept, kept.Origin.RestorePoint
	} else {
		p, err := st.restorePointVolume(a.fail, r.Path, spec.RestorePoint, name)
		if err != nil {
			return nil, err
		}
		parent = p
		if kept, ok := r.Kept[spec.As]; ok && lies != nil {
			return nil, a.fail.refused("promote the kept writes, or choose another name", "writes of restore point %s are kept as %s", kept.RestorePoint, spec.As)
		}
	}
	if lies != nil {
		if !a.ours(lies.Owner) || lies.Origin != origin || lies.Parent != parent.Endpoint {
			return nil, a.fail.refused("choose another name, or delete it", "volume %s exists and is something else", target)
		}
		return lies, nil
	}
	return a.clone(st, parent, target, origin)
}

// readable gives a replica whose restore points can be read.
func (s *state) readable(fail failure, path string) (*Replica, error) {
	r := s.Replicas[path]
	switch {
	case r == nil:
		return nil, fail.notFound("correct the path in the configuration", "there is no replica %s", path)
	case r.Unreadable != "":
		return nil, fail.notFound("check the replica's path, and that replication has run", "%s", r.Unreadable)
	}
	return r, nil
}

// restorePointVolume gives one volume of a complete restore point.
func (s *state) restorePointVolume(fail failure, path, point, volume string) (*Volume, error) {
	r, err := s.readable(fail, path)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(r.RestorePoints, func(p drivers.RestorePoint) bool { return p.ID == point })
	if i < 0 {
		return nil, fail.notFound("choose another restore point", "replica %s has no restore point %s", path, point)
	}
	if !r.RestorePoints[i].Complete {
		return nil, fail.refused("choose another restore point", "restore point %s of %s is incomplete", point, path)
	}
	v := s.Volumes[r.RestorePoints[i].Volumes[volume]]
	if v == nil {
		return nil, fail.notFound("", "restore point %s of %s has no volume %s", point, path, volume)
	}
	return v, nil
}
