package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

func newPlanCommand(a *app) *cobra.Command {
	return noun(&cobra.Command{
		Use:   "plan",
		Short: "What a reclaim, failover or revert would do",
		Long: `Show what a reclaim, failover or revert of a protection group would do now: victims, restore
point, every step with what it waits for, and what cannot be taken back. It changes nothing.`,
		Example: "  hotspare plan failover payments",
	}, newPlanOf(a, scheduler.Reclaim), newPlanOf(a, scheduler.Failover), newPlanOf(a, scheduler.Revert))
}

// newPlanOf makes the command that shows the plan of a verb. It takes the flags of the
// verb, so that the plan shown is the plan that would run.
func newPlanOf(a *app, verb scheduler.Verb) *cobra.Command {
	ask := &ask{verb: verb}
	c := command(&cobra.Command{
		Use:               string(verb) + " GROUP" + ask.usage(true),
		Short:             "Show the plan of a " + string(verb) + "; changes nothing",
		Long:              "Show the plan that `hotspare " + string(verb) + "` would run with the same flags. It changes nothing.",
		Example:           strings.ReplaceAll(ask.examples(), "hotspare ", "hotspare plan "),
		Args:              usage(cobra.ExactArgs(1), "one GROUP"),
		ValidArgsFunction: a.completeGroup,
		RunE: func(c *cobra.Command, args []string) error {
			req, err := ask.request(c, a, args[0])
			if err != nil {
				return err
			}
			accepted, err := a.service().Plan(c.Context(), req)
			if err != nil {
				return err
			}
			return a.showPlan(c.Context(), accepted, ask.command(args[0]))
		},
	})
	ask.flags(c)
	return c
}

func (a *app) showPlan(ctx context.Context, accepted *api.Accepted, command string) error {
	if a.output == outputJSON {
		return a.json(accepted)
	}
	page := a.page()
	if accepted.Already != "" {
		page.Line(render.Plain, "Nothing to plan: %s. Nothing has been changed.", accepted.Already)
	}
	if accepted.Plan != nil {
		view := a.view(ctx, accepted.Plan)
		view.Command = command
		render.Plan(page, view)
	}
	return page.Err()
}

// view adds what helps to read a plan. A person reads it without, where it cannot be had.
func (a *app) view(ctx context.Context, plan *scheduler.Plan) render.PlanView {
	view := render.PlanView{Plan: plan}
	var groupErr, workspacesErr error
	if plan.Group != "" {
		view.Group, groupErr = a.service().Group(ctx, plan.Group)
	}
	if len(plan.Victims)+len(plan.Returning) > 0 {
		view.Workspaces, workspacesErr = a.service().Workspaces(ctx, true)
	}
	if errors.Join(groupErr, workspacesErr) != nil {
		view.Partial = errors.Join(groupErr, workspacesErr).Error()
	}
	return view
}
