package cli

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
	"github.com/hotspare/hotspare/scheduler/api"
)

func newDriftCommand(a *app) *cobra.Command {
	return noun(&cobra.Command{
		Use:   "drift",
		Short: "What others changed beneath hotspare, and what becomes of it",
		Long: `Look at drift: properties at the site that are not as hotspare left them, because somebody
changed them there. A person says what becomes of each: put it back, accept it as the value of
the layer, or accept it as the value found.`,
		Example: "  hotspare drift list",
	}, newDriftListCommand(a), newDriftPutBackCommand(a), newDriftAcceptCommand(a))
}

func newDriftListCommand(a *app) *cobra.Command {
	return command(&cobra.Command{
		Use:   "list",
		Short: "All drift: before, wanted, stands, found",
		Long: `List the drift: the value before hotspare came (BEFORE), what the top layer asks for (WANTED),
what hotspare left (STANDS), and what is there instead (FOUND). It is looked for every few
minutes, and not while a reclaim or a failover goes on.`,
		Example: "  hotspare drift list",
		Args:    usage(cobra.NoArgs, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := a.service().Drifts(c.Context())
			if err != nil {
				return err
			}
			return a.show(all, func(p *render.Page) { render.Drifts(p, all, a.Clock.Now()) })
		},
	})
}

func newDriftPutBackCommand(a *app) *cobra.Command {
	req, wait := api.DriftRequest{}, true
	c := command(&cobra.Command{
		Use:   "put-back DRIFT [--by NAME]",
		Short: "Bring it back to what stood",
		Long: `Bring a property that has drifted back to what stood. For a disk, a network or a host a VM that is
on goes OFF, and on again. DRIFT is the id or the property, as in: hotspare drift list`,
		Example: `  hotspare drift put-back d-3 --by anna
  hotspare drift put-back pay-db-01 nic ethernet0`,
		Args:              usage(cobra.MinimumNArgs(1), "one DRIFT"),
		ValidArgsFunction: a.completeDrift,
		RunE: func(c *cobra.Command, args []string) error {
			req.By = cmp.Or(req.By, a.Login())
			accepted, err := a.service().PutBackDrift(c.Context(), strings.Join(args, " "), req)
			if err != nil {
				return unsure(c.Context(), err)
			}
			return a.begun(c.Context(), accepted, wait)
		},
	})
	c.Flags().StringVar(&req.By, "by", "", "`NAME` of whose word it is (default: your login name)")
	waitFlag(c, &wait)
	return c
}

func newDriftAcceptCommand(a *app) *cobra.Command {
	req, wait := api.DriftRequest{}, true
	c := command(&cobra.Command{
		Use:   "accept DRIFT --as layer|found [--by NAME]",
		Short: "Take what is there for right",
		Long: `Take what is there for right. As layer: it is what the workspace, or the run, that holds the top
layer wants from now on, and it goes when that has gone. As found: it is what the site goes back to
in the end; where a layer above asks for something else, a run brings that back now.`,
		Example: `  hotspare drift accept d-3 --as layer --by anna
  hotspare drift accept pay-db-01 nic ethernet0 --as found`,
		Args:              usage(cobra.MinimumNArgs(1), "one DRIFT"),
		ValidArgsFunction: a.completeDrift,
		RunE: func(c *cobra.Command, args []string) error {
			if req.As != api.AsLayer && req.As != api.AsFound {
				return usageError(c, "say as what: --as layer, or --as found")
			}
			req.By = cmp.Or(req.By, a.Login())
			accepted, err := a.service().AcceptDrift(c.Context(), strings.Join(args, " "), req)
			if err != nil {
				return unsure(c.Context(), err)
			}
			return a.begun(c.Context(), accepted, wait)
		},
	})
	c.Flags().StringVar(&req.As, "as", "", "`layer` (what its holder wants) or found (the site's own)")
	c.Flags().StringVar(&req.By, "by", "", "`NAME` of whose word it is (default: your login name)")
	waitFlag(c, &wait)
	_ = c.RegisterFlagCompletionFunc("as", cobra.FixedCompletions([]string{api.AsLayer, api.AsFound}, cobra.ShellCompDirectiveNoFileComp)) // fails only for a flag that is not there
	return c
}

func (a *app) completeDrift(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var found []string
	if all, err := a.service().Drifts(c.Context()); err == nil && len(args) == 0 {
		for i := range all {
			found = append(found, all[i].ID+"\t"+all[i].Label)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
