package server

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
	"github.com/hotspare/hotspare/scheduler/journal"
	"github.com/hotspare/hotspare/scheduler/plan"
)

// Drifts implements [api.Service].
func (s *Server) Drifts(context.Context) ([]api.Drift, error) {
	inv, all := s.currentInventory(), []api.Drift{}
	s.journal.View(func(state *scheduler.State) {
		for _, d := range state.SortedDrifts() {
			all = append(all, driftView(state, inv, d))
		}
	})
	return all, nil
}

func driftView(state *scheduler.State, inv scheduler.Inventory, d *scheduler.Drift) api.Drift {
	stack := state.Stacks[d.Property]
	v := api.Drift{ID: d.ID, Label: driftLabel(state, inv, d.Property), Property: d.Property.String(), Since: d.Since,
		Stands: d.Stands.Text, Found: d.Found.Text, Detail: d.Stands.Text == d.Found.Text, Run: state.WorkedOn(d.Property), Stuck: stuck(d)}
	if stack.Found != nil {
		v.Before = stack.Found.Text
	}
	if n := len(stack.Layers); n > 0 {
		v.Holder = string(stack.Layers[n-1].Holder)
	}
	if wanted, known := state.Stacks.Wanted(d.Property); known {
		v.Wanted = wanted.Text
	}
	return v
}

func driftLabel(state *scheduler.State, inv scheduler.Inventory, p drivers.Property) string {
	if p.Kind == drivers.VM {
		return vmView(state, inv, p.On(drivers.Power, "")).Name + " " + p.Label()
	}
	return p.Target + " " + p.Label()
}

// stuck says why a drift can be neither put back nor accepted here.
func stuck(d *scheduler.Drift) string {
	switch {
	case d.Property.Kind == drivers.Replica:
		return "a replica is promoted and demoted by failover and revert alone: put it back at the storage"
	case d.Property.Name == drivers.Presence, d.Found.Text == drivers.Absent:
		return "it was deleted, or is not registered any more: register it again, or return what was made there"
	case d.Property.Kind != drivers.VM:
		return "put it back by hand"
	}
	return ""
}

