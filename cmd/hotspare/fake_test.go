package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// fake is a site in memory that answers from fixtures. It begins as a quiet one.
type fake struct {
	mu      sync.Mutex
	status  *api.Status
	queue   bool // whatever is requested waits
	calls   []string
	watched chan struct{}
	once    sync.Once
}

func newFake() *fake { return &fake{status: quietSite(), watched: make(chan struct{})} }

// become makes it another site.
func (f *fake) become(args []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch name := strings.Join(args, " "); name {
	case "quiet":
		f.status = quietSite()
	case "night":
		f.status = nightSite()
	case "produces":
		f.status = quietSite()
		f.status.Groups[0].State = scheduler.GroupProduces
	case "reclaimed":
		f.status = quietSite()
		f.status.Groups[0].State = scheduler.GroupReclaimed
	case "drifted":
		f.status = quietSite()
		f.status.Drifts = 2
	case "empty":
		f.status = emptySite()
	case "full":
		f.queue = true
	default:
		return fmt.Errorf("there is no site %q", name)
	}
	return nil
}

// said looks for a request that the site was sent.
func (f *fake) said(words []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if want := strings.Join(words, " "); !slices.Contains(f.calls, want) {
		return fmt.Errorf("nobody said %q, but: %q", want, f.calls)
	}
	return nil
}

func (f *fake) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

func (f *fake) site() *api.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

func notFound(noun, name string) error {
	return &api.Error{Code: api.CodeNotFound, Message: fmt.Sprintf("there is no %s %q", noun, name), Next: "see: hotspare " + noun + " list"}
}

func (f *fake) Status(context.Context) (*api.Status, error) { return f.site(), nil }

func (f *fake) Workspaces(context.Context, bool) ([]api.Workspace, error) {
	return f.site().Workspaces, nil
}

func (f *fake) Workspace(_ context.Context, id string) (*api.Workspace, error) {
	for _, w := range f.site().Workspaces {
		if w.ID == id {
			return &w, nil
		}
	}
	return nil, notFound("workspace", id)
}

func (f *fake) RequestWorkspace(_ context.Context, req api.WorkspaceRequest) (*api.Accepted, error) {
	if req.Copy == "payment" {
		return nil, notFound("group", req.Copy)
	}
	f.note("request %s%s for %s of %s count %d", req.Copy, req.Template, req.For, req.Owner, req.Count)
	f.mu.Lock()
	queue := f.queue
	f.mu.Unlock()
	if queue {
		w := workspace("ws-10", req.Owner, "", "copy of "+req.Copy, scheduler.WorkspaceWaiting)
		w.Queue, w.Waits = 2, "no room now: host esx-3 has 2 CPUs and 4 GiB left"
		return &api.Accepted{Workspace: &w}, nil
	}
	if req.Copy == "" {
		return nil, &api.Error{Code: api.CodeRefused, Message: "the site has no room for this, even with nothing lent", Next: "ask for less"}
	}
	return &api.Accepted{Run: "r-13", Workspace: &f.site().Workspaces[0], Plan: lendPlan()}, nil
}

func (f *fake) ReturnWorkspace(ctx context.Context, id, by string) (*api.Accepted, error) {
	f.note("return %s by %s", id, by)
	w, err := f.Workspace(ctx, id)
	if err != nil {
		return nil, err
	}
	if id == "ws-9" {
		w.Gone, w.State = true, scheduler.WorkspaceGone
		return &api.Accepted{Workspace: w, Already: "workspace ws-9 was only waiting: its request is withdrawn"}, nil
	}
	w.State = scheduler.WorkspaceReturning
	return &api.Accepted{Workspace: w, Already: "its return is noted: run r-12 works on the same machines"}, nil
}

func (f *fake) ExtendWorkspace(ctx context.Context, id string, req api.ExtendRequest) (*api.Workspace, error) {
	f.note("extend %s by %s, %s", id, req.For, req.By)
	w, err := f.Workspace(ctx, id)
	if err != nil {
		return nil, err
	}
	if w.Ends.IsZero() {
		return nil, &api.Error{Code: api.CodeRefused, Message: "workspace " + id + " waits in the queue: its lease begins when it is lent", Next: "to ask for another time: hotspare workspace return " + id}
	}
	w.Ends = w.Ends.Add(req.For)
	return w, nil
}

func (f *fake) Groups(context.Context) ([]api.Group, error) { return f.site().Groups, nil }

func (f *fake) Group(_ context.Context, name string) (*api.Group, error) {
	for _, g := range f.site().Groups {
		if g.Name == name {
			return &g, nil
		}
	}
	return nil, notFound("group", name)
}

func (f *fake) Plan(ctx context.Context, req api.PlanRequest) (*api.Accepted, error) {
	if _, err := f.Group(ctx, req.Group); err != nil {
		return nil, err
	}
	switch req.Verb {
	case scheduler.Failover:
		return &api.Accepted{Plan: failoverPlan(req.DeclaredDeadBy)}, nil
	case scheduler.Revert:
		return &api.Accepted{Plan: revertPlan(req.Writes)}, nil
	}
	return &api.Accepted{Run: "r-12", Already: req.Group + " is failed over already, by run r-12"}, nil
}

