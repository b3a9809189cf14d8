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
		failure := &drivers.Error{Kind: drivers.Unavailable, Op: op + " by", Object: "driver " + s.config.Binary, Cause: fmt.Errorf("it is %s", status.State)}
		switch status.State {
		case Closed:
			return nil, failure
		case Held:
			failure.Cause = status.LastError
			if held := (*drivers.Error)(nil); errors.As(status.LastError, &held) {
				failure.Cause, failure.Next = held.Cause, held.Next
			}
			return nil, failure
		}
		select {
		case <-changed:
			continue
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-patience.C:
		}
		if status.LastError != nil {
			failure.Cause = fmt.Errorf("it is %s: %w", status.State, status.LastError)
		}
		return nil, failure
	}
}

// outcome notes what a call to a process proves, and gives its error: why the process
// ended, where that is what broke the call off.
func (s *Supervisor) outcome(p *Process, err error) error {
	if err == nil {
		s.mu.Lock()
		s.status.Proven = time.Now()
		s.mu.Unlock()
		return nil
	}
	var e *drivers.Error
	if why := p.Err(); why != nil && errors.As(err, &e) && e.Kind == drivers.Unavailable && e.Next == "" {
		return &drivers.Error{Kind: drivers.Unavailable, Op: e.Op, Object: e.Object, Cause: fmt.Errorf("the driver failed: %w", why)}
	}
	return err
}

// work is outcome for a call that does what drivers are for.
func (s *Supervisor) work(p *Process, err error) error {
	if err == nil {
		p.worked.Store(true)
	}
	return s.outcome(p, err)
}

// Describe is [drivers.Driver]'s.
func (s *Supervisor) Describe(ctx context.Context) (drivers.Description, error) {
	p, err := s.running(ctx, "describe", true)
	if err != nil {
		return drivers.Description{}, err
	}
	d, err := p.Describe(ctx)
	if err != nil {
		return d, s.outcome(p, err)
	}
	s.alive(p) // one without a configuration is not ready
	return d, nil
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
			err = s.outcome(p, p.Health(ctx, func(h drivers.Health) error {
				if h.OK {
					s.alive(p)
				}
				return relay(h)
			}))
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
		if err := s.nextTry(ctx); err != nil {
			return err
		}
	}
}

// nextTry waits until a call has a chance again: a little while, and, where the driver is
// held, until something changes, or it is time to report that again.
func (s *Supervisor) nextTry(ctx context.Context) error {
	s.mu.Lock()
	held, changed := s.status.State == Held, s.changed
	s.mu.Unlock()
	wait := s.config.BackoffFirst
	if held {
		wait = max(wait, s.config.Patience)
	} else {
		changed = nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Inventory is [drivers.Driver]'s.
func (s *Supervisor) Inventory(ctx context.Context, request drivers.InventoryRequest, item func(drivers.Item) error) error {
	p, err := s.running(ctx, "inventory", false)
	if err != nil {
		return err
	}
	return s.work(p, p.Inventory(ctx, request, item))
}

// Observe is [drivers.Driver]'s.
func (s *Supervisor) Observe(ctx context.Context, property drivers.Property) (drivers.Value, error) {
	p, err := s.running(ctx, "observe "+property.Label()+" of "+property.Target, false)
	if err != nil {
		return drivers.Value{}, err
	}
	v, err := p.Observe(ctx, property)
	return v, s.work(p, err)
}

// Apply is [drivers.Driver]'s.
func (s *Supervisor) Apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	p, err := s.running(ctx, "set "+c.Property.Label()+" of "+c.Property.Target, false)
	if err != nil {
		return drivers.Value{}, err
	}
	v, err := p.Apply(ctx, c, progress)
	return v, s.work(p, err)
}
