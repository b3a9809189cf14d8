package plugin

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// State is what a supervised driver is doing.
type State string

// The states of a supervised driver.
const (
	Ready        State = "ready"        // calls go through
	Relaunching  State = "relaunching"  // its process died, and is launched again
	Unconfigured State = "unconfigured" // it runs, and refuses the configuration that it had
	Closed       State = "closed"
)

// Status is how a supervised driver is.
type Status struct {
	State     State
	PID       int // of the process that runs; 0: none
	Restarts  int // since Supervise
	LastError error
	Since     time.Time // when State began
}

// configureTimeout bounds how long a relaunched driver may take to accept the
// configuration that it had.
const configureTimeout = 30 * time.Second

// longLife is how long a process must have run for its end to count as the first one.
const longLife = time.Minute

// Supervisor is a driver whose process is launched again when it dies, and configured
// again. A call that was in flight then returns Unavailable: its caller applies again. A
// call that comes meanwhile waits for Config.Patience at most.
type Supervisor struct {
	config Config
	stop   context.CancelFunc
	ended  chan struct{}

	// configuring holds a token while a process is configured, so that no other
	// configuration slips in between.
	configuring chan struct{}

	mu            sync.Mutex
	process       *Process // nil: none runs
	configuration *drivers.Configuration
	status        Status
	changed       chan struct{} // closed, and made anew, when process or status changes
}

var _ drivers.Driver = (*Supervisor)(nil)

// Supervise launches a driver and keeps it running until Close. It returns the error of
// the first launch, which no relaunch would mend; ctx is for that launch only.
func Supervise(ctx context.Context, config Config) (*Supervisor, error) {
	config = config.withDefaults()
	first, err := Launch(ctx, config)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.Background())
	s := &Supervisor{config: config, stop: stop, ended: make(chan struct{}), changed: make(chan struct{}), configuring: make(chan struct{}, 1)}
	s.set(first, Ready, nil)
	go s.run(running, first)
	return s, nil
}

// Status tells how the driver is now.
func (s *Supervisor) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.status
	if s.process != nil {
		status.PID = s.process.PID()
	}
	return status
}

// Close ends the driver's process. Calls in flight, and all later ones, return
// Unavailable.
func (s *Supervisor) Close() {
	s.stop()
	<-s.ended
}

func (s *Supervisor) set(p *Process, state State, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state != s.status.State {
		s.status.State, s.status.Since = state, time.Now()
	}
	if err != nil {
		s.status.LastError = err
	}
	s.process = p
	close(s.changed)
	s.changed = make(chan struct{})
}

// run keeps a process running until ctx ends.
func (s *Supervisor) run(ctx context.Context, p *Process) {
	defer close(s.ended)
	failures := 0
	for {
		began := time.Now()
		s.attend(ctx, p)
		if ctx.Err() != nil {
			p.Kill(errors.New("closed"))
			s.set(nil, Closed, nil)
			return
		}
		if time.Since(began) > longLife {
			failures = 0
		}
		s.set(nil, Relaunching, p.Err())
		s.config.Logger.Error("the driver's process ended, and is launched again", "driver", s.config.Binary, "pid", p.PID(), "error", p.Err())
		for p = nil; p == nil; failures++ {
			if err := pause(ctx, s.backoff(failures)); err != nil {
				s.set(nil, Closed, nil)
				return
			}
			launched, err := Launch(ctx, s.config)
			if err != nil {
				s.set(nil, Relaunching, err)
				s.config.Logger.Error("the driver cannot be launched", "driver", s.config.Binary, "error", err)
				continue
			}
			p = launched
		}
		s.set(p, Relaunching, nil)
		s.mu.Lock()
		s.status.Restarts++
		s.mu.Unlock()
	}
}

// attend configures a process and waits for its end, or that of ctx.
func (s *Supervisor) attend(ctx context.Context, p *Process) {
	for failures := 0; ; failures++ {
		err := s.configureAgain(ctx, p)
		if err == nil {
			break
		}
		s.config.Logger.Error("the relaunched driver refuses its configuration", "driver", s.config.Binary, "error", err)
		select {
		case <-p.Done():
			return
		case <-ctx.Done():
			return
		case <-time.After(s.backoff(failures)):
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
		ctx, cancel := context.WithTimeout(ctx, configureTimeout)
		defer cancel()
		if err := p.Configure(ctx, *configuration); err != nil {
			s.set(p, Unconfigured, err)
			return err
		}
	}
	s.set(p, Ready, nil)
	return nil
}

func (s *Supervisor) backoff(failures int) time.Duration {
	d := s.config.BackoffFirst
	for range failures {
		if d *= 2; d >= s.config.BackoffMost {
			return s.config.BackoffMost
		}
	}
	return d
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
