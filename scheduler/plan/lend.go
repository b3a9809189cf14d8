package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/place"
)

// LendWorkspace plans to make a workspace: clones, endpoints, its isolated network, power.
// The error is [*Waits] where it can be lent later, [*Refused] where it never can.
func LendWorkspace(snap *scheduler.Snapshot, w *scheduler.Workspace) (*scheduler.Plan, error) {
	b := newBuilder(snap, &scheduler.Plan{Verb: scheduler.Lend, Workspace: w.ID, By: w.Owner, Reason: w.Name})
	if !w.Admitted.IsZero() {
		return b.resume(w)
	}
	var err error
	if w.Copy != "" {
		err = b.copyOf(w)
	} else {
		err = b.newVMs(w)
	}
	if err != nil {
		return nil, err
	}
	return b.free(b.finish())
}

// resume plans to bring a parked workspace back that waits for room.
func (b *builder) resume(w *scheduler.Workspace) (*scheduler.Plan, error) {
	held := b.after.HeldBy(w.Holder())
	var clusters []string
	for _, p := range held {
		clusters = append(clusters, p.Cluster)
	}
	if err := b.fresh(clusters); err != nil {
		return nil, err
	}
	if b.snap.State.Covers(w.Holder()) {
		return nil, &Waits{"a run for a protection group keeps it down"}
	}
	if reason := seatsIn(b.snap).noRoom(w, held, place.Counted); reason != "" {
		return nil, &Waits{reason}
	}
	b.bring(w, held)
	return b.free(b.finish())
}

// free refuses a plan whose targets another run works on, or that would take away what a
// disk shows.
func (b *builder) free(p *scheduler.Plan) (*scheduler.Plan, error) {
	for _, run := range b.snap.State.RunningRuns() {
		if !slices.Contains(p.TakesOver, run.ID) && b.shares(run) {
			return nil, &Waits{fmt.Sprintf("run %s works on the same machines; it goes on when that has ended", run.ID)}
		}
	}
	if err := b.unshown(); err != nil {
		return nil, err
	}
	return p, nil
}

// MaxInventoryAge is how old the inventory may be that lending rests on.
const MaxInventoryAge = 5 * time.Minute

// fresh refuses to lend on old news of these clusters.
func (b *builder) fresh(clusters []string) error {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(clusters))) {
		inv := b.snap.Inventory[name]
		if inv == nil {
			return &Waits{"no inventory of cluster " + name + " was read yet"}
		}
		if b.snap.Now.Sub(inv.At) > MaxInventoryAge { // its age is in the status: a reason that changes is told anew
			return &Waits{fmt.Sprintf("the inventory of cluster %s is older than %s; lending waits for a new one", name, scheduler.Span(MaxInventoryAge))}
		}
	}
	return nil
}

// lendable refuses new volumes where old news, or a datastore below its floor, forbids
// them.
func (b *builder) lendable(clusters []string) error {
	if err := b.fresh(clusters); err != nil {
		return err
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(clusters))) {
		if low := belowFloor(b.snap, name); low != "" {
			return &Waits{low}
		}
	}
	return nil
}

// belowFloor tells of a datastore of the cluster that has less free than is never lent.
func belowFloor(snap *scheduler.Snapshot, name string) string {
	cluster, inv := snap.Site.Cluster(name), snap.Inventory[name]
	if cluster == nil || inv == nil {
		return ""
	}
	for _, key := range sortedNames(inv.Datastores) {
		ds := inv.Datastores[key]
		if float64(ds.FreeMiB) < cluster.Room.FloorStorage*float64(ds.CapacityMiB) {
			return fmt.Sprintf("datastore %s is below the floor of %.4g %% free that is never lent", ds.Name, 100*cluster.Room.FloorStorage)
		}
	}
	return ""
}

