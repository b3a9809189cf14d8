package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// Patience is how long a server is waited for that went away, or was just started: its runs
// are resumed when it is there.
const Patience = 60 * time.Second

// watcher is shown a run that is followed.
type watcher interface {
	Show(run *api.Run)
	Tick(now time.Time)
	Lost(err error) // the server went away; it is tried again
	Back()          // and is back
	Close()         // it is no longer watched
}

// interrupted is the error of a person who stopped waiting.
type interrupted struct{ told *api.Error }

// Error gives what the person is told.
func (e *interrupted) Error() string { return e.told.Error() }

// Unwrap gives the API's form.
func (e *interrupted) Unwrap() error { return e.told }

// follow waits until a run is over, also through restarts of the server, and gives it as
// it then is. A run that another takes over for the same end is followed there.
func (a *app) follow(ctx context.Context, id string, w watcher) (*api.Run, error) {
	defer w.Close()
	for {
		run, err := a.followOne(ctx, id, w)
		if err != nil {
			return nil, err
		}
		next := render.TakenOverBy(run)
		if next == "" {
			return run, nil
		}
		successor, err := a.service().Run(ctx, next)
		if err != nil {
			return nil, fmt.Errorf("%s was taken over by %s: %w", id, next, err)
		}
		if !sameEnd(run, successor) {
			return run, nil
		}
		w.Show(run)
		if f, ok := w.(interface{ Follow(from, to string) }); ok {
			f.Follow(id, next)
		}
		id = next
	}
}

// sameEnd reports whether the successor does what the run was for.
func sameEnd(run, successor *api.Run) bool {
	a, b := run.Run.Plan, successor.Run.Plan
	if a.Group != b.Group || a.Workspace != b.Workspace {
		return false
	}
	return a.Verb == b.Verb || a.Verb == scheduler.Reclaim && b.Verb == scheduler.Failover
}

func (a *app) followOne(ctx context.Context, id string, w watcher) (*api.Run, error) {
	var lost time.Time
	for {
		last, err := a.watchOnce(ctx, id, w, &lost)
		switch {
		case last != nil && last.Over():
			return last, nil
		case ctx.Err() != nil:
			return nil, &interrupted{&api.Error{Code: api.CodeFailed,
				Message: fmt.Sprintf("stopped waiting; run %s goes on at the server", id),
				Next:    "to watch it: hotspare run watch " + id}}
		case err != nil && !comesBack(err):
			return nil, err
		case err == nil:
			err = errors.New("the server closed the connection")
		}
		now := a.Clock.Now()
		if lost.IsZero() {
			lost = now
			w.Lost(err)
		}
		if now.Sub(lost) >= Patience {
			return nil, &api.Error{Code: api.CodeFailed,
				Message: fmt.Sprintf("the server was away for %s (%s); run %s is resumed when it is back", render.Age(Patience), err, id),
				Next:    "then: hotspare run watch " + id}
		}
		a.Clock.Pause(ctx, time.Second)
	}
}

// comesBack reports whether trying again may help: the server could not be reached, or
// is on its way down or up.
func comesBack(err error) bool {
	var e *api.Error
	return !errors.As(err, &e) || e.Code == api.CodeFailed
}

// watchOnce watches over one connection, and gives the last that it saw.
func (a *app) watchOnce(ctx context.Context, id string, w watcher, lost *time.Time) (*api.Run, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	updates, ended := make(chan *api.Run), make(chan error, 1)
	go func() {
		ended <- a.service().WatchRun(ctx, id, func(run *api.Run) error {
			select {
			case updates <- run:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	var last *api.Run
	tick := a.Clock.Tick(time.Second)
	for {
		select {
		case last = <-updates:
			if !lost.IsZero() {
				*lost = time.Time{}
				w.Back()
			}
			w.Show(last)
		case now := <-tick:
			w.Tick(now)
			tick = a.Clock.Tick(time.Second)
		case err := <-ended:
			return last, err
		case <-ctx.Done():
			return last, ctx.Err()
		}
	}
}
