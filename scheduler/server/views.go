package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// Status implements [api.Service].
func (s *Server) Status(ctx context.Context) (*api.Status, error) {
	st := &api.Status{Site: s.site.Name, Version: s.opts.Version, Now: time.Now().UTC(), Started: s.started.UTC(),
		Lending: s.lendingNow(), Records: s.journal.Seq(), Refused: s.refused.list(time.Now())}
	var err error
	if st.Drivers, err = s.Drivers(ctx); err != nil {
		return nil, err
	}
	inv := s.currentInventory()
	s.journal.View(func(state *scheduler.State) {
		inv := inv.Since(state)
		for i := range s.site.Groups {
			st.Groups = append(st.Groups, s.groupView(state, inv, &s.site.Groups[i]))
		}
		st.Workspaces = s.workspaceViews(state, inv, false)
		for _, run := range state.RunningRuns() {
			st.Runs = append(st.Runs, line(run))
		}
		st.Kept = keptViews(state, inv)
		st.Drifts, st.Drained = len(state.Drifts), state.Drained
	})
	return st, nil
}

// Workspaces implements [api.Service].
func (s *Server) Workspaces(_ context.Context, gone bool) ([]api.Workspace, error) {
	inv := s.currentInventory()
	all := []api.Workspace{}
	s.journal.View(func(state *scheduler.State) {
		inv := inv.Since(state)
		all = append(all, s.workspaceViews(state, inv, gone)...)
	})
	return all, nil
}

func (s *Server) workspaceViews(state *scheduler.State, inv scheduler.Inventory, gone bool) []api.Workspace {
	all := []api.Workspace{}
	held := heldBy(state)
	queue := 0
	for _, w := range state.SortedWorkspaces() {
		if w.Gone && !gone {
			continue
		}
		v := view(state, inv, w, held[w.Holder()])
		if v.State == scheduler.WorkspaceWaiting || v.State == scheduler.WorkspaceParked && !state.Covers(w.Holder()) {
			queue++
			v.Queue = queue
		}
		all = append(all, v)
	}
	return all
}

// heldBy lists the properties of every holder, in one pass over the stacks.
func heldBy(state *scheduler.State) map[scheduler.Holder][]drivers.Property {
	held := map[scheduler.Holder][]drivers.Property{}
	for p, stack := range state.Stacks {
		for _, layer := range stack.Layers {
			held[layer.Holder] = append(held[layer.Holder], p)
		}
	}
	return held
}

// Workspace implements [api.Service].
func (s *Server) Workspace(_ context.Context, id string) (*api.Workspace, error) {
	inv := s.currentInventory()
	var found *api.Workspace
	s.journal.View(func(state *scheduler.State) {
		inv := inv.Since(state)
		if w := state.Workspaces[id]; w != nil {
			v := view(state, inv, w, state.Stacks.HeldBy(w.Holder()))
			found = &v
		}
	})
	if found == nil {
		return nil, noWorkspace(id)
	}
	return found, nil
}

func view(state *scheduler.State, inv scheduler.Inventory, w *scheduler.Workspace, held []drivers.Property) api.Workspace {
	v := api.Workspace{Workspace: *w, State: state.StateOf(w), What: "copy of " + w.Copy}
	if w.Copy == "" {
		v.What = fmt.Sprintf("%d new VMs from %s", w.Count, w.From)
	}
	if run := state.RunOf(w); run != nil {
		v.Run = run.ID
	}
	scheduler.SortProperties(held)
	for _, p := range held {
		stack := state.Stacks[p]
		switch {
		case p.Kind == drivers.Volume:
			v.Volumes = append(v.Volumes, p.Target)
		case p.Name == drivers.Power:
			vm := vmView(state, inv, p)
			vm.Network = w.Network
			v.VMs = append(v.VMs, vm)
		case p.Name == drivers.Presence && stack.Stands == nil && !stack.Uncertain():
			// not begun yet: its power tells the same
		}
	}
	return v
}

func vmView(state *scheduler.State, inv scheduler.Inventory, power drivers.Property) api.WorkspaceVM {
	vm := api.WorkspaceVM{ID: power.Target, Name: power.Target}
	if cluster := inv[power.Cluster]; cluster != nil {
		if item, ok := cluster.VMs[power.Target]; ok {
			vm.Name, vm.Host, vm.Power, vm.Addresses = item.Name, item.Host, item.Power, item.Addresses
		}
	}
	if presence := state.Stacks[power.On(drivers.Presence, "")]; presence != nil && len(presence.Layers) > 0 {
		if goal := presence.Layers[0].Goal.Value; goal != nil && goal.Spec != nil && goal.Spec.VM != nil {
			vm.Name, vm.Host = goal.Spec.VM.Name, goal.Spec.VM.Host
		}
	}
	if stack := state.Stacks[power]; stack != nil && stack.Stands != nil {
		vm.Power = stack.Stands.Text
	}
	if vm.Power != drivers.On {
		vm.Addresses = nil
	}
	return vm
}

// Groups implements [api.Service].
func (s *Server) Groups(_ context.Context) ([]api.Group, error) {
	inv := s.currentInventory()
	all := []api.Group{}
	s.journal.View(func(state *scheduler.State) {
		inv := inv.Since(state)
		for i := range s.site.Groups {
			all = append(all, s.groupView(state, inv, &s.site.Groups[i]))
		}
	})
	return all, nil
}

