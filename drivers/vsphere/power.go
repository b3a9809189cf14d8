package vsphere

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// askAgain is how long a guest is left before it is asked again to shut down: a request
// during its boot is lost.
const askAgain = 10 * time.Second

// questionAfter is how long a power task runs before it is looked whether it waits for an
// answer: most are over by then.
const questionAfter = time.Second

var powerPaths = []string{"runtime.powerState", "runtime.question"}

// powerOf is the power of one VM.
type powerOf struct {
	*client
	uuid string
}

func (p powerOf) observe(ctx context.Context) (drivers.Value, error) {
	vm, err := p.machine(ctx, p.uuid, powerPaths...)
	if err != nil {
		return drivers.Value{}, err
	}
	return drivers.Value{Text: powerText(vm.Runtime.PowerState)}, nil
}

func (p powerOf) apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	paths := powerPaths
	switch c.Goal.Text {
	case drivers.On:
		paths = append(slices.Clone(paths), "config.hardware.device")
	case drivers.Suspended:
		paths = append(slices.Clone(paths), "config.extraConfig")
	}
	vm, err := p.settled(ctx, p.uuid, paths...)
	if err != nil {
		return drivers.Value{}, err
	}
	op := "power " + c.Goal.Text
	found := drivers.Value{Text: powerText(vm.Runtime.PowerState)}
	if drivers.SameText(found, c.Goal) {
		return found, nil
	}
	if err := c.CheckExpected(op, vm.Name, found, drivers.SameText); err != nil {
		return drivers.Value{}, err
	}
	if err := unanswered(op, vm.Name, vm.Runtime.Question); err != nil {
		return drivers.Value{}, err
	}
	switch c.Goal.Text {
	case drivers.On:
		err = p.on(ctx, vm, progress)
	case drivers.Off:
		err = p.off(ctx, vm, c, progress)
	case drivers.Suspended:
		err = p.suspend(ctx, vm, found, progress)
	default:
		err = drivers.Invalidf("set power of", vm.Name, "%q is none of off, on and suspended", c.Goal.Text)
	}
	if err != nil {
		return drivers.Value{}, fail(op, vm.Name, err)
	}
	// What the task said is not proof; what the VM says is.
	if powerText(vm.Runtime.PowerState) != c.Goal.Text {
		if vm, err = p.machineAt(ctx, vm.Self, powerPaths...); err != nil {
			return drivers.Value{}, err
		}
	}
	value := drivers.Value{Text: powerText(vm.Runtime.PowerState)}
	if !drivers.SameText(value, c.Goal) {
		err = &drivers.Error{
			Kind: drivers.Unavailable, Op: op, Object: vm.Name,
			Cause: fmt.Errorf("vCenter reported success, but the VM is %s", value.Text),
		}
	}
	return value, err
}

func (p powerOf) on(ctx context.Context, vm *mo.VirtualMachine, progress func(drivers.Progress)) error {
	if err := p.mayRun(ctx, vm); err != nil {
		return err
	}
	response, err := methods.PowerOnVM_Task(ctx, p.vim, &types.PowerOnVM_Task{This: vm.Self})
	if err != nil {
		return err
	}
	return p.powered(ctx, vm, response.Returnval, progress, "powering on")
}

// suspend keeps the memory of a VM that we made. A standby VM is never suspended: its
// memory would go with the disks that are swapped under it.
func (p powerOf) suspend(ctx context.Context, vm *mo.VirtualMachine, found drivers.Value, progress func(drivers.Progress)) error {
	var t tags
	if vm.Config != nil {
		t = readTags(vm.Config.ExtraConfig)
	}
	if t.owner.Site != p.settings.site {
		return drivers.Refusef("suspend", vm.Name, "choose on or off", "only a VM that was made for a workspace is suspended")
	}
	if found.Text != drivers.On {
		return drivers.Refusef("suspend", vm.Name, "power it on first", "the VM is %s", found.Text)
	}
	response, err := methods.SuspendVM_Task(ctx, p.vim, &types.SuspendVM_Task{This: vm.Self})
	if err != nil {
		return err
	}
	return p.powered(ctx, vm, response.Returnval, progress, "suspending")
}

