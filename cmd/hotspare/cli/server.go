package cli

import (
	"cmp"

	"github.com/spf13/cobra"
)

func newServerCommand(a *app) *cobra.Command {
	opts := ServeOptions{}
	c := command(&cobra.Command{
		Use:   "server [--config PATH | --dev [--dir PATH]]",
		Short: "Run the server of one site",
		Long: `Run the server of one recovery site until it is asked to stop (SIGTERM, or Ctrl-C). Runs
that are not over are resumed from the journal when it starts again.

With --dev it makes a simulated site, and needs no hypervisor and no configuration.`,
		Example: `  hotspare server --config /etc/hotspare/site.hcl
  hotspare server --dev --dir ./.hotspare-dev`,
		Args: usage(cobra.NoArgs, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if opts.Dev && c.Flags().Changed("config") {
				return usageError(c, "it serves --config or --dev, not both")
			}
			if !opts.Dev && c.Flags().Changed("dir") {
				return usageError(c, "--dir goes with --dev: a site's own folder is state_dir in its files")
			}
			if c.Flags().Changed("socket") {
				opts.Socket = a.socket
			}
			return a.serve(c.Context(), opts)
		},
	})
	c.Flags().StringVar(&opts.Config, "config", cmp.Or(a.Getenv("HOTSPARE_CONFIG"), DefaultConfig), "the site's file, or a folder with its files: `PATH` ($HOTSPARE_CONFIG)")
	c.Flags().BoolVar(&opts.Dev, "dev", false, "a simulated site to try hotspare with")
	c.Flags().StringVar(&opts.Dir, "dir", "./.hotspare-dev", "state directory of the simulated site: `PATH`")
	return c
}
