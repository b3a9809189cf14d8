package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

func newReclaimCommand(a *app) *cobra.Command {
	return newBegin(a, scheduler.Reclaim, "Take back the room that a group needs; its VMs at standby",
		`Bring a protection group's VMs back to standby, and free the room that they need: the
workspaces in the way go down. Nothing is deleted, and a revert brings them back. Production is
not started.`)
}

func newFailoverCommand(a *app) *cobra.Command {
	return newBegin(a, scheduler.Failover, "Start production of a group here",
		`Start production on a protection group's standby VMs: take back the room, promote the replicas,
swap disks and networks, start in order, and check until the services are ready.

It needs the word of a person, by name, that production cannot write any more at its own site:
--declared-dead-by. Without it nothing is changed, and the exit code is 3.`)
}

func newRevertCommand(a *app) *cobra.Command {
	return newBegin(a, scheduler.Revert, "Take back all that was done for a group",
		`Take back all that was done for a protection group: production here goes off, disks, networks
and replicas go back, and the workspaces come back where there is room.

Where production wrote here a person says, by name, what becomes of it: --writes kept (it stays
here by name) or --writes home (it was brought home).`)
}

// newBegin makes the command that runs a verb.
func newBegin(a *app, verb scheduler.Verb, short, long string) *cobra.Command {
	ask, wait := &ask{verb: verb}, true
	c := command(&cobra.Command{
		Use:   string(verb) + " GROUP" + ask.usage(false),
		Short: short,
		Long: long + `

To read the plan first: hotspare plan ` + string(verb) + " GROUP",
		Example:           ask.examples(),
		Args:              usage(cobra.ExactArgs(1), "one GROUP"),
		ValidArgsFunction: a.completeGroup,
		RunE: func(c *cobra.Command, args []string) error {
			req, err := ask.request(c, a, args[0])
			if err != nil {
				return err
			}
			accepted, err := a.service().Begin(c.Context(), req)
			if err != nil {
				return unsure(c.Context(), err)
			}
			return a.begun(c.Context(), accepted, wait)
		},
	})
	ask.flags(c)
	waitFlag(c, &wait)
	return c
}

func waitFlag(c *cobra.Command, wait *bool) {
	c.Flags().BoolVar(wait, "wait", true, "wait until the run is over; --wait=false returns at once")
}

// unsure is the error of a request that was cut off: nobody knows whether it arrived.
func unsure(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return &interrupted{&api.Error{Code: api.CodeFailed, Message: "interrupted before the server answered: it may have begun", Next: "see: hotspare run list"}}
}

// begun tells what a request began, and waits for it.
func (a *app) begun(ctx context.Context, accepted *api.Accepted, wait bool) error {
	people := a.output == outputTable
	page := a.page()
	if people {
		if accepted.Already != "" {
			page.Line(render.Plain, "No new run: %s.", accepted.Already)
		}
		if accepted.Plan != nil {
			page.Line(render.Strong, "%s", render.PlanSummary(accepted.Plan))
		}
	}
	switch {
	case accepted.Run == "":
		return a.notBegun(page, accepted)
	case !wait:
		if !people {
			return a.json(accepted)
		}
		page.Line(render.Plain, "It runs. To watch it: hotspare run watch %s", accepted.Run)
		return page.Err()
	}
	if accepted.Already != "" {
		run, err := a.service().Run(ctx, accepted.Run)
		if err != nil {
			return err
		}
		if run.Over() { // what it did was told when it ran
			return a.over(ctx, page, run)
		}
	}
	run, err := a.follow(ctx, accepted.Run, a.progressFor(page))
	if err != nil {
		return err
	}
	return a.over(ctx, page, run)
}

// notBegun tells why an accepted request runs nothing now.
func (a *app) notBegun(page *render.Page, accepted *api.Accepted) error {
	w, missing := accepted.Workspace, accepted.Plan != nil && accepted.Plan.Missing != ""
	waits := missing || w != nil && w.State != scheduler.WorkspaceGone
	if a.output == outputJSON {
		if err := a.json(accepted); err != nil {
			return err
		}
	} else {
		switch {
		case missing:
			page.Line(render.Alarm, "Nothing has been changed: %s", accepted.Plan.Missing)
		case w != nil && waits && w.State == scheduler.WorkspaceWaiting:
			render.Queued(page, w)
		case w != nil && waits:
			page.Line(render.Plain, "%s is %s; it goes on by itself: hotspare workspace show %s", w.ID, w.State, w.ID)
		}
	}
	if err := page.Err(); err != nil || !waits {
		return err
	}
	return &exit{ExitHeld}
}
