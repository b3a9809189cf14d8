package config

import (
	"fmt"
	"strings"

	"github.com/hotspare/hotspare/scheduler"
)

// machines are the VMs of all groups, to find one that is in two.
type machines struct {
	byName map[[2]string]*object // cluster and name
	byUUID map[string]*object
}

func (b *builder) vms(group *object, seen *machines) []scheduler.StandbyVM {
	var all []scheduler.StandbyVM
	volumes := map[[2]string]*object{}
	for _, o := range group.blocks["vm"] {
		vm := scheduler.StandbyVM{
			Name: o.name(), UUID: strings.ToLower(o.text("uuid")), Cluster: b.cluster(o), Start: o.count("start"),
			Disks: b.disks(group, o, volumes), NICs: b.nics(o), Ready: ready(o),
		}
		b.inOneGroup(o, group, vm, seen)
		all = append(all, vm)
	}
	return all
}

// inOneGroup checks that no other VM is the same machine.
func (b *builder) inOneGroup(o, group *object, vm scheduler.StandbyVM, seen *machines) {
	key := [2]string{vm.Cluster, vm.Name}
	if before := seen.byName[key]; before == nil {
		seen.byName[key] = o
	} else if !strings.HasPrefix(before.title, group.title+", ") {
		b.errs.add(o.at, o.title, flaw{"the VM is in another group already: " + before.title, "a VM fails over with one group; the first is at " + place(before.at)})
	}
	if vm.UUID == "" {
		return
	}
	if before := seen.byUUID[vm.UUID]; before == nil {
		seen.byUUID[vm.UUID] = o
	} else {
		b.wrong(o, "uuid", "uuid is another VM's already: "+before.title, "the first is at "+place(before.place("uuid")))
	}
}

func (b *builder) disks(group, vm *object, volumes map[[2]string]*object) []scheduler.DiskMapping {
	var all []scheduler.DiskMapping
	for _, o := range vm.blocks["disk"] {
		d := scheduler.DiskMapping{Slot: o.name(), Replica: o.text("replica"), Volume: o.text("volume")}
		b.sameCluster(o, vm, "replica", b.refer(o, "replica", group, "replica"))
		key := [2]string{d.Replica, d.Volume}
		if before := volumes[key]; before == nil {
			volumes[key] = o
		} else if o.has("replica") && o.has("volume") {
			b.wrong(o, "volume", fmt.Sprintf("volume %q of replica %q is in another disk already: %s", d.Volume, d.Replica, before.title), "the first is at "+place(before.place("volume")))
		}
		all = append(all, d)
	}
	return all
}

func (b *builder) nics(vm *object) []scheduler.NICMapping {
	var all []scheduler.NICMapping
	for _, o := range vm.blocks["nic"] {
		network := b.refer(o, "production", b.root, "network")
		b.sameCluster(o, vm, "production", network)
		if network != nil && network.text("role") == scheduler.StandbyNetwork {
			b.wrong(o, "production", fmt.Sprintf("network %q has the role standby", network.name()), "name a network of role production; this one is at "+place(network.place("role")))
		}
		all = append(all, scheduler.NICMapping{Slot: o.name(), Production: o.text("production")})
	}
	return all
}

func ready(vm *object) *scheduler.ReadyCheck {
	blocks := vm.blocks["ready"]
	if len(blocks) == 0 {
		return nil
	}
	o := blocks[0]
	return &scheduler.ReadyCheck{
		Kind: o.variant(), URL: o.text("url"), Address: o.text("address"), Command: o.texts("command"),
		Within: o.duration("within"),
	}
}
