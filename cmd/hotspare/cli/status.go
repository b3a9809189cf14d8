package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
)

func newStatusCommand(a *app) *cobra.Command {
	return command(&cobra.Command{
		Use:   "status",
		Short: "The site at one glance: what needs a person first",
		Long: `Show the site at one glance. The first line says what matters: what is held for a person,
which groups fail over, which drivers fail, and whether workspaces are lent.`,
		Example: `  hotspare status
  hotspare status --output json`,
		Args: usage(cobra.NoArgs, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.service().Status(c.Context())
			if err != nil {
				return err
			}
			return a.show(s, func(p *render.Page) { render.Status(p, s, a.Version) })
		},
	})
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
