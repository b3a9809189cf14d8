package vsphere

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/vmware/govmomi/simulator"

	"github.com/hotspare/hotspare/drivers"
)

func TestTwoClustersOfOneVCenterAreKeptApart(t *testing.T) {
	o := newOwn(t, func(m *simulator.Model) { m.Cluster = 2 })
	for _, own := range []string{"DC0_C0", "DC0_C1"} {
		other := map[string]string{"DC0_C0": "DC0_C1", "DC0_C1": "DC0_C0"}[own]
		d := o.driver(own)
		count := 0
		err := d.Inventory(t.Context(), drivers.InventoryRequest{}, func(i drivers.Item) error {
			switch {
			case i.Host != nil && !strings.HasPrefix(i.Host.Name, own), i.VM != nil && !strings.HasPrefix(i.VM.Name, own):
				return fmt.Errorf("%s lists %+v %+v", own, i.Host, i.VM)
			case i.Host != nil, i.VM != nil:
				count++
			}
			return nil
		})
		if err != nil || count != 4 {
			t.Errorf("%s lists %d hosts and VMs, %v", own, count, err)
		}
		vm, foreign := o.vm(other + "_RP0_VM0")
		says := []string{vm.Name, other, "not of this cluster"}
		for _, c := range []drivers.Change{
			changeOf(foreign, drivers.Value{Text: drivers.On}),
			changeOf(foreign.On(drivers.HostOf, ""), drivers.Value{Text: own + "_H0"}),
			changeOf(foreign.On(drivers.NIC, "ethernet0"), drivers.Value{Text: "VM Network"}),
			changeOf(foreign.On(drivers.Disk, "scsi0:0"), drivers.Value{Text: "[LocalDS_0] x.vmdk"}),
			changeOf(foreign.On(drivers.Presence, ""), drivers.Value{Text: drivers.Absent}),
		} {
			wantRefusal(t, d, c, drivers.Refused, says...)
			_, err := d.Observe(t.Context(), c.Property)
			wantError(t, err, drivers.Refused, says...)
		}
		_, mine := o.vm(own + "_RP0_VM0")
		mustApply(t, d, changeOf(mine, drivers.Value{Text: drivers.On}))
		mustApply(t, d, changeOf(mine, drivers.Value{Text: drivers.Off}))
	}
}

// TestTwoVCentersSideBySide: the development site gives its VMs the same instance UUIDs at
// every start, so that a driver which mixed up its vCenters would be seen.
func TestTwoVCentersSideBySide(t *testing.T) {
	s := newSite(t)
	one, _ := s.driver()
	dir, cmd, err := startSite()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	})
	second := siteIn(t, dir)
	body := map[string]any{}
	if err := json.Unmarshal(second.configuration(nil).Body, &body); err != nil {
		t.Fatal(err)
	}
	if body["url"] == s.info.URL {
		t.Fatal("both are at one address")
	}
	wantError(t, New().Configure(t.Context(), s.configuration(map[string]any{"url": body["url"]})), drivers.Invalid, s.info.Thumbprint, second.info.Thumbprint)
	other, _ := second.driver()
	power := s.at("rep-01", drivers.Power, "")
	if power != second.at("rep-01", drivers.Power, "") {
		t.Fatal("the VMs have other ids, and the test would prove nothing")
	}
	before := second.dump()
	mustApply(t, one, changeOf(power, drivers.Value{Text: drivers.On}))
	if v := mustObserve(t, other, power); v.Text != drivers.Off {
		t.Errorf("in the other vCenter it is %s", v.Text)
	}
	mustApply(t, one, changeOf(power, drivers.Value{Text: drivers.Off}))
	if after := second.dump(); after != before {
		t.Error("the other vCenter has changed")
	}
}
