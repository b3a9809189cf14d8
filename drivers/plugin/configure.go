package plugin

import (
	"context"
	"fmt"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

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
	if err := s.outcome(p, s.configure(ctx, p, c)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.configuration = &c
	if s.process == p { // it has not died meanwhile
		s.setLocked(p, Ready, nil)
	}
	return nil
}

// configure configures a process within ConfigureTimeout. One that gives no answer may be
// stuck for good, and is killed: nothing of what hangs is left.
func (s *Supervisor) configure(ctx context.Context, p *Process, c drivers.Configuration) error {
	bounded, cancel := context.WithTimeout(ctx, s.config.ConfigureTimeout)
	defer cancel()
	err := p.Configure(bounded, c)
	if err == nil || over(ctx, err) || !over(bounded, err) {
		return err
	}
	p.Kill(fmt.Errorf("it gave no answer to configure within %s; it was killed", s.config.ConfigureTimeout))
	return &drivers.Error{
		Kind: drivers.Unavailable, Op: "configure", Object: "cluster " + c.Cluster,
		Cause: fmt.Errorf("driver %s gave no answer within %s", s.config.Binary, s.config.ConfigureTimeout),
		Next:  "look whether the cluster answers this machine; the driver is launched again",
	}
}

// attend configures a process and waits for its end, or that of ctx.
func (s *Supervisor) attend(ctx context.Context, p *Process) {
	for tries := 0; ; tries++ {
		err := s.configureAgain(ctx, p)
		if err == nil {
			break
		}
		select {
		case <-p.Done():
			return
		default:
		}
		if ctx.Err() != nil {
			return
		}
		s.set(p, Unconfigured, err)
		s.config.Logger.Error("the relaunched driver refuses its configuration", "driver", s.config.Binary, "error", err)
		if s.wait(ctx, s.backoff(tries), p.Done()); ctx.Err() != nil {
			return
		}
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
	}
}

// configureAgain gives a new process the configuration that the last one had, and lets
// calls through.
func (s *Supervisor) configureAgain(ctx context.Context, p *Process) error {
	select {
	case s.configuring <- struct{}{}:
		defer func() { <-s.configuring }()
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	configuration, ready := s.configuration, s.process == p && s.status.State == Ready
	s.mu.Unlock()
	if ready {
		return nil // somebody has configured it meanwhile
	}
	if configuration != nil {
		if err := s.configure(ctx, p, *configuration); err != nil {
			return err
		}
		s.mu.Lock()
		s.status.Proven = time.Now()
		s.mu.Unlock()
	}
	s.set(p, Ready, nil)
	return nil
}