// copyOf writes the layers of a copy of a group: its standby VMs on clones and an
// isolated network.
func (b *builder) copyOf(w *scheduler.Workspace) error {
	group, err := findGroup(b.snap, w.Copy)
	if err != nil {
		return err
	}
	if !group.AllowsCopyBy(w.Owner) {
		return &Refused{Reason: fmt.Sprintf("%s may not have a copy of %s", w.Owner, group.Name), Next: "its owner allows it in the group's copy block"}
	}
	if err := known(b.snap, group, w.Restore); err != nil {
		return err
	}
	var clusters []string
	for _, vm := range group.VMs {
		clusters = append(clusters, vm.Cluster)
	}
	if err := b.lendable(clusters); err != nil {
		return err
	}
	g, err := b.prepare(group)
	if err != nil {
		return err
	}
	if err := g.mapped(); err != nil {
		return err
	}
	clear(b.ready) // nothing is checked in a workspace; its order is the group's
	for _, vm := range g.vms {
		b.ready[vm.power] = readiness{start: vm.Start}
	}
	if state := b.snap.State.GroupState(group.Name); state != scheduler.GroupStandby {
		return &Waits{fmt.Sprintf("the standby VMs of %s are in use: it is %s", group.Name, state)}
	}
	for _, vm := range g.vms {
		if run := b.snap.State.WorkedOn(vm.power); run != "" {
			return &Waits{fmt.Sprintf("run %s works on the same machines; it goes on when that has ended", run)}
		}
		if b.look(vm.power).standsOn {
			return &Waits{fmt.Sprintf("%s is on, and not for a workspace; a copy of %s waits until it is off", vm.Name, group.Name)}
		}
	}
	point, err := choose(b.snap, g, w.Restore)
	if err != nil {
		return err
	}
	b.plan.RestorePoint = point
	var needs []place.Need
	networks := map[string]string{}
	for _, vm := range g.vms {
		if networks[vm.Cluster] == "" {
			network, err := isolated(b.snap, vm.Cluster)
			if err != nil {
				return err
			}
			networks[vm.Cluster] = network
		}
		if err := b.copyVM(w, g, vm, point.ID, networks[vm.Cluster]); err != nil {
			return err
		}
		needs = append(needs, place.Need{VM: vm.power, Name: vm.Name, Cluster: vm.Cluster, Host: vm.item.Host,
			Size: place.SizeOf(vm.item), Reach: []string{networks[vm.Cluster]}})
	}
	_, err = b.fit(needs)
	return err
}

func (b *builder) copyVM(w *scheduler.Workspace, g *groupAt, vm standby, point, network string) error {
	mapped := map[string]bool{}
	for _, disk := range vm.Disks {
		mapped[disk.Slot] = true
		if _, there := vm.item.Disks[disk.Slot]; !there {
			return &Refused{Reason: fmt.Sprintf("%s has no disk %s, which the configuration maps", vm.Name, disk.Slot), Next: fmt.Sprintf("correct vm %q of protection group %q", vm.Name, g.Name)}
		}
		replica := g.Replica(disk.Replica)
		volume := drivers.Property{Cluster: vm.Cluster, Kind: drivers.Volume, Target: w.ID + "/" + disk.Volume, Name: drivers.Presence}
		b.put(volume, w.Holder(), scheduler.Goal{Value: &drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{
			Volume: &drivers.VolumeSpec{Replica: replica.Path, RestorePoint: point, Volume: disk.Volume}}}})
		b.put(vm.power.On(drivers.Disk, disk.Slot), w.Holder(), scheduler.MadeBy(volume, drivers.MadeEndpoint))
	}
	for _, slot := range sortedNames(vm.item.Disks) {
		if !mapped[slot] {
			return &Refused{
				Reason: fmt.Sprintf("%s has a disk %s that the configuration does not map: a copy would write to it", vm.Name, slot),
				Next:   fmt.Sprintf("add disk %q to vm %q of protection group %q", slot, vm.Name, g.Name),
			}
		}
	}
	for _, slot := range sortedNames(vm.item.NICs) { // every one, mapped or not: a copy leads nowhere
		b.put(vm.power.On(drivers.NIC, slot), w.Holder(), scheduler.Literal(network))
	}
	b.put(vm.power, w.Holder(), scheduler.Literal(drivers.On))
	return nil
}

