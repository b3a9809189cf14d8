package cli

import (
	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

func newRunCommand(a *app) *cobra.Command {
	return noun(&cobra.Command{
		Use:     "run",
		Short:   "Runs: watch them, and decide on held steps",
		Long:    "Look at runs, watch one, and decide on a step that is held for a person: retry it, or skip it with a reason.",
		Example: "  hotspare run watch",
	}, newRunListCommand(a), newRunShowCommand(a), newRunWatchCommand(a), newRunRetryCommand(a), newRunSkipCommand(a))
}

func newRunListCommand(a *app) *cobra.Command {
	ended := false
	c := command(&cobra.Command{
		Use:   "list [--all]",
		Short: "All runs that are not over",
		Long:  "List the runs that are not over. With --all also those that have ended.",
		Example: `  hotspare run list
  hotspare run list --all`,
		Args: usage(cobra.NoArgs, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := a.service().Runs(c.Context(), ended)
			if err != nil {
				return err
			}
			return a.show(all, func(p *render.Page) { render.Runs(p, all, a.Clock.Now()) })
		},
	})
	c.Flags().BoolVar(&ended, "all", false, "also those that have ended")
	return c
}

func newRunShowCommand(a *app) *cobra.Command {
	return command(&cobra.Command{
		Use:               "show RUN",
		Short:             "One run: its plan, and what became of each step",
		Long:              "Show one run: its plan, what became of each step, and the commands that help with those held.",
		Example:           "  hotspare run show r-12",
		Args:              usage(cobra.ExactArgs(1), "one RUN"),
		ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, args []string) error {
			run, err := a.service().Run(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.show(run, func(p *render.Page) {
				render.Run(p, run, a.view(c.Context(), run.Run.Plan), a.Clock.Now())
			})
		},
	})
}

func newRunWatchCommand(a *app) *cobra.Command {
	return command(&cobra.Command{
		Use:   "watch [RUN]",
		Short: "Watch a run until it is over",
		Long: `Watch a run until it is over: one line for each step that ended. Without RUN it is the newest
failover, reclaim or revert that runs, else the newest run. The exit code is that of the run:
0 done, 3 held for a person. With --output json it gives the run as one line of JSON at each
change.`,
		Example: `  hotspare run watch
  hotspare run watch r-12`,
		Args:              usage(cobra.MaximumNArgs(1), "at most one RUN"),
		ValidArgsFunction: a.completeRun,
		RunE:              a.watchRun,
	})
}

func (a *app) watchRun(c *cobra.Command, args []string) error {
	page := a.page()
	if len(args) == 0 {
		all, err := a.service().Runs(c.Context(), false)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return a.show(all, func(p *render.Page) { render.Runs(p, all, a.Clock.Now()) })
		}
		args = []string{mostUrgent(all).ID}
		if a.output == outputTable {
			page.Line(render.Strong, "Watching %s, 1 of %d that run (hotspare run list).", args[0], len(all))
		}
	}
	if a.output == outputJSON {
		stream := &stream{to: a.Stdout}
		run, err := a.follow(c.Context(), args[0], stream)
		if err == nil {
			err = stream.err
		}
		if err != nil {
			return err
		}
		return outcome(run)
	}
	run, err := a.follow(c.Context(), args[0], a.progressFor(page))
	if err != nil {
		return err
	}
	return a.over(c.Context(), page, run)
}

// mostUrgent is the newest run for a protection group, else the newest.
func mostUrgent(all []api.RunLine) *api.RunLine {
	best := &all[0]
	rank := func(r *api.RunLine) int {
		switch r.Verb {
		case scheduler.Failover, scheduler.Reclaim, scheduler.Revert:
			return 1
		default:
			return 0
		}
	}
	for i := range all {
		r := &all[i]
		if d := rank(r) - rank(best); d > 0 || d == 0 && r.Accepted.After(best.Accepted) {
			best = r
		}
	}
	return best
}
