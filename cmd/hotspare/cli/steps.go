package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

func newRunRetryCommand(a *app) *cobra.Command {
	by := ""
	c := command(&cobra.Command{
		Use:   "retry RUN [STEP]",
		Short: "Try a held step again, or all that are held",
		Long: `Try a held step again, once what held it has been put right. Without STEP each step of the run
that is held is tried again.`,
		Example:           "  hotspare run retry r-12 7\n  hotspare run retry r-12",
		Args:              usage(cobra.RangeArgs(1, 2), "RUN, and STEP or none for all that are held"),
		ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return a.retryAll(c.Context(), args[0], cmp.Or(by, a.Login()))
			}
			step, err := stepNumber(c, args[1])
			if err != nil {
				return err
			}
			err = a.service().RetryStep(c.Context(), args[0], step, api.StepRequest{By: cmp.Or(by, a.Login())})
			if err != nil {
				return err
			}
			return a.decided(args[0], step, "is tried again")
		},
	})
	byFlag(c, &by)
	return c
}

// retryAll tries every held step of a run again, as far as the first that cannot be.
func (a *app) retryAll(ctx context.Context, id, by string) error {
	run, err := a.service().Run(ctx, id)
	if err != nil {
		return err
	}
	retried := []int{}
	for i, step := range run.Run.Steps {
		if step.State != scheduler.StepHeld {
			continue
		}
		if err := a.service().RetryStep(ctx, id, i+1, api.StepRequest{By: by}); err != nil {
			return fmt.Errorf("after %d steps: %w", len(retried), err)
		}
		retried = append(retried, i+1)
	}
	return a.show(map[string]any{"run": id, "steps": retried}, func(p *render.Page) {
		if len(retried) == 0 {
			p.Line(render.Plain, "No step of %s is held.", id)
			return
		}
		p.Line(render.Plain, "Held steps of %s that are tried again: %d. To watch the run: hotspare run watch %s", id, len(retried), id)
	})
}

func newRunSkipCommand(a *app) *cobra.Command {
	by, reason := "", ""
	c := command(&cobra.Command{
		Use:   "skip RUN STEP --reason TEXT",
		Short: "Go on without a held step",
		Long: `Go on without a held step: what waits for it begins. The reason stands in the journal, and what
was observed at the site counts as what stands there.`,
		Example:           `  hotspare run skip r-12 7 --reason "DNS was changed by hand"`,
		Args:              usage(cobra.ExactArgs(2), "RUN and STEP"),
		ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, args []string) error {
			step, err := stepNumber(c, args[1])
			if err != nil {
				return err
			}
			if reason == "" {
				return usageError(c, "a step is skipped with a reason: say --reason TEXT")
			}
			err = a.service().SkipStep(c.Context(), args[0], step, api.StepRequest{By: cmp.Or(by, a.Login()), Reason: reason})
			if err != nil {
				return err
			}
			return a.decided(args[0], step, "is skipped")
		},
	})
	c.Flags().StringVar(&reason, "reason", "", "why it may be left out: `TEXT`")
	byFlag(c, &by)
	return c
}

func byFlag(c *cobra.Command, by *string) {
	c.Flags().StringVar(by, "by", "", "`NAME` of who decides (default: your login name)")
}

func stepNumber(c *cobra.Command, text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, usageError(c, "a step is a number from 1 on, not %q", text)
	}
	return n, nil
}

// decided tells what became of a person's word on a step.
func (a *app) decided(run string, step int, what string) error {
	return a.show(map[string]any{"run": run, "step": step}, func(p *render.Page) {
		p.Line(render.Plain, "%s", fmt.Sprintf("Step %d of %s %s. To watch the run: hotspare run watch %s", step, run, what, run))
	})
}

// stream writes a run as one line of JSON at each change.
type stream struct {
	to  io.Writer
	err error // the first of the writer
}

// Show writes a line.
func (s *stream) Show(run *api.Run) {
	if s.err == nil {
		s.err = json.NewEncoder(s.to).Encode(run)
	}
}

// Tick does nothing.
func (*stream) Tick(time.Time) {}

// Lost does nothing: a program sees the next change.
func (*stream) Lost(error) {}

// Back does nothing.
func (*stream) Back() {}

// Close does nothing.
func (*stream) Close() {}