// newVMs writes the layers of VMs that are made from a template.
func (b *builder) newVMs(w *scheduler.Workspace) error {
	t := b.snap.Site.TemplateNamed(w.From)
	if t == nil {
		return &Refused{Reason: fmt.Sprintf("there is no template %q", w.From), Next: "the site's files list them: " + strings.Join(templateNames(b.snap.Site), ", ")}
	}
	if err := b.lendable([]string{t.Cluster}); err != nil {
		return err
	}
	source, err := b.snap.Inventory[t.Cluster].Named(t.Source, true)
	if err != nil {
		return &Refused{Reason: "template " + t.Name + ": " + err.Error()}
	}
	network, err := b.networkOf(t)
	if err != nil {
		return err
	}
	var needs []place.Need
	specs := make([]*drivers.VMSpec, w.Count)
	for i := range specs {
		name := fmt.Sprintf("%s-%s-%d", w.ID, t.Name, i+1)
		id := identity(b.snap.Site.Name, name)
		spec := &drivers.VMSpec{Name: name, Template: t.Source, CPUs: t.CPUs, MemoryMiB: t.MemoryMiB,
			Networks: map[string]string{}, UserData: t.UserData}
		for slot := range source.NICs {
			spec.Networks[slot] = network
		}
		if spec.CPUs == 0 {
			spec.CPUs = source.CPUs
		}
		if spec.MemoryMiB == 0 {
			spec.MemoryMiB = source.MemoryMiB
		}
		specs[i] = spec
		needs = append(needs, place.Need{VM: scheduler.Power(t.Cluster, id), Name: name, Cluster: t.Cluster,
			Size: scheduler.Size{CPUs: float64(spec.CPUs), MemoryMiB: spec.MemoryMiB}, Reach: []string{network}})
	}
	hosts, err := b.fit(needs)
	if err != nil {
		return err
	}
	for i, spec := range specs {
		spec.Host = hosts[i]
		b.put(needs[i].VM.On(drivers.Presence, ""), w.Holder(), scheduler.Goal{Value: &drivers.Value{
			Text: drivers.Present, Spec: &drivers.Spec{VM: spec}}})
		b.put(needs[i].VM, w.Holder(), scheduler.Literal(drivers.On))
	}
	return nil
}

func (b *builder) networkOf(t *scheduler.Template) (string, error) {
	if t.Network == scheduler.IsolatedNetworkName {
		return isolated(b.snap, t.Cluster)
	}
	network := b.snap.Site.Network(t.Network)
	if network == nil || network.Role == scheduler.ProductionNetwork {
		return "", &Refused{Reason: fmt.Sprintf("template %s would be on network %q, which is production's or is not there", t.Name, t.Network), Next: "correct it in the configuration"}
	}
	return network.PortGroup, nil
}

// fit finds room beside all that counts, and says whether it is worth waiting for.
func (b *builder) fit(needs []place.Need) ([]string, error) {
	rooms := place.Rooms(b.snap)
	hosts, err := place.Fit(rooms, needs, place.Counted)
	if err == nil {
		return hosts, nil
	}
	_, never := place.Fit(rooms, needs, func(u place.Use) bool {
		return u.Workspace == "" && u.Claim == "" && u.Counts()
	})
	var unusable *place.Unusable
	if never != nil && !errors.As(never, &unusable) {
		return nil, &Refused{Reason: "the site has no room for this, even with nothing lent: " + never.Error(), Next: "ask for less"}
	}
	return nil, &Waits{"no room now: " + err.Error()}
}

// identity is a UUID made from the site's and the VM's name (as RFC 9562 version 8), so
// that a plan made again names the same VM.
func identity(site, name string) string {
	sum := sha256.Sum256([]byte("hotspare\x00" + site + "\x00" + name))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	h := hex.EncodeToString(sum[:16])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

func templateNames(site *scheduler.Site) []string {
	var names []string
	for _, t := range site.Template {
		names = append(names, t.Name)
	}
	return names
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// IsWaits reports whether the error means that a request keeps its place in the queue.
func IsWaits(err error) bool {
	var w *Waits
	return errors.As(err, &w)
}
