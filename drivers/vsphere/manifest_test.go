package vsphere

import (
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
