package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
	"github.com/hotspare/hotspare/scheduler/journal"
	"github.com/hotspare/hotspare/scheduler/place"
)

// Hosts implements [api.Service].
func (s *Server) Hosts(context.Context) ([]api.Host, error) {
	var all []api.Host
	s.journal.View(func(state *scheduler.State) { all = hostViews(s.snapshot(state)) })
	return all, nil
}

// hostViews tells of every host that the inventory lists, or that is drained.
func hostViews(snap *scheduler.Snapshot) []api.Host {
	all := []api.Host{}
	rooms := place.Rooms(inUse(snap))
	for cluster, inv := range snap.Inventory {
		for name, item := range inv.Hosts {
			v := hostView(snap, rooms[place.HostKey{Cluster: cluster, Host: name}])
			v.Drained = snap.State.DrainOf(cluster, name)
			switch {
			case !item.Connected:
				v.State = api.HostDisconnected
			case v.Drained != nil:
				v.State = api.HostDrained
			case item.Maintenance:
				v.State = api.HostMaintenance
			}
			if v.State != api.HostConnected {
				v.Free = scheduler.Size{}
			}
			all = append(all, v)
		}
	}
	for i := range snap.State.Drained {
		d := snap.State.Drained[i]
		if inv := snap.Inventory[d.Cluster]; inv != nil {
			if _, listed := inv.Hosts[d.Host]; listed {
				continue
			}
		}
		all = append(all, api.Host{Cluster: d.Cluster, Name: d.Host, State: api.HostGone, Drained: &d})
	}
	slices.SortFunc(all, func(a, b api.Host) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// inUse is the snapshot as if every host could be used: who uses a host is told of all.
func inUse(snap *scheduler.Snapshot) *scheduler.Snapshot {
	state, changed := *snap.State, *snap
	state.Drained, changed.State, changed.Inventory = nil, &state, scheduler.Inventory{}
	for cluster, inv := range snap.Inventory {
		hosts := map[string]drivers.HostItem{}
		for name, host := range inv.Hosts {
			host.Connected, host.Maintenance = true, false
			hosts[name] = host
		}
		changed.Inventory[cluster] = &scheduler.ClusterInventory{At: inv.At, Hosts: hosts, VMs: inv.VMs,
			Networks: inv.Networks, Datastores: inv.Datastores, Replicas: inv.Replicas}
	}
	return &changed
}

// hostView tells who uses a host's room.
func hostView(snap *scheduler.Snapshot, room *place.Room) api.Host {
	v := api.Host{Cluster: room.Key.Cluster, Name: room.Key.Host, State: api.HostConnected, Capacity: room.Capacity}
	for _, use := range room.Uses {
		for _, id := range workspacesOf(snap.State, use.VM) {
			if !slices.Contains(v.Workspaces, id) {
				v.Workspaces = append(v.Workspaces, id)
			}
		}
		switch {
		case !use.Counts():
		case use.Claim != "":
			v.Production = v.Production.Plus(use.Size)
		case use.Workspace != "":
			v.Lent = v.Lent.Plus(use.Size)
		default:
			v.Others = v.Others.Plus(use.Size)
		}
	}
	free := room.Free(place.Counted).Minus(room.Floor)
	v.Free = scheduler.Size{CPUs: max(free.CPUs, 0), MemoryMiB: max(free.MemoryMiB, 0)}
	for i := range snap.Site.Groups {
		g := &snap.Site.Groups[i]
		for j := range g.VMs {
			vm := &g.VMs[j]
			item, err := snap.Inventory.Standby(vm)
			if vm.Cluster != v.Cluster || err != nil || item.Host != v.Name {
				continue
			}
			v.Standby = append(v.Standby, g.Name+"/"+vm.Name)
			wanted, known := snap.State.Stacks.Wanted(scheduler.Power(vm.Cluster, item.ID))
			if state := snap.State.GroupState(g.Name); known && wanted.Text == drivers.On && (state == scheduler.GroupFailing || state == scheduler.GroupProduces) {
				v.Produces = append(v.Produces, g.Name+"/"+vm.Name)
			}
		}
	}
	slices.Sort(v.Workspaces)
	return v
}

// workspacesOf lists the workspaces that have a layer on the power of a VM.
func workspacesOf(state *scheduler.State, power drivers.Property) []string {
	var ids []string
	if stack := state.Stacks[power]; stack != nil {
		for _, layer := range stack.Layers {
			if w := state.Workspaces[string(layer.Holder)]; w != nil {
				ids = append(ids, w.ID)
			}
		}
	}
	return ids
}

// DrainHost implements [api.Service].
func (s *Server) DrainHost(ctx context.Context, name string, req api.HostRequest) (*api.Host, error) {
	for what, text := range map[string]*string{"reason": &req.Reason, "name": &req.By} {
		if err := readable(what, text); err != nil {
			return nil, err
		}
	}
	if req.Reason == "" {
		return nil, &api.Error{Code: api.CodeUsage, Message: "a host is drained for a reason", Next: "say: --reason TEXT"}
	}
	return s.changeHost(ctx, name, req.Cluster, func(h *api.Host) (journal.Record, error) {
		if d := h.Drained; d != nil {
			return journal.Record{}, &api.Error{Code: api.CodeRefused, Message: fmt.Sprintf("host %s is drained already, by %s: %s", h.Name, d.By, d.Reason), Next: "to put it back into use: hotspare host resume " + h.Name}
		}
		return journal.Record{HostDrained: &journal.HostDrained{Cluster: h.Cluster, Host: h.Name, By: req.By, Reason: req.Reason}}, nil
	})
}

// ResumeHost implements [api.Service]. The queue is looked at again at once.
func (s *Server) ResumeHost(ctx context.Context, name string, req api.HostRequest) (*api.Host, error) {
	return s.changeHost(ctx, name, req.Cluster, func(h *api.Host) (journal.Record, error) {
		if h.Drained == nil {
			return journal.Record{}, &api.Error{Code: api.CodeRefused, Message: fmt.Sprintf("host %s is not drained, it is %s", h.Name, h.State), Next: "see: hotspare host list"}
		}
		return journal.Record{HostResumed: &journal.HostResumed{Cluster: h.Cluster, Host: h.Name, By: req.By}}, nil
	})
}

// changeHost writes what change says of the one host of this name, and gives the host
// afterwards.
func (s *Server) changeHost(ctx context.Context, name, cluster string, change func(*api.Host) (journal.Record, error)) (*api.Host, error) {
	var before api.Host
	err := s.journal.Update(ctx, func(state *scheduler.State) ([]journal.Record, error) {
		found, err := hostNamed(hostViews(s.snapshot(state)), name, cluster)
		if err != nil {
			return nil, err
		}
		before = *found
		record, err := change(found)
		return []journal.Record{record}, err
	})
	if err != nil {
		return nil, err
	}
	s.tendSoon()
	var after *api.Host
	s.journal.View(func(state *scheduler.State) {
		after, err = hostNamed(hostViews(s.snapshot(state)), before.Name, before.Cluster)
	})
	if err != nil { // it was drained, and the hypervisor lists it no more
		before.Drained = nil
		return &before, nil
	}
	return after, nil
}

func hostNamed(all []api.Host, name, cluster string) (*api.Host, error) {
	var found []*api.Host
	var clusters []string
	for i := range all {
		if all[i].Name == name && (cluster == "" || all[i].Cluster == cluster) {
			found, clusters = append(found, &all[i]), append(clusters, all[i].Cluster)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, &api.Error{Code: api.CodeUsage, Message: fmt.Sprintf("clusters %s each have a host %s", strings.Join(clusters, ", "), name), Next: "say which: --cluster NAME"}
	case cluster != "":
		return nil, &api.Error{Code: api.CodeNotFound, Message: fmt.Sprintf("cluster %q has no host %q", cluster, name), Next: "see: hotspare host list"}
	default:
		return nil, &api.Error{Code: api.CodeNotFound, Message: fmt.Sprintf("there is no host %q", name), Next: "see: hotspare host list"}
	}
}
