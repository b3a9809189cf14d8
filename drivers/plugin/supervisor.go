package plugin

import (
	"context"
	"errors"
	"fmt"
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
	Held         State = "held"         // it failed again and again; it is tried slowly, and on demand
	Closed       State = "closed"
)

// Status is how a supervised driver is.
type Status struct {
	State    State
	PID      int // of the process that runs; 0: none
	Restarts int // since Supervise
	// LastError is why the last process ended, was not launched or not configured. Where
	// the driver is held, it says why and what a person can do. It stays when the driver
	// is ready again.
	LastError error
	Since     time.Time // when State began
	// Proven is when the driver proved last that it was ready: a call that succeeded, or,
	// once it was configured, a sign of life.
	Proven time.Time
	// Next is when it is launched or configured again, where it waits for that.
	Next time.Time
}

// longLife is how long a process must have run for its end to count as the first one.
const longLife = time.Minute

// Supervisor is a driver whose process is launched again when it dies, and configured
// again. A call that was in flight then returns Unavailable: its caller applies again. A
// call that comes meanwhile waits for Config.Patience at most; while the driver is held,
// it fails at once, with the reason.
type Supervisor struct {
	config Config
	stop   context.CancelFunc
	ended  chan struct{}
	retry  chan struct{} // holds a token when somebody asked for it

	// configuring holds a token while a process is configured, so that no other
	// configuration slips in between.
	configuring chan struct{}

	mu            sync.Mutex
	process       *Process // nil: none runs
	configuration *drivers.Configuration
	status        Status
	changed       chan struct{} // closed, and made anew, when process or status changes

	// Of run alone.
	name     string // the driver's own, from its first launch
	version  string // of the last process
	failures failures
	ends     int // processes in a row that ended soon, and launches that failed: for the backoff
}

var _ drivers.Driver = (*Supervisor)(nil)

// Supervise launches a driver and keeps it running until Close. It returns the error of
// the first launch, which no relaunch would mend; ctx is for that launch only.
func Supervise(ctx context.Context, config Config) (*Supervisor, error) {
	config = config.withDefaults()
	s := &Supervisor{
		config: config, ended: make(chan struct{}), retry: make(chan struct{}, 1),
		changed: make(chan struct{}), configuring: make(chan struct{}, 1),
		failures: failures{after: config.HoldAfter, within: config.HoldWithin},
	}
	first, err := launch(ctx, config, s.alive)
	if err != nil {
		return nil, err
	}
	s.name, s.version = first.description.Driver, first.description.Version
	running, stop := context.WithCancel(context.Background())
	s.stop = stop
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

// Retry launches or configures the driver now, where it waits to be tried again.
func (s *Supervisor) Retry() {
	select {
	case s.retry <- struct{}{}:
	default: // it was asked already
	}
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
	s.setLocked(p, state, err)
}

func (s *Supervisor) setLocked(p *Process, state State, err error) {
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

// alive notes a sign of life of a process.
func (s *Supervisor) alive(p *Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == p && s.status.State == Ready && s.configuration != nil {
		s.status.Proven = time.Now()
	}
}

// run keeps a process running until ctx ends.
func (s *Supervisor) run(ctx context.Context, p *Process) {
	defer close(s.ended)
	for p != nil {
		began := time.Now()
		s.attend(ctx, p)
		if ctx.Err() != nil {
			p.Kill(errors.New("its supervisor was closed"))
			break
		}
		lasted := time.Since(began) > longLife
		if lasted {
			s.ends = 0
		}
		worked := lasted || p.worked.Load()
		if worked {
			s.failures.clear()
		}
		s.failed(&drivers.Error{
			Kind: drivers.Unavailable, Op: "run driver", Object: s.config.Binary, Cause: p.Err(), Next: "look at the driver's log",
		}, !worked)
		p = s.relaunch(ctx)
	}
	s.set(nil, Closed, nil)
}

// failed notes that no process runs, and decides whether the driver is held.
func (s *Supervisor) failed(err error, counts bool) {
	select {
	case <-s.retry: // asked before this failure, and done
	default:
	}
	state, message := Relaunching, "the driver failed, and is launched again"
	if counts && s.failures.add(err, time.Now()) {
		state, message = Held, "the driver is held"
		err = s.failures.reason(s.config.Binary, err, s.config.HeldEvery)
	}
	s.set(nil, state, err)
	s.config.Logger.Error(message, "driver", s.config.Binary, "error", err)
}

// relaunch gives a new process, nil when ctx has ended.
func (s *Supervisor) relaunch(ctx context.Context) *Process {
	for ; ; s.ends++ {
		wait := s.backoff(s.ends)
		if s.failures.held {
			wait = s.config.HeldEvery
		}
		if s.wait(ctx, wait, nil); ctx.Err() != nil {
			return nil
		}
		p, err := launch(ctx, s.config, s.alive)
		if err == nil {
			err = s.recognize(p)
		}
		switch {
		case ctx.Err() != nil:
			if p != nil {
				p.Kill(ctx.Err())
			}
			return nil
		case err != nil:
			s.failed(err, true)
			continue
		}
		s.mu.Lock()
		state := s.status.State // a held driver is so until it is ready
		s.status.Restarts++
		s.mu.Unlock()
		s.set(p, state, nil)
		s.ends++
		return p
	}
}

// recognize kills a process that is another driver than the first one was.
func (s *Supervisor) recognize(p *Process) error {
	if name := p.description.Driver; name != s.name {
		err := launchError(s.config.Binary, drivers.Refused,
			fmt.Errorf("it says now that it is driver %q, and was %q when it was launched first", name, s.name),
			"install driver "+s.name+" there, or start hotspare again with the driver that is wanted")
		p.Kill(err)
		return err
	}
	if version := p.description.Version; version != s.version {
		s.config.Logger.Warn("the driver has another version since it was launched again", "driver", s.config.Binary, "before", s.version, "now", version)
		s.version = version
	}
	return nil
}

// wait waits to try again: for a time, until Retry, the end of a process, or that of ctx.
func (s *Supervisor) wait(ctx context.Context, d time.Duration, done <-chan struct{}) {
	s.next(time.Now().Add(d))
	defer s.next(time.Time{})
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.retry:
	case <-done:
	case <-ctx.Done():
	}
}

func (s *Supervisor) next(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Next = at
}

// backoff gives the time before the next try after so many.
func (s *Supervisor) backoff(tries int) time.Duration {
	d := s.config.BackoffFirst
	for range tries {
		if d *= 2; d >= s.config.BackoffMost {
			return s.config.BackoffMost
		}
	}
	return d
}