// driftNamed finds an open drift by its id or its label.
func (s *Server) driftNamed(state *scheduler.State, name string) (*scheduler.Drift, error) {
	var found []*scheduler.Drift
	inv := s.currentInventory()
	for _, d := range state.SortedDrifts() {
		if d.ID == name {
			return d, nil
		}
		if driftLabel(state, inv, d.Property) == name {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, &api.Error{Code: api.CodeNotFound, Message: fmt.Sprintf("there is no drift %q", name), Next: "see: hotspare drift list"}
	default:
		return nil, &api.Error{Code: api.CodeUsage, Message: fmt.Sprintf("%d drifts are of %q", len(found), name), Next: "name it by its id: hotspare drift list"}
	}
}

// PutBackDrift implements [api.Service].
func (s *Server) PutBackDrift(ctx context.Context, id string, req api.DriftRequest) (*api.Accepted, error) {
	return s.decideDrift(ctx, id, journal.DriftPutBack, req.By)
}

// AcceptDrift implements [api.Service].
func (s *Server) AcceptDrift(ctx context.Context, id string, req api.DriftRequest) (*api.Accepted, error) {
	as, known := map[string]string{api.AsLayer: journal.DriftAsLayer, api.AsFound: journal.DriftAsFound}[req.As]
	if !known {
		return nil, &api.Error{Code: api.CodeUsage, Message: fmt.Sprintf("a drift is not accepted as %q", req.As), Next: "say as layer, or as found"}
	}
	return s.decideDrift(ctx, id, as, req.By)
}

// decideDrift makes a person's word on a drift, and the run that follows from it, one.
func (s *Server) decideDrift(ctx context.Context, id, as, by string) (*api.Accepted, error) {
	if err := readable("name", &by); err != nil {
		return nil, err
	}
	if by == "" {
		return nil, &api.Error{Code: api.CodeUsage, Message: "nobody stands for what becomes of the drift", Next: "say by whose word: --by NAME"}
	}
	answer := &api.Accepted{}
	err := s.journal.Update(ctx, func(state *scheduler.State) ([]journal.Record, error) {
		d, err := s.driftNamed(state, id)
		if err != nil {
			return nil, err
		}
		if err := decidable(state, d, as); err != nil {
			return nil, err
		}
		record := journal.Record{DriftDecided: &journal.DriftDecided{Property: d.Property, As: as, By: by}}
		after := *state
		after.Stacks, after.Drifts = state.Stacks.Clone(), maps.Clone(state.Drifts)
		if err := journal.Fold(&after, &record); err != nil {
			return nil, err
		}
		label := driftLabel(state, s.currentInventory(), d.Property)
		answer.Already = fmt.Sprintf("%s of %s is accepted as the %s", d.Found.Text, label, map[string]string{journal.DriftAsLayer: "value of its layer", journal.DriftAsFound: "value found"}[as])
		answer.Plan, err = s.afterDrift(s.snapshot(&after), d, as, by, label)
		if err != nil || answer.Plan == nil {
			return []journal.Record{record}, err
		}
		answer.Already = ""
		return []journal.Record{record, {RunAccepted: &journal.RunAccepted{Plan: answer.Plan}}}, nil
	})
	if err != nil {
		return nil, told(err)
	}
	if answer.Plan != nil {
		answer.Run = answer.Plan.Run
		s.engine.Start(answer.Run)
	}
	return answer, nil
}

// decidable says why this cannot be decided now.
func decidable(state *scheduler.State, d *scheduler.Drift, as string) error {
	refused := func(message, next string) error {
		return &api.Error{Code: api.CodeRefused, Message: message, Next: next}
	}
	stack := state.Stacks[d.Property]
	switch run, why := state.WorkedOn(d.Property), stuck(d); {
	case why != "" && (as != journal.DriftAsFound || len(stack.Layers) > 0):
		return refused(d.ID+" is not decided here", why+"; the drift then ends by itself")
	case run != "" || stack.Uncertain():
		return &api.Error{Code: api.CodeWaits, Message: fmt.Sprintf("run %s works on the target of %s", run, d.ID), Next: "let it end, or decide on its held step: hotspare run show " + run}
	case as != journal.DriftAsFound && len(stack.Layers) == 0:
		return refused("nobody has a layer on it any more", "accept it as found, or put it back by hand")
	case as == journal.DriftAsFound && stack.Found == nil:
		return refused("it belongs to what was made for "+string(stack.Layers[len(stack.Layers)-1].Holder)+", and there was no value found", "put it back, or accept it as layer")
	}
	return nil
}

// afterDrift gives the plan that follows from the decision, nil where none does, or says
// why the decision would break a rule. The snapshot is that after the decision.
func (s *Server) afterDrift(snap *scheduler.Snapshot, d *scheduler.Drift, as, by, label string) (*scheduler.Plan, error) {
	back, reason := &d.Stands, fmt.Sprintf("%s has drifted to %s", label, d.Found.Text)
	switch as {
	case journal.DriftAsLayer:
		return nil, layerAllowed(snap, d)
	case journal.DriftAsFound:
		if !snap.State.Stacks.Gap(d.Property) {
			return nil, nil
		}
		back, reason = nil, fmt.Sprintf("%s of %s is the value found from now on, and the layer above asks for another", d.Found.Text, label)
	}
	p, err := plan.PutBack(snap, d.Property, back, by, reason)
	if err != nil {
		return nil, err
	}
	if found := plan.Lint(snap, p); len(found) > 0 {
		return nil, &api.Error{Code: api.CodeRefused, Message: "it cannot be put back now: " + strings.Join(found, "; "), Next: "see: hotspare host list"}
	}
	return p, nil
}

// layerAllowed refuses a value that no plan could have given the layer's holder: a
// workspace on a production network, or on a disk that is no clone of its own.
func layerAllowed(snap *scheduler.Snapshot, d *scheduler.Drift) error {
	stack := snap.State.Stacks[d.Property]
	layer := stack.Layers[len(stack.Layers)-1]
	w := snap.State.Workspaces[string(layer.Holder)]
	if w == nil || layer.Goal.Value == nil {
		return nil
	}
	found := plan.Lint(snap, &scheduler.Plan{Run: snap.State.NextRun(), Verb: scheduler.PutBack, Workspace: w.ID,
		Puts: []scheduler.Put{{Property: d.Property, Layer: layer}}})
	if len(found) == 0 {
		return nil
	}
	return &api.Error{Code: api.CodeRefused, Message: "it cannot be accepted as layer: " + strings.Join(found, "; "), Next: "put it back: hotspare drift put-back " + d.ID}
}
