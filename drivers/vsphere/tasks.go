package vsphere

import (
	"context"
	"strings"
	"time"

	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/task"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// taskLimit bounds how long a task is waited for where the caller sets no deadline.
const taskLimit = time.Hour

// await waits for a task and gives its result, or its fault as an error. The task goes on
// where ctx ends before it: whoever changes its target next waits for it (see settle).
func (cl *client) await(ctx context.Context, ref types.ManagedObjectReference, progress func(drivers.Progress), message string) (types.AnyType, error) {
	ctx, cancel := context.WithTimeout(ctx, taskLimit)
	defer cancel()
	if progress == nil {
		progress = func(drivers.Progress) {}
	}
	progress(drivers.Progress{Message: message})
	failed := false
	var result types.AnyType
	err := cl.watcher.until(ctx, ref, func(state map[string]any) (bool, error) {
		switch state["info.state"] {
		case types.TaskInfoStateSuccess:
			result = state["info.result"] // vCenter sets it together with the state
			return true, nil
		case types.TaskInfoStateError:
			failed = true
			return true, nil
		}
		if percent, ok := state["info.progress"].(int32); ok {
			progress(drivers.Progress{Message: message, Percent: int(percent)})
		}
		return false, nil
	})
	if err != nil || !failed {
		return result, err
	}
	var done mo.Task
	if err := retrieveOne(ctx, cl.vim, ref, []string{"info.error"}, &done); err != nil {
		return nil, err
	}
	fault := done.Info.Error
	if fault == nil {
		fault = &types.LocalizedMethodFault{Fault: &types.RuntimeFault{}, LocalizedMessage: "the task failed without a reason"}
	}
	return nil, task.Error{LocalizedMethodFault: fault, Description: done.Info.Description}
}

// runningTask is a task that vCenter has not ended.
type runningTask struct {
	ref    types.ManagedObjectReference
	entity types.ManagedObjectReference
	name   string // "CloneVM_Task"
}

// does reports whether the task is that of a method, named without "_Task".
func (t runningTask) does(method string) bool {
	return strings.EqualFold(strings.TrimSuffix(t.name, "_Task"), method)
}

// runningTasks lists what vCenter is at work on, in one call.
func (cl *client) runningTasks(ctx context.Context) ([]runningTask, error) {
	return cl.runningAt(ctx, *cl.vim.ServiceContent.TaskManager)
}

// runningAt lists what vCenter is at work on, in one call: anywhere, where at is the task
// manager, which tells the last 200 tasks, or at one entity, which is far less to read.
func (cl *client) runningAt(ctx context.Context, at types.ManagedObjectReference) ([]runningTask, error) {
	response, err := property.DefaultCollector(cl.vim).RetrieveProperties(ctx, types.RetrieveProperties{
		SpecSet: []types.PropertyFilterSpec{{
			ObjectSet: []types.ObjectSpec{{
				Obj: at, Skip: types.NewBool(true), SelectSet: []types.BaseSelectionSpec{recentTasksOf(at.Type)},
			}},
			PropSet: []types.PropertySpec{taskProperties},
		}},
	})
	if err != nil {
		return nil, err
	}
	return runningOf(response.Returnval), nil
}

var taskProperties = types.PropertySpec{Type: "Task", PathSet: []string{"info.state", "info.entity", "info.name"}}

// recentTasksOf leads from an object of that type to its recent tasks.
func recentTasksOf(kind string) *types.TraversalSpec {
	return &types.TraversalSpec{Type: kind, Path: "recentTask"}
}

// runningOf picks the tasks that have not ended.
func runningOf(contents []types.ObjectContent) []runningTask {
	var running []runningTask
	for _, content := range contents {
		if content.Obj.Type != "Task" {
			continue
		}
		t := runningTask{ref: content.Obj}
		ended := true
		for _, p := range content.PropSet {
			switch value := p.Val.(type) {
			case types.TaskInfoState:
				ended = value == types.TaskInfoStateSuccess || value == types.TaskInfoStateError
			case types.ManagedObjectReference:
				t.entity = value
			case string:
				t.name = value
			}
		}
		if !ended {
			running = append(running, t)
		}
	}
	return running
}

// settle waits until no task runs that is ours to wait for: what an earlier call left
// running ends before the next change begins. How such a task ends does not matter here,
// for the state is read afterwards.
func (cl *client) settle(ctx context.Context, ours func(runningTask) bool) error {
	return cl.settleAt(ctx, *cl.vim.ServiceContent.TaskManager, ours)
}

// settleAt is settle for the tasks of the task manager, or of one entity alone.
func (cl *client) settleAt(ctx context.Context, at types.ManagedObjectReference, ours func(runningTask) bool) error {
	for {
		running, err := cl.runningAt(ctx, at)
		if err != nil {
			return err
		}
		waited := false
		for _, t := range running {
			if !ours(t) {
				continue
			}
			waited = true
			_, err := cl.await(ctx, t.ref, nil, "")
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil && !isFault(err) {
				return err
			}
		}
		if !waited {
			return nil
		}
	}
}

// settleEntity waits for the tasks of one VM.
func (cl *client) settleEntity(ctx context.Context, entity types.ManagedObjectReference) error {
	return cl.settleAt(ctx, entity, func(runningTask) bool { return true })
}

// settleCreations waits for empty VMs that are being made, by anybody but this process,
// whose own are not left behind.
func (cl *client) settleCreations(ctx context.Context) error {
	return cl.settle(ctx, func(t runningTask) bool { return t.does("CreateVM") && !cl.births.has(t.ref) })
}

// settleClones is settleCreations for clones of a template, or of any where it is "": a
// stranger's clone can take hours, and is not waited for where the template is known.
func (cl *client) settleClones(ctx context.Context, template string) error {
	return cl.settle(ctx, func(t runningTask) bool {
		if !t.does("CloneVM") || cl.births.has(t.ref) {
			return false
		}
		var source mo.VirtualMachine
		if template == "" || retrieveOne(ctx, cl.vim, t.entity, []string{"name", "summary.config.instanceUuid"}, &source) != nil {
			return true // it may be of our template
		}
		return isTemplate(source, template)
	})
}
