package vsphere

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// wantRefusal demands that a change fails with an error of a kind that says all that.
func wantRefusal(t *testing.T, d drivers.Driver, c drivers.Change, kind drivers.ErrorKind, says ...string) {
	t.Helper()
	_, err := d.Apply(t.Context(), c, nil)
	wantError(t, err, kind, says...)
}

func wantError(t *testing.T, err error, kind drivers.ErrorKind, says ...string) {
	t.Helper()
	if drivers.KindOf(err) != kind {
		t.Errorf("want %s, got %q: %v", kind, drivers.KindOf(err), err)
	}
	for _, text := range says {
		if !strings.Contains(fmt.Sprint(err), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
}

func TestAVMThatAsksAQuestionIsNotPoweredOn(t *testing.T) {
	o := newOwn(t, nil)
	d := o.driver("DC0_C0")
	vm, power := o.vm("DC0_C0_RP0_VM0")
	o.set(vm, types.PropertyChange{Name: "runtime.question", Val: &types.VirtualMachineQuestionInfo{Id: "1", Text: "Did you move it or copy it?"}})
	wantRefusal(t, d, changeOf(power, drivers.Value{Text: drivers.On}), drivers.Refused, "move it or copy it", "answer it in vCenter", vm.Name)
	if v := mustObserve(t, d, power); v.Text != drivers.Off {
		t.Errorf("it is %s", v.Text)
	}
	o.set(vm, types.PropertyChange{Name: "runtime.question", Val: nil})
	mustApply(t, d, changeOf(power, drivers.Value{Text: drivers.On}))
}

func TestAGuestThatCannotBeAskedIsEscalatedAtOnce(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	power := s.at("rep-01", drivers.Power, "")
	s.guest(power.Target, "without-tools")
	mustApply(t, d, changeOf(power, drivers.Value{Text: drivers.On}))
	t.Cleanup(func() {
		mustApply(t, d, changeOf(power, drivers.Value{Text: drivers.Off}))
		s.guest(power.Target, "")
	})
	c := changeOf(power, drivers.Value{Text: drivers.Off})
	c.Grace, c.Force = time.Minute, false
	began := time.Now()
	wantRefusal(t, d, c, drivers.GraceOver, "VMware Tools")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it waited %s for a guest that cannot hear", took)
	}
	if v := mustObserve(t, d, power); v.Text != drivers.On {
		t.Errorf("it is %s", v.Text)
	}
}

func TestTwoVMsWithOneInstanceUUIDAreLeftAlone(t *testing.T) {
	o := newOwn(t, nil)
	d := o.driver("DC0_C0")
	one, power := o.vm("DC0_C0_RP0_VM0")
	other, _ := o.vm("DC0_C0_RP0_VM1")
	o.set(other,
		types.PropertyChange{Name: "config.instanceUuid", Val: power.Target},
		types.PropertyChange{Name: "summary.config.instanceUuid", Val: power.Target},
	)
	both := []string{one.Name, other.Name, "instance UUID"}
	wantRefusal(t, d, changeOf(power, drivers.Value{Text: drivers.On}), drivers.Refused, both...)
	wantRefusal(t, d, changeOf(power.On(drivers.Presence, ""), drivers.Value{Text: drivers.Absent}), drivers.Refused, both...)
	_, err := d.Observe(t.Context(), power)
	wantError(t, err, drivers.Refused, both...)
	_, err = vmNames(t, d)
	wantError(t, err, drivers.Refused, both...)
	for _, vm := range []*simulator.VirtualMachine{one, other} {
		if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff {
			t.Errorf("%s is on", vm.Name)
		}
	}
}

func TestAVMThatIsToldTwiceIsOneItem(t *testing.T) {
	vm := func(ref, uuid string) *mo.VirtualMachine {
		vm := &mo.VirtualMachine{}
		vm.Self.Value, vm.Name, vm.Summary.Config.InstanceUuid = ref, "name of "+ref, uuid
		return vm
	}
	list := told{}
	for _, c := range []struct {
		vm    *mo.VirtualMachine
		again bool
	}{{vm("vm-1", "a"), false}, {vm("vm-2", "b"), false}, {vm("vm-1", "A"), true}} {
		if again, err := list.before(c.vm); again != c.again || err != nil {
			t.Errorf("%s: %t, %v", c.vm.Name, again, err)
		}
	}
	_, err := list.before(vm("vm-3", "b"))
	wantError(t, err, drivers.Refused, "vm-2", "vm-3")
}

func TestTwoOfOneNameAreToldApartByUUID(t *testing.T) {
	o := newOwn(t, nil)
	d := o.driver("DC0_C0")
	one, power := o.vm("DC0_C0_RP0_VM0")
	other, second := o.vm("DC0_C0_RP0_VM1")
	o.set(other, types.PropertyChange{Name: "name", Val: one.Name})
	mustApply(t, d, changeOf(second, drivers.Value{Text: drivers.On}))
	if a, b := mustObserve(t, d, power).Text, mustObserve(t, d, second).Text; a != drivers.Off || b != drivers.On {
		t.Errorf("they are %s and %s", a, b)
	}
	mustApply(t, d, changeOf(second, drivers.Value{Text: drivers.Off}))
	for _, vm := range []*simulator.VirtualMachine{one, other} {
		o.set(vm, types.PropertyChange{Name: "config.template", Val: true}, types.PropertyChange{Name: "summary.config.template", Val: true})
	}
	made := power.On(drivers.Presence, "")
	made.Target = "0b6dc2ab-52b5-4d3f-8f5e-3fb3e2f4b001"
	goal := func(template string) drivers.Value {
		return drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{VM: &drivers.VMSpec{Name: "ws-1", Template: template, Host: "DC0_C0_H0"}}}
	}
	wantRefusal(t, d, changeOf(made, goal(one.Name)), drivers.Refused, power.Target, second.Target, "instance UUID")
	mustApply(t, d, changeOf(made, goal(second.Target)))
	mustApply(t, d, changeOf(made, drivers.Value{Text: drivers.Absent}))
}

