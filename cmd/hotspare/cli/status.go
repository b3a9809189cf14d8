package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
	"github.com/hotspare/hotspare/scheduler/api"
)

func newStatusCommand(a *app) *cobra.Command {
	wait := false
	c := command(&cobra.Command{
		Use:   "status [--wait]",
		Short: "The site at one glance: what needs a person first",
		Long: `Show the site at one glance. The first line says what matters: what is held for a person,
which groups fail over, which drivers fail, and whether workspaces are lent.

With --wait, for scripts that have just started a server, it waits up to a minute until one
answers that has read the inventory of every cluster; where one is still unread then, the exit
code is 3.`,
		Example: `  hotspare status
  hotspare status --output json`,
		Args: usage(cobra.NoArgs, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.status(c.Context(), wait)
			if err != nil {
				return err
			}
			err = a.show(s, func(p *render.Page) { render.Status(p, s, a.Version) })
			if err == nil && wait && !inventoried(s) {
				return &exit{ExitHeld}
			}
			return err
		},
	})
	c.Flags().BoolVar(&wait, "wait", false, "wait until a server answers that has read every inventory")
	return c
}

// status gives the site as it is now, or, where a person waits for it, as soon as there is
// room to lend: at the latest after [Patience].
func (a *app) status(ctx context.Context, wait bool) (*api.Status, error) {
	for began := a.Clock.Now(); ; a.Clock.Pause(ctx, 250*time.Millisecond) {
		s, err := a.service().Status(ctx)
		comes := errors.Is(err, api.ErrNoServer) || err == nil && !inventoried(s)
		if !wait || !comes || ctx.Err() != nil || a.Clock.Now().Sub(began) >= Patience {
			return s, err
		}
	}
}

// inventoried reports whether every cluster's inventory was read: nothing is lent before.
func inventoried(s *api.Status) bool {
	return !slices.ContainsFunc(s.Drivers, func(d api.Driver) bool { return d.Inventory.IsZero() })
}

func newVersionCommand(a *app) *cobra.Command {
	return command(&cobra.Command{
		Use:     "version",
		Short:   "The version of this command",
		Long:    "Show the version of this command. The server's is in: hotspare status",
		Example: "  hotspare version",
		Args:    usage(cobra.NoArgs, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			answer := map[string]string{"version": a.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			return a.show(answer, func(p *render.Page) {
				p.Line(render.Plain, "%s", fmt.Sprintf("hotspare %s (%s %s)", a.Version, answer["go"], answer["platform"]))
			})
		},
	})
}
