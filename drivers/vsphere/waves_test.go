package vsphere

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// One that goes while many are read together is told to who asked for it, and to nobody else.
func TestAVMThatGoesInASharedReadFailsAlone(t *testing.T) {
	const vms = 3
	o := newOwn(t, func(m *simulator.Model) { m.Machine = vms })
	counted := &calls{count: map[string]int{}}
	d := o.observed("DC0_C0", counted.note)
	gone, _ := o.vm("DC0_C0_RP0_VM1")
	_, first := o.vm("DC0_C0_RP0_VM0")
	mustObserve(t, d, first) // the hosts are known from now on
	// The read for all waits for one before, until all have joined and one has gone.
	before := make(chan struct{})
	paths := slices.Concat([]string{"name"}, powerPaths, []string{"runtime.host", "config.instanceUuid"})
	shared := d.client.reads.batches("VirtualMachine", paths, false)
	shared.mu.Lock()
	shared.latest, shared.patience = before, time.Minute
	shared.mu.Unlock()
	values, errs := make([]drivers.Value, vms), make([]error, vms)
	var done sync.WaitGroup
	for i := range vms {
		_, power := o.vm(fmt.Sprintf("DC0_C0_RP0_VM%d", i))
		done.Go(func() { values[i], errs[i] = d.Observe(t.Context(), power) })
	}
	joined := func() int {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		if shared.next == nil {
			return 0
		}
		return len(shared.next.keys)
	}
	for deadline := time.Now().Add(10 * time.Second); joined() < vms; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d have joined", joined(), vms)
		}
	}
	task, err := object.NewVirtualMachine(d.client.vim, gone.Self).Destroy(t.Context())
	if err == nil {
		err = task.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	reads := counted.of("RetrievePropertiesEx")
	close(before)
	done.Wait()
	if n := counted.of("RetrievePropertiesEx") - reads; n != 1+vms {
		t.Errorf("%d reads: want one for all, which fails, and one for each", n)
	}
	for i := range vms {
		if i == 1 {
			wantError(t, errs[i], drivers.NotFound, gone.Config.InstanceUuid)
		} else if errs[i] != nil || values[i].Text != drivers.Off {
			t.Errorf("the other VM %d is %q, %v", i, values[i].Text, errs[i])
		}
	}
}

// What a wave of changes costs is mostly calls. Alone each makes 6; how many reads come
// together is up to the scheduler of a busy machine.
func TestAWaveOfPowerOffsMakesFewCalls(t *testing.T) {
	const vms, most = 32, 4.0
	o := newOwn(t, func(m *simulator.Model) { m.Machine = vms })
	counted := &calls{count: map[string]int{}}
	d := o.observed("DC0_C0", counted.note)
	on := types.VirtualMachinePowerStatePoweredOn
	var powers []drivers.Property
	for i := range vms {
		vm, power := o.vm(fmt.Sprintf("DC0_C0_RP0_VM%d", i))
		o.set(vm, types.PropertyChange{Name: "runtime.powerState", Val: on}, types.PropertyChange{Name: "summary.runtime.powerState", Val: on})
		powers = append(powers, power)
	}
	before := counted.all()
	var done sync.WaitGroup
	for _, power := range powers {
		c := changeOf(power, drivers.Value{Text: drivers.Off}, drivers.Value{Text: drivers.On})
		done.Go(func() { mustApplyAsync(t, d, c) })
	}
	done.Wait()
	each := float64(counted.all()-before) / vms
	if counted.of("PowerOffVM_Task") != vms || each > most {
		counted.mu.Lock()
		defer counted.mu.Unlock()
		t.Errorf("%d power-offs at once make %.2f calls each, want at most %.1f: %v", vms, each, most, counted.count)
	}
}
