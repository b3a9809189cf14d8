package vsphere

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"

	"github.com/hotspare/hotspare/drivers"
)

// items gives what an inventory tells, each item as text, sorted. Free space is left out:
// what went before still frees some.
func items(t *testing.T, d drivers.Driver) []string {
	t.Helper()
	var all []string
	err := d.Inventory(t.Context(), drivers.InventoryRequest{Replicas: []string{replicaPath}}, func(i drivers.Item) error {
		if i.Datastore != nil {
			i.Datastore.FreeMiB = 0
		}
		text, err := json.Marshal(i)
		all = append(all, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// A view goes with the session that it was made in, between its making and its reading too.
func TestAnInventoryWhoseViewIsGoneBeginsItAnew(t *testing.T) {
	for _, kind := range []string{"HostSystem", "VirtualMachine"} {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t)
			d, counted := s.driver()
			before := counted.of("CreateContainerView")
			want := items(t, d)
			views, logins := counted.of("CreateContainerView"), counted.of("Login")
			usual := views - before
			ended := false
			d.client.session.observe = func(request soap.HasFault) {
				counted.note(request)
				body, reads := request.(*methods.RetrievePropertiesExBody)
				if !reads || ended {
					return
				}
				spec := body.Req.SpecSet[0]
				if spec.ObjectSet[0].Obj.Type == "ContainerView" && spec.PropSet[0].Type == kind {
					ended = true
					s.expire()
				}
			}
			if diff := cmp.Diff(want, items(t, d)); diff != "" || !ended {
				t.Errorf("the session ended: %t; the inventory differs (- before, + with a view that goes):\n%s", ended, diff)
			}
			if n := counted.of("CreateContainerView") - views; n <= usual {
				t.Errorf("asked for %d views, of which one went; without that for %d", n, usual)
			}
			if n := counted.of("Login") - logins; n != 1 {
				t.Errorf("logged in %d times", n)
			}
		})
	}
}