// Group implements [api.Service].
func (s *Server) Group(_ context.Context, name string) (*api.Group, error) {
	g := s.site.Group(name)
	if g == nil {
		return nil, &api.Error{Code: api.CodeNotFound, Message: fmt.Sprintf("there is no protection group %q", name), Next: "see: hotspare group list"}
	}
	inv := s.currentInventory()
	var v api.Group
	s.journal.View(func(state *scheduler.State) {
		inv := inv.Since(state)
		v = s.groupView(state, inv, g)
	})
	return &v, nil
}

func (s *Server) groupView(state *scheduler.State, inv scheduler.Inventory, g *scheduler.Group) api.Group {
	v := api.Group{Name: g.Name, Priority: g.Priority, RTO: g.RTO, RPO: g.RPO, Owner: g.Owner, State: state.GroupState(g.Name)}
	if g.Copy != nil {
		v.CopyBy = g.Copy.Allow
	}
	for _, run := range state.HoldersOf(g.Name) {
		v.Runs = append(v.Runs, run.ID)
	}
	for i := range g.VMs {
		vm, problem := groupVM(state, inv, &g.VMs[i])
		if problem != "" {
			v.Problem = problem
		}
		v.VMs = append(v.VMs, vm)
	}
	v.Points = restorePoints(inv, g)
	if err := inv.Unreadable(g); err != nil && v.Problem == "" {
		v.Problem = err.Error()
	}
	var newest time.Time
	for _, point := range v.Points {
		if point.Complete && point.Time.After(newest) {
			newest = point.Time
		}
	}
	switch {
	case !newest.IsZero():
		v.Age = time.Since(newest)
	case len(g.Replicas) > 0 && v.Problem == "":
		v.Problem = "it has no complete restore point"
	}
	for _, kept := range keptViews(state, inv) {
		if kept.Group == g.Name {
			v.Kept = append(v.Kept, kept)
		}
	}
	return v
}

// restorePoints lists the instants that cover the group, each once: complete where it is
// in every replica of the group.
func restorePoints(inv scheduler.Inventory, g *scheduler.Group) []drivers.RestorePoint {
	var points []drivers.RestorePoint
	at := map[string]int{}
	for _, replica := range g.Replicas {
		cluster := inv[replica.Cluster]
		if cluster == nil {
			continue
		}
		for _, point := range cluster.Replicas[replica.Path].RestorePoints {
			i, known := at[point.ID]
			if !known {
				i = len(points)
				at[point.ID] = i
				points = append(points, drivers.RestorePoint{ID: point.ID, Time: point.Time, Complete: true, Volumes: map[string]string{}})
			}
			points[i].Complete = points[i].Complete && point.Complete
			maps.Copy(points[i].Volumes, point.Volumes)
		}
	}
	for i := range points {
		for _, replica := range g.Replicas {
			if cluster := inv[replica.Cluster]; cluster != nil && !slices.ContainsFunc(cluster.Replicas[replica.Path].RestorePoints,
				func(p drivers.RestorePoint) bool { return p.ID == points[i].ID }) {
				points[i].Complete = false
			}
		}
	}
	return points
}

func groupVM(state *scheduler.State, inv scheduler.Inventory, vm *scheduler.StandbyVM) (api.GroupVM, string) {
	v := api.GroupVM{Name: vm.Name, Start: vm.Start, Use: "none"}
	if r := vm.Ready; r != nil {
		v.Ready = r.Kind + " " + r.URL + r.Address
	}
	item, err := inv.Standby(vm)
	if err != nil {
		return v, err.Error()
	}
	v.ID, v.Host, v.Power = item.ID, item.Host, item.Power
	power := scheduler.Power(vm.Cluster, item.ID)
	stack := state.Stacks[power]
	if stack == nil {
		return v, ""
	}
	if stack.Stands != nil {
		v.Power = stack.Stands.Text
	}
	for _, layer := range stack.Layers {
		switch {
		case state.Workspaces[string(layer.Holder)] != nil:
			v.Use = string(layer.Holder)
		case layer.Goal.Text() == drivers.On:
			v.Use = "production"
		default:
			v.Use = "reclaimed"
		}
	}
	return v, ""
}

// keptViews lists kept writes of production, and the volumes of workspaces whose lease is
// over.
func keptViews(state *scheduler.State, inv scheduler.Inventory) []api.Kept {
	all := []api.Kept{}
	for _, name := range slices.Sorted(maps.Keys(state.Kept)) {
		k := state.Kept[name]
		all = append(all, api.Kept{Name: k.Name, Group: k.Group, Since: k.At, Volumes: slices.Sorted(maps.Values(k.Volumes))})
	}
	for _, w := range state.SortedWorkspaces() {
		if !w.Expired || w.Gone {
			continue
		}
		k := api.Kept{Name: w.ID, Group: w.Copy, Since: w.Ends, Until: w.Keep}
		for _, p := range state.Stacks.HeldBy(w.Holder()) {
			stack := state.Stacks[p]
			switch {
			case p.Kind == drivers.Volume && stack.Stands != nil:
				k.Volumes = append(k.Volumes, stack.Stands.Made[drivers.MadeEndpoint])
			case p.Name == drivers.Power:
				k.Volumes = append(k.Volumes, "VM "+vmView(state, inv, p).Name)
			}
		}
		all = append(all, k)
	}
	return all
}
