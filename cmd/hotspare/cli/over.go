package cli

import (
	"context"
	"time"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// progressFor is who is shown a run: a person, or nobody where a program waits for the
// answer.
func (a *app) progressFor(page *render.Page) watcher {
	if a.output == outputJSON {
		return silent{}
	}
	return &person{page: page, progress: render.NewProgress(page)}
}

// person writes progress for people.
type person struct {
	page     *render.Page
	progress *render.Progress
}

// Show, Tick, Lost, Back and Follow make it a watcher.
func (p *person) Show(run *api.Run) { p.progress.Show(run) }

// Tick writes a summary now and then.
func (p *person) Tick(now time.Time) { p.progress.Tick(now) }

// Lost says once that the server went away.
func (p *person) Lost(err error) {
	p.page.Line(render.Alarm, "The server went away (%s). The run is resumed when it is back; trying again for %s.", err, render.Age(Patience))
}

// Back says that the server is back.
func (p *person) Back() { p.page.Line(render.Strong, "The server is back.") }

// Close takes away what is only there while it is watched.
func (p *person) Close() { p.page.Foot() }

// Follow says that another run goes on with it.
func (p *person) Follow(from, to string) {
	p.page.Line(render.Strong, "%s was taken over by %s, which goes on with it.", from, to)
	p.progress = render.NewProgress(p.page)
}

// silent waits for a program.
type silent struct{}

// Show does nothing.
func (silent) Show(*api.Run) {}

// Tick does nothing.
func (silent) Tick(time.Time) {}

// Lost does nothing.
func (silent) Lost(error) {}

// Back does nothing.
func (silent) Back() {}

// Close does nothing.
func (silent) Close() {}

// over tells how a run ended, and gives the exit code as an error.
func (a *app) over(ctx context.Context, page *render.Page, run *api.Run) error {
	if a.output == outputJSON {
		if err := a.json(run); err != nil {
			return err
		}
		return outcome(run)
	}
	render.NewProgress(page).End(run, a.keptBy(ctx, run))
	if run.Verb == scheduler.Lend && run.State == string(scheduler.RunDone) {
		if w, err := a.service().Workspace(ctx, run.Run.Plan.Workspace); err == nil {
			render.Workspace(page, w, a.Clock.Now())
		}
	}
	if err := page.Err(); err != nil {
		return err
	}
	return outcome(run)
}

// keptBy lists the volumes that a run left, by name.
func (a *app) keptBy(ctx context.Context, run *api.Run) []api.Kept {
	if run.State != string(scheduler.RunDone) || run.Verb != scheduler.Revert && run.Verb != scheduler.Return {
		return nil
	}
	status, err := a.service().Status(ctx)
	if err != nil {
		return nil // they are in hotspare status, once it answers
	}
	var mine []api.Kept
	for _, k := range status.Kept {
		ofWorkspace := k.Name == run.Run.Plan.Workspace
		ofGroup := k.Until.IsZero() && k.Group == run.Run.Plan.Group && !k.Since.Before(run.Accepted)
		if ofWorkspace || ofGroup {
			mine = append(mine, k)
		}
	}
	return mine
}

// outcome gives the exit code of a run that is over. A lend that was taken over waits for
// room; any other did not do what was asked.
func outcome(run *api.Run) error {
	switch {
	case run.State == string(scheduler.RunDone):
		return nil
	case render.TakenOverBy(run) == "" || run.Verb == scheduler.Lend || run.Verb == scheduler.Return:
		return &exit{ExitHeld}
	default:
		return &exit{ExitFailed}
	}
}