func TestADiskIsWrittenByOneVMOnly(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	before := s.dump()
	made := s.clone(d, "ws-4/root")
	one, other := s.at("pay-app-01", drivers.Disk, "scsi0:0"), s.at("rep-01", drivers.Disk, "scsi0:0")
	foundOne, foundOther := mustObserve(t, d, one), mustObserve(t, d, other)
	on := drivers.Value{Text: drivers.On}
	endpoint := drivers.Value{Text: made.Made[drivers.MadeEndpoint]}
	mustApply(t, d, changeOf(one, endpoint))
	mustApply(t, d, changeOf(other, endpoint)) // both are off: nobody writes
	mustApply(t, d, changeOf(one.On(drivers.Power, ""), on))
	wantRefusal(t, d, changeOf(other.On(drivers.Power, ""), on), drivers.Refused, "pay-app-01", endpoint.Text)
	mustApply(t, d, changeOf(one.On(drivers.Power, ""), drivers.Value{Text: drivers.Off}))
	// The disk that another one hangs on may not be written to either, on or off.
	point := s.points(d, replicaPath)[1].Volumes["pay-app-01-root"]
	mustApply(t, d, changeOf(other, drivers.Value{Text: point}))
	wantRefusal(t, d, changeOf(other.On(drivers.Power, ""), on), drivers.Refused, "pay-app-01", point, "clone")
	mustApply(t, d, changeOf(one, foundOne))
	mustApply(t, d, changeOf(other, foundOther))
	mustApply(t, d, changeOf(drivers.Property{Cluster: clusterName, Kind: drivers.Volume, Target: "ws-4/root", Name: drivers.Presence}, drivers.Value{Text: drivers.Absent}))
	if diff := cmp.Diff(before, s.dump()); diff != "" {
		t.Errorf("the site is not as it was found:\n%s", diff)
	}
}

func TestAStandbyVMIsNotSuspendedAndOneOfOursIs(t *testing.T) {
	s := newSite(t)
	d, _ := s.driver()
	standby := s.at("rep-01", drivers.Power, "")
	suspended := changeOf(standby, drivers.Value{Text: drivers.Suspended})
	mustApply(t, d, changeOf(standby, drivers.Value{Text: drivers.On}))
	wantRefusal(t, d, suspended, drivers.Refused, "rep-01", "made for a workspace")
	mustApply(t, d, changeOf(standby, drivers.Value{Text: drivers.Off}))

	power := s.made(d, "ws-6-1", "").On(drivers.Power, "")
	suspended.Property, suspended.Grace = power, time.Hour
	wantRefusal(t, d, suspended, drivers.Refused, "power it on first")
	mustApply(t, d, changeOf(power, drivers.Value{Text: drivers.On}))
	began := time.Now()
	if v := mustApply(t, d, suspended); v.Text != drivers.Suspended || time.Since(began) > 30*time.Second {
		t.Errorf("after %s it is %s", time.Since(began), v.Text)
	}
	if v := mustApply(t, d, changeOf(power, drivers.Value{Text: drivers.On}, drivers.Value{Text: drivers.Suspended})); v.Text != drivers.On {
		t.Errorf("it is %s", v.Text)
	}
	mustApply(t, d, suspended)
	off := changeOf(power, drivers.Value{Text: drivers.Off})
	off.Grace, off.Force = time.Hour, false
	wantRefusal(t, d, off, drivers.GraceOver, "no guest to ask")
	mustApply(t, d, changeOf(power, drivers.Value{Text: drivers.Off}))
}

