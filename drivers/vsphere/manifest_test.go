package vsphere

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hotspare/hotspare/drivers"
)

func TestAManifestDoesNotLeadOutOfItsReplica(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	const replica = "[LocalDS_0] replica/crooked"
	at, err := parsePath(replica + "/restore-points.json")
	if err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		"rp-1/root.vmdk":                  "",
		"[LocalDS_0] elsewhere/root.vmdk": "", // a whole path says where it leads
		"../payments/base/root.vmdk":      "leads out of the replica's folder",
		"rp-1/../../payments/root.vmdk":   "leads out of the replica's folder",
		"..":                              "leads out of the replica's folder",
	} {
		manifest := `{"restorePoints":[{"id":"rp-1","time":"2026-11-21T03:00:00Z","complete":true,"volumes":{"root":"` + path + `"}}]}`
		if err := d.client.writeFile(t.Context(), at, []byte(manifest)); err != nil {
			t.Fatal(err)
		}
		_, err := d.client.readManifest(t.Context(), replica)
		if says == "" && err != nil || says != "" && (drivers.KindOf(err) != drivers.Refused || !strings.Contains(err.Error(), says)) {
			t.Errorf("a volume at %q: got %v, want the words %q", path, err, says)
		}
	}
	if err := d.client.deleteWritten(t.Context(), at); err != nil {
		t.Fatal(err)
	}
}

// Each replica that cannot be read is told with its own problem and next step, and those that
// can be read are told as ever.
func TestAReplicaThatCannotBeReadIsItsOwnProblem(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	const folder = "[LocalDS_0] replica/broken-"
	for file, content := range map[string]string{
		"half/restore-points.json":     `{"restorePoints":[{"id":"rp-1",`,
		"leads/restore-points.json":    `{"restorePoints":[{"id":"rp-1","volumes":{"root":"../x.vmdk"}}]}`,
		"stranger/restore-points.json": `{"restorePoints":[]}`,
		"stranger/role.json":           `{"somebody":"else"}`,
	} {
		at, err := parsePath(folder + file)
		if err == nil {
			err = d.client.writeFile(t.Context(), at, []byte(content))
		}
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := d.client.deleteWritten(t.Context(), at); err != nil {
				t.Error(err)
			}
		}()
	}
	const look = "; look at the replica's folder, and at its storage"
	for path, want := range map[string][2]string{
		replicaPath:          {},
		folder + "none":      {"has no restore-points.json", "; check the replica's path, and that replication has run"},
		folder + "half":      {"it is no manifest", look},
		folder + "leads":     {"leads out of the replica's folder", "; look at the manifest"},
		folder + "stranger":  {"role.json", ""},
		"[NoSuchDS] replica": {"[NoSuchDS] replica", ""},
		"/no/such/replica":   {"is no datastore path", "; check the replica's path in the configuration"},
	} {
		var told []*drivers.ReplicaItem
		hosts := 0
		err := d.Inventory(t.Context(), drivers.InventoryRequest{Replicas: []string{path, replicaPath}}, func(i drivers.Item) error {
			if i.Replica != nil {
				told = append(told, i.Replica)
			}
			if i.Host != nil {
				hosts++
			}
			return nil
		})
		if err != nil || hosts == 0 || len(told) != 2 {
			t.Fatalf("%s: %d hosts, %d replicas, %v", path, hosts, len(told), err)
		}
		if r := told[1]; r.Problem != "" || r.Role != drivers.Secondary || len(r.RestorePoints) != 3 {
			t.Errorf("beside %s the good one is %+v", path, r)
		}
		r := told[0]
		if path == replicaPath {
			continue
		}
		_, next, hasNext := strings.Cut(r.Problem, "; ")
		if r.Path != path || r.Role != "" || r.RestorePoints != nil || !strings.Contains(r.Problem, want[0]) || !strings.HasSuffix(r.Problem, want[1]) ||
			!hasNext || strings.Count(r.Problem, next) != 1 {
			t.Errorf("%s: %+v; want %q", path, r, want)
		}
	}
}

// That vCenter cannot be asked is no problem of a replica.
func TestAVCenterThatIsGoneIsNoProblemOfAReplica(t *testing.T) {
	o := newOwn(t, nil)
	d := o.driver("DC0_C0")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := d.client.replicaItem(over, "[LocalDS_0] replica"); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is over: %+v, %v", r, err)
	}
	o.renewCertificate() // so that nobody can connect who trusts the old one
	d.client.session.soap.CloseIdleConnections()
	if r, err := d.client.replicaItem(t.Context(), "[LocalDS_0] replica"); !errors.Is(err, errThumbprint) {
		t.Errorf("no connection: %+v, %v", r, err)
	}
}
