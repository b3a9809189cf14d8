package drivertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hotspare/hotspare/drivers"
)

// snapshot is what can be seen of a target, and of everything that the inventory lists.
// Two of them are equal where the site is the same.
type snapshot map[string]string

// look takes a snapshot. without leaves one property out.
func (s *suite) look(t *testing.T, st stage) snapshot {
	t.Helper()
	out := s.list(t)
	for _, p := range s.around(t, st.property) {
		out[p.String()] = text(s.observe(t, p), st.looseMade)
	}
	return out
}

// text gives a value as a text that is the same for equal values.
func text(v drivers.Value, looseMade bool) string {
	var rest any
	if len(v.Rest) > 0 {
		if err := json.Unmarshal(v.Rest, &rest); err != nil {
			return "the rest is no JSON: " + string(v.Rest)
		}
	}
	canonical, err := json.Marshal(rest)
	if err != nil {
		return err.Error() // what was JSON a moment ago is so still
	}
	made := []string{}
	for _, k := range slices.Sorted(maps.Keys(v.Made)) {
		if !looseMade {
			made = append(made, k+"="+v.Made[k])
		}
	}
	return fmt.Sprintf("%s made=[%s] rest=%s", v.Text, strings.Join(made, " "), canonical)
}

// around gives every property of a target that the driver can observe.
func (s *suite) around(t *testing.T, p drivers.Property) []drivers.Property {
	t.Helper()
	if p.Kind != drivers.VM {
		return []drivers.Property{p}
	}
	var out []drivers.Property
	if s.can.Can(drivers.VM, drivers.Presence) {
		out = append(out, p.On(drivers.Presence, ""))
	}
	vm := s.find(t, p.Target)
	if vm == nil {
		return out
	}
	if s.can.Can(drivers.VM, drivers.Power) {
		out = append(out, p.On(drivers.Power, ""))
	}
	if s.can.Can(drivers.VM, drivers.HostOf) {
		out = append(out, p.On(drivers.HostOf, ""))
	}
	for _, slot := range slices.Sorted(maps.Keys(vm.Disks)) {
		if s.can.Can(drivers.VM, drivers.Disk) {
			out = append(out, p.On(drivers.Disk, slot))
		}
	}
	for _, slot := range slices.Sorted(maps.Keys(vm.NICs)) {
		if s.can.Can(drivers.VM, drivers.NIC) {
			out = append(out, p.On(drivers.NIC, slot))
		}
	}
	return out
}

// items gives the whole inventory.
func (s *suite) items(t *testing.T) []drivers.Item {
	t.Helper()
	request := drivers.InventoryRequest{}
	if s.Replica != "" {
		request.Replicas = []string{s.Replica}
	}
	return s.ask(t, request)
}

// ask gives the inventory that a request asks for.
func (s *suite) ask(t *testing.T, request drivers.InventoryRequest) []drivers.Item {
	t.Helper()
	ctx, cancel := s.context(t)
	defer cancel()
	for {
		var items []drivers.Item
		err := s.Driver.Inventory(ctx, request, func(i drivers.Item) error { items = append(items, i); return nil })
		if err == nil {
			return items
		}
		if !again(ctx, err) {
			t.Fatalf("inventory: %v", err)
		}
	}
}

func (s *suite) find(t *testing.T, id string) *drivers.VMItem {
	t.Helper()
	for _, i := range s.items(t) {
		if i.VM != nil && i.VM.ID == id {
			return i.VM
		}
	}
	return nil
}

// list is the inventory as a snapshot, without what changes by itself.
func (s *suite) list(t *testing.T) snapshot {
	t.Helper()
	out := snapshot{}
	for _, i := range s.items(t) {
		if i.Datastore != nil {
			i.Datastore = &drivers.DatastoreItem{Name: i.Datastore.Name, CapacityMiB: i.Datastore.CapacityMiB}
		}
		data, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		out["inventory "+name(i)] = string(data)
	}
	return out
}

func name(i drivers.Item) string {
	switch {
	case i.Host != nil:
		return "host " + i.Host.Name
	case i.VM != nil:
		return "vm " + i.VM.ID
	case i.Network != nil:
		return "network " + i.Network.Name
	case i.Datastore != nil:
		return "datastore " + i.Datastore.Name
	case i.Replica != nil:
		return "replica " + i.Replica.Path
	}
	return "nothing"
}

func sameSite(t *testing.T, before, after snapshot) {
	t.Helper()
	if diff := cmp.Diff(before, after); diff != "" {
		t.Fatalf("the site is not as it was found (- before, + after):\n%s", diff)
	}
}