// off asks the guest within the grace, then cuts it off where force allows that.
func (p powerOf) off(ctx context.Context, vm *mo.VirtualMachine, c drivers.Change, progress func(drivers.Progress)) error {
	var why error
	if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
		why = p.ask(ctx, vm, c.Grace, progress)
		if why == nil {
			return nil
		}
		if drivers.KindOf(why) != drivers.GraceOver {
			return why
		}
	} else {
		why = graceOver(vm.Name, errors.New("a suspended VM has no guest to ask, and loses its memory"))
	}
	if !c.Force {
		return why
	}
	response, err := methods.PowerOffVM_Task(ctx, p.vim, &types.PowerOffVM_Task{This: vm.Self})
	if err != nil {
		return err
	}
	err = p.powered(ctx, vm, response.Returnval, progress, "powering off")
	if _, already := vimFault(err).(*types.InvalidPowerState); already {
		return nil // the guest went down by itself meanwhile; observe confirms it
	}
	return err
}

// ask has the guest shut down, and waits until the VM is off. GraceOver says that it is
// not off when the grace has passed.
func (p powerOf) ask(ctx context.Context, vm *mo.VirtualMachine, grace time.Duration, progress func(drivers.Progress)) error {
	if grace <= 0 {
		return graceOver(vm.Name, errors.New("the guest was not asked to shut down, for there is no grace"))
	}
	over := time.Now().Add(grace)
	for time.Now().Before(over) {
		_, err := methods.ShutdownGuest(ctx, p.vim, &types.ShutdownGuest{This: vm.Self})
		switch vimFault(err).(type) {
		case nil:
			if err != nil {
				return err
			}
		case *types.ToolsUnavailable:
			return graceOver(vm.Name, errors.New("the guest cannot be asked: VMware Tools do not run in it"))
		case *types.InvalidPowerState, *types.TaskInProgress:
			// It goes down already, or something is at work; the wait below tells.
		default:
			return err
		}
		progress(drivers.Progress{Message: "waiting for the guest to shut down"})
		off, err := p.waitOff(ctx, vm, min(askAgain, time.Until(over)))
		if off || err != nil {
			return err
		}
	}
	return graceOver(vm.Name, fmt.Errorf("the guest did not shut down within %s", grace))
}

// waitOff waits so long for the VM to be off, and reports whether it is.
func (p powerOf) waitOff(ctx context.Context, vm *mo.VirtualMachine, limit time.Duration) (bool, error) {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := p.watcher.until(bounded, vm.Self, func(state map[string]any) (bool, error) {
		if question, ok := state["runtime.question"].(types.VirtualMachineQuestionInfo); ok {
			return false, unanswered("power off", vm.Name, &question)
		}
		return state["runtime.powerState"] == types.VirtualMachinePowerStatePoweredOff, nil
	})
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return false, nil
	}
	return err == nil, err
}

// powered waits for a power task, unless the VM asks a question, which blocks the task
// until somebody answers.
func (p powerOf) powered(ctx context.Context, vm *mo.VirtualMachine, task types.ManagedObjectReference, progress func(drivers.Progress), message string) error {
	now, err := p.machineAt(ctx, vm.Self, powerPaths...)
	if err == nil && now.Runtime.PowerState != vm.Runtime.PowerState {
		vm.Runtime.PowerState = now.Runtime.PowerState
		return nil // the VM is there already, and whoever changes it next waits for the task
	}
	both, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-time.After(questionAfter):
		case <-both.Done():
			return
		}
		err := p.watcher.until(both, vm.Self, func(state map[string]any) (bool, error) {
			question, ok := state["runtime.question"].(types.VirtualMachineQuestionInfo)
			if !ok {
				return false, nil
			}
			return true, unanswered("change power of", vm.Name, &question)
		})
		if drivers.KindOf(err) == drivers.Refused {
			cancel(err)
		}
	}()
	_, err = p.await(both, task, progress, message)
	if cause := context.Cause(both); err != nil && cause != nil && ctx.Err() == nil {
		return cause
	}
	return err
}

// unanswered refuses where the VM waits for an answer.
func unanswered(op, name string, question *types.VirtualMachineQuestionInfo) error {
	if question == nil {
		return nil
	}
	return drivers.Refusef(op, name, "answer it in vCenter, then try again", "the VM waits for an answer: %s", question.Text)
}

func graceOver(name string, cause error) error {
	return &drivers.Error{Kind: drivers.GraceOver, Op: "shut down the guest of", Object: name, Cause: cause}
}