func TestANetworkThatIsGoneIsToldBeforeVCenterIsAsked(t *testing.T) {
	o := newOwn(t, func(m *simulator.Model) { m.Portgroup = 2 })
	d := o.driver("DC0_C0")
	_, power := o.vm("DC0_C0_RP0_VM0")
	nic := power.On(drivers.NIC, "ethernet0")
	found := mustObserve(t, d, nic)
	mustApply(t, d, changeOf(nic, drivers.Value{Text: "VM Network"}, found))
	for _, entity := range o.model.Map().All("DistributedVirtualPortgroup") {
		if group := entity.(*simulator.DistributedVirtualPortgroup); group.Name == found.Text {
			task := object.NewCommon(d.client.vim, group.Self)
			destroyed, err := task.Destroy(t.Context())
			if err == nil {
				err = destroyed.Wait(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	wantRefusal(t, d, changeOf(nic, found), drivers.NotFound, found.Text)
	if v := mustObserve(t, d, nic); v.Text != "VM Network" {
		t.Errorf("it is on %s", v.Text)
	}
}

func TestACertificateThatChangesIsTold(t *testing.T) {
	o := newOwn(t, nil)
	wrong := o.configuration("DC0_C0")
	configured := o.thumbprint()
	d := o.driver("DC0_C0")
	_, power := o.vm("DC0_C0_RP0_VM0")
	mustObserve(t, d, power)
	o.renewCertificate()
	d.client.session.soap.CloseIdleConnections()
	_, err := d.Observe(t.Context(), power)
	wantError(t, err, drivers.Unavailable, configured, o.thumbprint(), "renewed")
	seen := errors.New("seen")
	var health drivers.Health
	if err := d.Health(t.Context(), func(h drivers.Health) error { health = h; return seen }); !errors.Is(err, seen) {
		t.Fatal(err)
	}
	if health.OK || !strings.Contains(health.Error, configured) || !strings.Contains(health.Error, o.thumbprint()) {
		t.Errorf("health says %+v", health)
	}
	err = New().Configure(t.Context(), wrong)
	wantError(t, err, drivers.Invalid, configured, o.thumbprint())
	var e *drivers.Error
	if !errors.As(err, &e) || e.Attribute != "thumbprint" {
		t.Errorf("the error names the attribute %+v", e)
	}
}

func TestAPasswordThatIsRefusedWhileRunningIsTold(t *testing.T) {
	o := newOwn(t, nil)
	d := o.driver("DC0_C0")
	_, power := o.vm("DC0_C0_RP0_VM0")
	o.model.Map().SessionManager().ValidLogin = func(*types.Login) bool { return false }
	d.client.session.close() // logs out: the session is over
	_, err := d.Observe(t.Context(), power)
	wantError(t, err, drivers.Unavailable, "log in", "password")
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error tells the password: %v", err)
	}
	if items, err := vmNames(t, d); err == nil || len(items) > 0 {
		t.Errorf("an inventory without a session: %v, %v", items, err)
	}
}

func TestAnEmptyInventoryIsAnError(t *testing.T) {
	o := newOwn(t, func(m *simulator.Model) { m.Machine = 0 })
	items, err := vmNames(t, o.driver("DC0_C0"))
	if err == nil || len(items) > 0 {
		t.Fatalf("%v, %v", items, err)
	}
	wantError(t, err, drivers.Unavailable, "no VM")
}

func TestNamesThatVCenterEscapes(t *testing.T) {
	for plain, listed := range map[string]string{"a/b": "a%2fb", "100%": "100%25", `a\b`: "a%5cb", "%2f": "%252f", "🚀 é": "🚀 é"} {
		if listedName(plain) != listed || plainName(listed) != plain {
			t.Errorf("%q: listed as %q, read as %q", plain, listedName(plain), plainName(listed))
		}
	}
	// The simulator makes no VM with such a name, so one is given to a VM that is there.
	const name = `pay/db 100% \ 🚀`
	o := newOwn(t, nil)
	d := o.driver("DC0_C0")
	vm, power := o.vm("DC0_C0_RP0_VM0")
	o.set(vm, types.PropertyChange{Name: "name", Val: listedName(name)})
	if items, err := vmNames(t, d); err != nil || items[name].ID != power.Target {
		t.Errorf("the inventory lists %v, %v", items, err)
	}
	d.client.settings.folder = "" // where the VM is
	if found, err := d.client.findInFolder(t.Context(), name); err != nil || found == nil || *found != vm.Self {
		t.Errorf("found %v, %v", found, err)
	}
	o.set(vm, types.PropertyChange{Name: "config.template", Val: true}, types.PropertyChange{Name: "summary.config.template", Val: true})
	if found, err := d.client.findTemplate(t.Context(), name); err != nil || found.Self != vm.Self {
		t.Errorf("found %v, %v", found, err)
	}
	wantRefusal(t, d, changeOf(power.On(drivers.Disk, "scsi9:9"), drivers.Value{Text: "[LocalDS_0] x.vmdk"}), drivers.NotFound, name)
}
