package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// running gives the process that calls go to, and waits for one for a little while. A
// process that is not configured serves only where unconfigured is true.
func (s *Supervisor) running(ctx context.Context, op string, unconfigured bool) (*Process, error) {
	patience := time.NewTimer(s.config.Patience)
	defer patience.Stop()
	for {
		s.mu.Lock()
		p, status, changed := s.process, s.status, s.changed
		s.mu.Unlock()
		if status.State == Ready || unconfigured && p != nil {
			return p, nil
		}
		gaveUp := status.State == Closed
		if !gaveUp {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-patience.C:
			}
		}
		cause := fmt.Errorf("the driver is %s", status.State)
		if status.LastError != nil && !gaveUp {
			cause = fmt.Errorf("the driver is %s: %w", status.State, status.LastError)
		}
		return nil, &drivers.Error{Kind: drivers.Unavailable, Op: op, Object: "driver " + s.config.Binary, Cause: cause}
	}
}

// Describe is [drivers.Driver]'s.
func (s *Supervisor) Describe(ctx context.Context) (drivers.Description, error) {
	p, err := s.running(ctx, "describe", true)
	if err != nil {
		return drivers.Description{}, err
	}
	return p.Describe(ctx)
}

// Configure is [drivers.Driver]'s. The configuration that succeeded last is given to
// each process that is launched again.
func (s *Supervisor) Configure(ctx context.Context, c drivers.Configuration) error {
	select {
	case s.configuring <- struct{}{}:
		defer func() { <-s.configuring }()
	case <-ctx.Done():
		return ctx.Err()
	}
	p, err := s.running(ctx, "configure", true)
	if err != nil {
		return err
	}
	if err := p.Configure(ctx, c); err != nil {
		return err
	}
	s.mu.Lock()
	s.configuration = &c
	current := s.process == p
	s.mu.Unlock()
	if current {
		s.set(p, Ready, nil)
	}
	return nil
}

// Health is [drivers.Driver]'s. It outlives the driver's process: while there is none it
// reports that, and then goes on with the next one.
func (s *Supervisor) Health(ctx context.Context, report func(drivers.Health) error) error {
	var refused error // by report, which ends it
	relay := func(h drivers.Health) error {
		refused = report(h)
		return refused
	}
	for {
		start := time.Now()
		p, err := s.running(ctx, "health", false)
		if err == nil {
			err = p.Health(ctx, relay)
		}
		switch {
		case refused != nil:
			return refused
		case ctx.Err() != nil:
			return ctx.Err()
		case s.Status().State == Closed, drivers.KindOf(err) == drivers.Invalid:
			return err
		case err == nil:
			err = errors.New("the driver stopped reporting")
		}
		if err := relay(drivers.Health{At: time.Now(), Took: time.Since(start), Error: err.Error()}); err != nil {
			return err
		}
		if err := pause(ctx, s.config.BackoffFirst); err != nil {
			return err
		}
	}
}

// Inventory is [drivers.Driver]'s.
func (s *Supervisor) Inventory(ctx context.Context, request drivers.InventoryRequest, item func(drivers.Item) error) error {
	p, err := s.running(ctx, "inventory", false)
	if err != nil {
		return err
	}
	return p.Inventory(ctx, request, item)
}

// Observe is [drivers.Driver]'s.
func (s *Supervisor) Observe(ctx context.Context, property drivers.Property) (drivers.Value, error) {
	p, err := s.running(ctx, "observe "+property.Label()+" of "+property.Target, false)
	if err != nil {
		return drivers.Value{}, err
	}
	return p.Observe(ctx, property)
}

// Apply is [drivers.Driver]'s.
func (s *Supervisor) Apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	p, err := s.running(ctx, "set "+c.Property.Label()+" of "+c.Property.Target, false)
	if err != nil {
		return drivers.Value{}, err
	}
	return p.Apply(ctx, c, progress)
}
