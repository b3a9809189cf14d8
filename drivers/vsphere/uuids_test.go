package vsphere

import (
	"testing"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// What is known of the UUIDs only points: a VM that has another one by now is not touched.
func TestAUUIDThatMovedToAnotherVMIsFollowed(t *testing.T) {
	own := newOwn(t, nil)
	d := own.driver("DC0_C0")
	first, power := own.vm("DC0_C0_RP0_VM0")
	second, other := own.vm("DC0_C0_RP0_VM1")
	cl := d.client
	cl.uuids.began = time.Now()
	cl.uuids.fill(cl.vim, cl.places.datacenter.Reference(), cl.uuids.began)
	if ref, ok := cl.uuids.get(power.Target); !ok || ref != first.Self {
		t.Fatalf("the UUID of %s points to %s, %v", first.Self, ref, ok)
	}
	own.set(first, types.PropertyChange{Name: "config.instanceUuid", Val: other.Target})
	own.set(second, types.PropertyChange{Name: "config.instanceUuid", Val: power.Target})
	mustApply(t, d, changeOf(power, drivers.Value{Text: drivers.On}))
	if first.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff || second.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
		t.Errorf("the VM that had the UUID is %s, the one that has it is %s", first.Runtime.PowerState, second.Runtime.PowerState)
	}
	// Two that have one are in no such list.
	own.set(first, types.PropertyChange{Name: "config.instanceUuid", Val: power.Target})
	cl.uuids.began = time.Now()
	cl.uuids.fill(cl.vim, cl.places.datacenter.Reference(), cl.uuids.began)
	if _, ok := cl.uuids.get(power.Target); ok {
		t.Error("a UUID that two VMs have points to one of them")
	}
	if _, err := d.Observe(t.Context(), power); drivers.KindOf(err) != drivers.Refused {
		t.Errorf("a UUID that two VMs have gives %v", err)
	}
}
