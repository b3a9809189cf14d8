package vsphere

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hotspare/hotspare/drivers"
)

// health asks the service of a standby VM; 0 where it does not listen.
func (s *testSite) health(vm string) (int, string) {
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/healthz", s.info.HealthPorts[vm]))
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(text)
}

// until waits for a VM's service to answer so.
func (s *testSite) until(vm string, status int) string {
	s.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		got, text := s.health(vm)
		if got == status {
			return text
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s answers %d %s, want %d", vm, got, text, status)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// TestAFailoverByHand walks the steps of a lend, a failover and a revert of one VM, with
// what the site itself says of each.
func TestAFailoverByHand(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	before := s.dump()
	const vm = "pay-app-01"
	disk, nic, power := s.at(vm, drivers.Disk, "scsi0:0"), s.at(vm, drivers.NIC, "ethernet0"), s.at(vm, drivers.Power, "")
	foundDisk, foundNIC := mustObserve(t, d, disk), mustObserve(t, d, nic)
	set := func(p drivers.Property, goal drivers.Value) drivers.Value { return mustApply(t, d, changeOf(p, goal)) }
	off := func() {
		c := changeOf(power, drivers.Value{Text: drivers.Off})
		c.Grace, c.Force = 20*time.Second, false
		mustApply(t, d, c)
		s.until(vm, 0)
	}
	if status, _ := s.health(vm); status != 0 {
		t.Fatalf("a VM that is off answers %d", status)
	}

	volume := drivers.Property{Cluster: clusterName, Kind: drivers.Volume, Target: "ws-1/root", Name: drivers.Presence}
	point := s.points(d, replicaPath)[1]
	clone := set(volume, drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{Volume: &drivers.VolumeSpec{
		Replica: replicaPath, RestorePoint: point.ID, Volume: "pay-app-01-root",
	}}})
	set(disk, drivers.Value{Text: clone.Made[drivers.MadeEndpoint]})
	set(nic, drivers.Value{Text: "ISO-02"})
	set(power, drivers.Value{Text: drivers.On})
	if why := s.until(vm, http.StatusServiceUnavailable); !strings.Contains(why, "ISO-02") {
		t.Errorf("a workspace answers: %s", why)
	}
	off()

	role := drivers.Property{Cluster: clusterName, Kind: drivers.Replica, Target: replicaPath, Name: drivers.Role}
	promoted := set(role, drivers.Value{Text: drivers.Primary, Spec: &drivers.Spec{Replica: &drivers.ReplicaSpec{
		RestorePoint: point.ID, As: "run-9.payments", Volumes: []string{"pay-app-01-root", "pay-db-01-root", "pay-db-01-data"},
	}}})
	set(disk, drivers.Value{Text: promoted.Made["pay-app-01-root"]})
	set(nic, drivers.Value{Text: "PG-PROD-APP"})
	set(power, drivers.Value{Text: drivers.On})
	s.until(vm, http.StatusOK)
	_, err := d.Apply(t.Context(), changeOf(role, drivers.Value{Text: drivers.Secondary}), nil)
	if drivers.KindOf(err) != drivers.Refused || !strings.Contains(err.Error(), vm) {
		t.Errorf("a replica is demoted under a VM that is on: %v", err)
	}

	off()
	set(disk, foundDisk)
	set(nic, foundNIC)
	kept := set(role, drivers.Value{Text: drivers.Secondary})
	for name := range kept.Made {
		volume.Target = "run-9.payments/" + name
		set(volume, drivers.Value{Text: drivers.Absent})
	}
	volume.Target = "ws-1/root"
	set(volume, drivers.Value{Text: drivers.Absent})
	if diff := cmp.Diff(before, s.dump()); diff != "" {
		t.Errorf("the site is not as it was found:\n%s", diff)
	}
}

func TestAStubbornTemplateMakesStubbornGuests(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	vm := drivers.Property{Cluster: clusterName, Kind: drivers.VM, Target: "0b6dc2ab-52b5-4d3f-8f5e-3fb3e2f4a001", Name: drivers.Presence}
	mustApply(t, d, changeOf(vm, drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{VM: &drivers.VMSpec{
		Name: "ws-2-1", Template: "tpl-stubborn", Host: "esx-06",
	}}}))
	power := vm.On(drivers.Power, "")
	t.Cleanup(func() {
		mustApply(t, d, changeOf(power, drivers.Value{Text: drivers.Off}))
		mustApply(t, d, changeOf(vm, drivers.Value{Text: drivers.Absent}))
	})
	mustApply(t, d, changeOf(power, drivers.Value{Text: drivers.On}))
	c := changeOf(power, drivers.Value{Text: drivers.Off})
	c.Grace, c.Force = 300*time.Millisecond, false
	if _, err := d.Apply(t.Context(), c, nil); drivers.KindOf(err) != drivers.GraceOver {
		t.Fatalf("want grace-over, got %v", err)
	}
}
