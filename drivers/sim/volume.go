package sim

import (
	"strings"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// cloneMiB is what a copy-on-write clone takes when it is born.
const cloneMiB = 1

// volumePresence is whether a volume exists.
type volumePresence struct{ base }

func (a *volumePresence) observe(st *state) (drivers.Value, error) {
	if err := a.validTarget(); err != nil {
		return drivers.Value{}, err
	}
	v := st.volume(a.c.Property.Target)
	if v == nil {
		return drivers.Value{Text: drivers.Absent}, nil
	}
	fields := map[string]any{
		"replica": v.Origin.Replica, "restorePoint": v.Origin.RestorePoint, "volume": v.Origin.Volume, "format": v.Format,
	}
	if v.Half != nil {
		fields["half"] = true
	}
	return drivers.Value{Text: drivers.Present, Made: map[string]string{drivers.MadeEndpoint: v.Endpoint}, Rest: rest(fields)}, nil
}

// validTarget refuses a name that could lead out of the folder that is ours.
func (a *volumePresence) validTarget() error {
	parts := strings.Split(a.c.Property.Target, "/")
	valid := len(parts) == 2
	for _, p := range parts {
		valid = valid && p != "" && p != "." && p != ".." && !strings.ContainsAny(p, "[]\\\x00")
	}
	if !valid {
		return a.fail.invalid("volume %q is not of the form HOLDER/VOLUME", a.c.Property.Target)
	}
	return nil
}

func (a *volumePresence) half(st *state) *Half {
	if v := st.volume(a.c.Property.Target); v != nil {
		return v.Half
	}
	return nil
}

func (a *volumePresence) reached(st *state, have drivers.Value) bool {
	if !matches(have, a.c.Goal) {
		return false
	}
	if have.Text == drivers.Absent || a.c.Goal.Spec == nil || a.c.Goal.Spec.Volume == nil {
		return true
	}
	v, spec := st.volume(a.c.Property.Target), a.c.Goal.Spec.Volume
	return a.ours(v.Owner) && v.Origin == Origin{spec.Replica, spec.RestorePoint, spec.Volume}
}

func (a *volumePresence) start(st *state, have drivers.Value, _ time.Time) (time.Duration, error) {
	v := st.volume(a.c.Property.Target)
	if a.c.Goal.Text == drivers.Absent {
		if err := a.refusesDelete(st, v); err != nil {
			return 0, err
		}
		v.Half = a.mark(v.Half, have)
		return st.Latency.DeleteVolume, nil
	}
	if v != nil && (v.Half == nil || !a.ours(v.Owner)) {
		return 0, a.inTheWay(have, "choose another name, or delete it", "%s exists and is not what this change would make", v.Endpoint)
	}
	made, err := a.plan(st)
	if err != nil {
		return 0, err
	}
	if other := st.Volumes[made.Endpoint]; other != nil && other != v {
		return 0, a.fail.refused("choose another name, or delete it", "%s exists and is not ours", made.Endpoint)
	}
	if v != nil {
		made.Half = a.mark(v.Half, have)
		st.dropVolume(v)
	} else {
		made.Half = a.mark(nil, have)
	}
	made.Parent = "" // a file that is not a clone yet
	st.putVolume(made)
	return st.Latency.CloneVolume, nil
}

func (a *volumePresence) finish(st *state, _ time.Time) error {
	v := st.volume(a.c.Property.Target)
	if a.c.Goal.Text == drivers.Absent {
		if v == nil {
			return nil
		}
		if err := a.refusesDelete(st, v); err != nil {
			return err
		}
		st.dropVolume(v)
		st.forgetKept(v.Origin.Replica)
		return nil
	}
	made, err := a.plan(st)
	if err != nil {
		return err
	}
	st.putVolume(made)
	return nil
}

// plan gives the volume that the goal asks for.
func (a *volumePresence) plan(st *state) (*Volume, error) {
	if a.c.Goal.Spec == nil || a.c.Goal.Spec.Volume == nil {
		return nil, a.fail.invalid("the goal does not say what to clone")
	}
	if !a.ours(a.c.Owner) {
		return nil, a.fail.invalid("the change's owner is of site %q, this is site %q", a.c.Owner.Site, a.config.Site)
	}
	spec := a.c.Goal.Spec.Volume
	parent, err := st.restorePointVolume(a.fail, spec.Replica, spec.RestorePoint, spec.Volume)
	if err != nil {
		return nil, err
	}
	return a.clone(st, parent, a.c.Property.Target, Origin{spec.Replica, spec.RestorePoint, spec.Volume})
}

// clone gives a volume of ours that hangs on another.
func (b *base) clone(st *state, parent *Volume, target string, origin Origin) (*Volume, error) {
	store := datastoreOf(parent.Endpoint)
	ds := st.Datastores[store]
	if ds == nil || len(ds.Hosts) == 0 {
		return nil, b.fail.refused("mount it", "datastore %s is not mounted", store)
	}
	if free := ds.CapacityMiB - st.index.stored[store]; free < cloneMiB {
		return nil, b.fail.refused("free some space", "datastore %s is full", store)
	}
	return &Volume{
		Endpoint: "[" + store + "] hotspare/" + b.config.Site + "/" + target, Name: target, Format: "cow",
		SizeMiB: cloneMiB, Parent: parent.Endpoint, Origin: origin, Owner: b.c.Owner,
	}, nil
}

func (a *volumePresence) refusesDelete(st *state, v *Volume) error {
	user := st.anyUser(v.Endpoint)
	switch {
	case !a.ours(v.Owner):
		return a.fail.refused("", "%s is not ours", v.Endpoint)
	case user != "":
		return a.fail.refused("swap the disk first", "%s is attached to %s", v.Endpoint, user)
	case st.index.children[v.Endpoint] > 0:
		return a.fail.refused("delete the clones first", "clones hang on %s", v.Endpoint)
	}
	if r := st.Replicas[v.Origin.Replica]; r != nil && r.Promoted != nil && r.Promoted.As+"/"+v.Origin.Volume == v.Name {
		return a.fail.refused("demote the replica first", "%s belongs to the promoted replica %s", v.Endpoint, r.Path)
	}
	return nil
}

// forgetKept drops the kept writes of which no volume exists any more.
func (s *state) forgetKept(path string) {
	r := s.Replicas[path]
	if r == nil {
		return
	}
	for _, name := range sorted(r.Kept) {
		exists := false
		for _, endpoint := range r.Kept[name].Volumes {
			exists = exists || s.Volumes[endpoint] != nil
		}
		if !exists {
			delete(r.Kept, name)
		}
	}
}
