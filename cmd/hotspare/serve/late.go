package serve

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/plugin"
	"github.com/hotspare/hotspare/scheduler/server"
)

// late is a driver whose first launch may fail: one cluster's bad driver must not keep the
// others' from a reclaim. It is launched when it is described, which the server does again
// and again until that succeeds.
type late struct {
	launch func(context.Context) (*plugin.Supervisor, error)
	body   func([]drivers.Attribute) (json.RawMessage, error)

	mu         sync.Mutex
	supervisor *plugin.Supervisor
	failed     error // the last launch
}

// get gives the supervised driver, launched where it is not yet and launch is set.
func (l *late) get(ctx context.Context, launch bool) (*plugin.Supervisor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.supervisor == nil && launch {
		l.supervisor, l.failed = l.launch(ctx)
	}
	if l.supervisor == nil {
		return nil, &drivers.Error{Kind: drivers.Unavailable, Op: "use the driver", Cause: l.failed}
	}
	return l.supervisor, nil
}

// Describe launches the driver where it does not run yet.
func (l *late) Describe(ctx context.Context) (drivers.Description, error) {
	s, err := l.get(ctx, true)
	if err != nil {
		return drivers.Description{}, err
	}
	return s.Describe(ctx)
}

// Configure checks the cluster's block against what the driver describes, and gives it.
func (l *late) Configure(ctx context.Context, c drivers.Configuration) error {
	s, err := l.get(ctx, true)
	if err != nil {
		return err
	}
	about, err := s.Describe(ctx)
	if err != nil {
		return err
	}
	if c.Body, err = l.body(about.Schema); err != nil {
		return err
	}
	return s.Configure(ctx, c)
}

// Health is the driver's.
func (l *late) Health(ctx context.Context, report func(drivers.Health) error) error {
	s, err := l.get(ctx, false)
	if err != nil {
		return err
	}
	return s.Health(ctx, report)
}

// Inventory is the driver's.
func (l *late) Inventory(ctx context.Context, request drivers.InventoryRequest, item func(drivers.Item) error) error {
	s, err := l.get(ctx, false)
	if err != nil {
		return err
	}
	return s.Inventory(ctx, request, item)
}

// Observe is the driver's.
func (l *late) Observe(ctx context.Context, p drivers.Property) (drivers.Value, error) {
	s, err := l.get(ctx, false)
	if err != nil {
		return drivers.Value{}, err
	}
	return s.Observe(ctx, p)
}

// Apply is the driver's.
func (l *late) Apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	s, err := l.get(ctx, false)
	if err != nil {
		return drivers.Value{}, err
	}
	return s.Apply(ctx, c, progress)
}

// Status tells how the process is.
func (l *late) Status() server.DriverStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.supervisor == nil {
		if l.failed == nil {
			return server.DriverStatus{}
		}
		return server.DriverStatus{Error: l.failed.Error()}
	}
	s := l.supervisor.Status()
	status := server.DriverStatus{PID: s.PID, Restarts: s.Restarts, Held: s.State == plugin.Held, Proven: s.Proven}
	if s.State != plugin.Ready && s.LastError != nil {
		status.Error = s.LastError.Error()
	}
	return status
}

// Retry tries at once to launch a driver that is held.
func (l *late) Retry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.supervisor != nil {
		l.supervisor.Retry()
	}
}

// Close ends the driver's process.
func (l *late) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.supervisor != nil {
		l.supervisor.Close()
	}
}
