package vsphere

import (
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// cloning has vCenter be at work on a clone of a template, until the function it gives is
// called.
func (o *ownVCenter) cloning(template *simulator.VirtualMachine) (done func()) {
	ctx := o.model.Service.Context
	task := simulator.CreateTask(template, "cloneVm", nil)
	task.Info.State = types.TaskInfoStateRunning
	o.model.Map().Put(task)
	return func() {
		ctx.WithLock(task, func() {
			ctx.Update(task, []types.PropertyChange{{Name: "info.state", Val: types.TaskInfoStateSuccess}})
		})
	}
}

// The VM is listed before its clone is over. Whoever deletes it then, because the process
// that ordered it has died, deletes what vCenter is still writing.
func TestAVMThatIsStillBeingClonedIsNotDeleted(t *testing.T) {
	o := newOwn(t, nil)
	template, _ := o.vm("DC0_C0_RP0_VM0")
	other, _ := o.vm("DC0_C0_RP0_VM1")
	for _, vm := range []*simulator.VirtualMachine{template, other} {
		o.set(vm, types.PropertyChange{Name: "config.template", Val: true}, types.PropertyChange{Name: "summary.config.template", Val: true})
	}
	waits, destroyed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	d := o.observed("DC0_C0", func(request soap.HasFault) {
		switch methodOf(request) {
		case "CreateListView": // it waits for a task that goes on
			once.Do(func() { close(waits) })
		case "Destroy_Task":
			close(destroyed)
		}
	})
	p := drivers.Property{Cluster: clusterName, Kind: drivers.VM, Target: uuid.NewString(), Name: drivers.Presence}
	spec := &drivers.VMSpec{Name: "ws-30", Template: template.Name, Host: "DC0_C0_H0"}
	mustApply(t, d, changeOf(p, drivers.Value{Text: drivers.Present, Spec: &drivers.Spec{VM: spec}}))

	o.cloning(other) // and never ends: a stranger's
	done := o.cloning(template)
	var deleting sync.WaitGroup
	deleting.Go(func() { mustApplyAsync(t, d, changeOf(p, drivers.Value{Text: drivers.Absent})) })
	select {
	case <-waits:
	case <-destroyed:
		t.Error("the VM was deleted while it was being cloned")
	case <-t.Context().Done():
	}
	done()
	deleting.Wait()
	if v := mustObserve(t, d, p); v.Text != drivers.Absent {
		t.Errorf("the VM is %s once its clone is over and it was deleted", v.Text)
	}
}