func (f *fake) Begin(ctx context.Context, req api.PlanRequest) (*api.Accepted, error) {
	dead := ""
	if req.DeclaredDeadBy != "" {
		dead = ", declared dead by " + req.DeclaredDeadBy
	}
	f.note("begin %s %s by %s%s", req.Verb, req.Group, req.By, dead)
	accepted, err := f.Plan(ctx, req)
	if err != nil {
		return nil, err
	}
	if accepted.Plan != nil && accepted.Plan.Missing != "" {
		if req.Verb == scheduler.Revert {
			return accepted, nil
		}
		return nil, &api.Error{Code: api.CodeWaits, Message: "nobody has declared production of payments dead", Next: "once it cannot write any more: hotspare failover payments --declared-dead-by NAME"}
	}
	switch {
	case req.Verb == scheduler.Revert:
		accepted.Run = "r-14"
	case req.Verb == scheduler.Failover:
		accepted.Run = "r-12"
	case f.site().Groups[0].State == scheduler.GroupProduces: // already
	case req.Group == "payments": // ends held
		accepted = &api.Accepted{Run: "r-15", Plan: heldRun().Run.Plan}
	case req.Group == "orders": // goes on
		accepted = &api.Accepted{Run: "r-16", Plan: goingRun().Run.Plan}
	case req.Group == "reports": // is taken over
		accepted = &api.Accepted{Run: "r-17", Plan: takenRun().Run.Plan}
	}
	return accepted, nil
}

func (f *fake) Runs(_ context.Context, ended bool) ([]api.RunLine, error) {
	lines := slices.Clone(f.site().Runs)
	if ended {
		lines = append(lines, failoverRuns()[2].RunLine)
	}
	return lines, nil
}

// history is what a watcher of a run is shown.
func history(id string) []*api.Run {
	return map[string][]*api.Run{"r-12": failoverRuns(), "r-13": {lendRun()}, "r-14": {revertRun()},
		"r-15": {heldRun()}, "r-16": {goingRun()}, "r-17": {takenRun()}}[id]
}

func (f *fake) Run(_ context.Context, id string) (*api.Run, error) {
	if all := history(id); len(all) > 0 {
		return all[len(all)-1], nil
	}
	return nil, notFound("run", id)
}

func (f *fake) WatchRun(ctx context.Context, id string, send func(*api.Run) error) error {
	for _, run := range history(id) {
		if err := send(run); err != nil {
			return err
		}
		if run.Over() {
			return nil
		}
	}
	f.once.Do(func() { close(f.watched) })
	<-ctx.Done()
	return ctx.Err()
}

func (f *fake) RetryStep(_ context.Context, run string, step int, req api.StepRequest) error {
	if len(history(run)) == 0 {
		return notFound("run", run)
	}
	f.note("retry %s %d by %s", run, step, req.By)
	return nil
}

func (f *fake) SkipStep(_ context.Context, run string, step int, req api.StepRequest) error {
	f.note("skip %s %d by %s: %s", run, step, req.By, req.Reason)
	return nil
}

func (f *fake) Drivers(context.Context) ([]api.Driver, error) { return f.site().Drivers, nil }

func (f *fake) CheckDriver(_ context.Context, cluster string) (*api.DriverCheck, error) {
	for _, d := range f.site().Drivers {
		if d.Cluster == cluster {
			return driverCheck(d), nil
		}
	}
	return nil, notFound("cluster", cluster)
}

func (f *fake) Hosts(context.Context) ([]api.Host, error) { return hostsOf(f.site()), nil }

func (f *fake) DrainHost(_ context.Context, name string, req api.HostRequest) (*api.Host, error) {
	f.note("drain %s of %s by %s: %s", name, req.Cluster, req.By, req.Reason)
	for _, h := range hostsOf(f.site()) {
		if h.Name == name {
			h.State, h.Drained = api.HostDrained, &scheduler.Drained{Cluster: h.Cluster, Host: name, By: req.By, Reason: req.Reason, Since: scriptNow}
			return &h, nil
		}
	}
	return nil, notFound("host", name)
}

func (f *fake) ResumeHost(_ context.Context, name string, req api.HostRequest) (*api.Host, error) {
	f.note("resume %s of %s by %s", name, req.Cluster, req.By)
	for _, h := range hostsOf(f.site()) {
		if h.Name == name && h.Drained != nil {
			h.State, h.Drained, h.Free = api.HostConnected, nil, h.Capacity
			return &h, nil
		}
	}
	return nil, notFound("host", name)
}

func (f *fake) Drifts(context.Context) ([]api.Drift, error) { return driftsOf(f.site()), nil }

func (f *fake) PutBackDrift(_ context.Context, id string, req api.DriftRequest) (*api.Accepted, error) {
	f.note("put back %s by %s", id, req.By)
	if id != "d-3" && id != "pay-db-01 nic ethernet0" {
		return nil, notFound("drift", id)
	}
	return &api.Accepted{Run: "r-13", Plan: lendPlan()}, nil
}

func (f *fake) AcceptDrift(_ context.Context, id string, req api.DriftRequest) (*api.Accepted, error) {
	f.note("accept %s as %s by %s", id, req.As, req.By)
	if id != "d-3" {
		return nil, notFound("drift", id)
	}
	return &api.Accepted{Already: "PG-LAB of pay-db-01 nic ethernet0 is accepted as the value of its layer"}, nil
}

var _ api.Service = (*fake)(nil)
