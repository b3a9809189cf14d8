package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

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
	if err := b.fresh(w); err != nil {
		return nil, err
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
	if b.snap.State.Covers(w.Holder()) {
		return nil, &Waits{"a run for a protection group keeps it down"}
	}
	if reason := room(b.snap, w, held); reason != "" {
		return nil, &Waits{reason}
	}
	for _, p := range held {
		b.touch(p)
		if p.Name == drivers.Power {
			b.put(p, w.Holder(), scheduler.Literal(drivers.On))
		}
	}
	b.plan.Returning = []scheduler.Victim{{Workspace: w.ID, Why: "comes back"}}
	return b.free(b.finish())
}

// free refuses a plan whose targets another run works on.
func (b *builder) free(p *scheduler.Plan) (*scheduler.Plan, error) {
	for _, run := range b.snap.State.RunningRuns() {
		if !slices.Contains(p.TakesOver, run.ID) && b.shares(run) {
			return nil, &Waits{fmt.Sprintf("run %s works on the same machines; it goes on when that has ended", run.ID)}
		}
	}
	return p, nil
}

// fresh refuses to lend on old news, and below the floor of storage.
func (b *builder) fresh(w *scheduler.Workspace) error {
	for name, inv := range b.snap.Inventory {
		if age := b.snap.Now.Sub(inv.At); age > MaxInventoryAge {
			return &Waits{fmt.Sprintf("the inventory of cluster %s is %s old; lending waits for one younger than %s", name, age.Round(1e9), MaxInventoryAge)}
		}
		cluster := b.snap.Site.Cluster(name)
		if cluster == nil {
			continue
		}
		for _, ds := range inv.Datastores {
			if ds.CapacityMiB > 0 && float64(ds.FreeMiB) < cluster.Room.FloorStorage*float64(ds.CapacityMiB) {
				return &Waits{fmt.Sprintf("datastore %s has %d of %d MiB free, below the floor that is never lent", ds.Name, ds.FreeMiB, ds.CapacityMiB)}
			}
		}
	}
	if len(b.snap.Inventory) == 0 {
		return &Waits{"no inventory was read yet"}
	}
	return nil
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
	g, err := b.prepare(group)
	if err != nil {
		return err
	}
	clear(b.ready) // nothing is checked in a workspace; its order is the group's
	for _, vm := range g.vms {
		b.ready[vm.power] = readiness{start: vm.Start}
	}
	if state := b.snap.State.GroupState(group.Name); state != scheduler.GroupStandby {
		return &Waits{fmt.Sprintf("the standby VMs of %s are in use: it is %s", group.Name, state)}
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
	inv := b.snap.Inventory[t.Cluster]
	if inv == nil {
		return &Waits{"no inventory of cluster " + t.Cluster + " was read yet"}
	}
	source, err := inv.Named(t.Source, true)
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
	return b.snap.Site.Network(t.Network).PortGroup, nil
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
	if never != nil {
		return nil, &Refused{Reason: "the site has no room for this, even with nothing lent: " + never.Error(), Next: "ask for less"}
	}
	return nil, &Waits{"no room now: " + err.Error()}
}

// isolated finds an isolated network of the cluster that no layer and no VM names.
func isolated(snap *scheduler.Snapshot, cluster string) (string, error) {
	used := map[string]bool{}
	for p, stack := range snap.State.Stacks {
		if p.Cluster != cluster || p.Kind != drivers.VM {
			continue
		}
		for _, layer := range stack.Layers {
			if v := layer.Goal.Value; v != nil && p.Name == drivers.NIC {
				used[v.Text] = true
			} else if v != nil && v.Spec != nil && v.Spec.VM != nil {
				for _, network := range v.Spec.VM.Networks {
					used[network] = true
				}
			}
		}
		if p.Name == drivers.NIC {
			for _, v := range stack.Expected() {
				used[v.Text] = true
			}
		}
	}
	inv := snap.Inventory[cluster]
	if inv == nil {
		return "", &Waits{"no inventory of cluster " + cluster + " was read yet"}
	}
	for id, vm := range inv.VMs {
		for slot, network := range vm.NICs {
			nic := scheduler.Power(cluster, id).On(drivers.NIC, slot)
			if !vm.Template && snap.State.Stacks[nic] == nil {
				used[network] = true
			}
		}
	}
	pool := snap.Site.IsolatedAt(cluster)
	missing := 0
	for _, network := range pool {
		switch {
		case !inv.Networks[network]:
			missing++
		case !used[network]:
			return network, nil
		}
	}
	if len(pool) == missing {
		return "", &Refused{Reason: fmt.Sprintf("cluster %s has none of the %d isolated networks that the configuration names", cluster, len(pool)), Next: "make them, or name those that there are"}
	}
	return "", &Waits{fmt.Sprintf("all %d isolated networks of cluster %s are in use", len(pool)-missing, cluster)}
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
