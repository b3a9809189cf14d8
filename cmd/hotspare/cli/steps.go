package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
	"github.com/hotspare/hotspare/scheduler/api"
)

func newRunRetryCommand(a *app) *cobra.Command {
	by := ""
	c := command(&cobra.Command{
		Use:               "retry RUN STEP",
		Short:             "Try a held step again",
		Long:              "Try a held step again, once what held it has been put right.",
		Example:           "  hotspare run retry r-12 7",
		Args:              usage(cobra.ExactArgs(2), "RUN and STEP"),
		ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, args []string) error {
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
