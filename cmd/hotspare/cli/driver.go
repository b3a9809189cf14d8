package cli

import (
	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
	"github.com/hotspare/hotspare/scheduler/api"
)

func newDriverCommand(a *app) *cobra.Command {
	return noun(&cobra.Command{
		Use:     "driver",
		Short:   "Drivers: state, and a check that changes nothing",
		Long:    "Look at the drivers, one for each cluster.",
		Example: "  hotspare driver list",
	}, newDriverListCommand(a), newDriverCheckCommand(a))
}

func newDriverListCommand(a *app) *cobra.Command {
	return command(&cobra.Command{
		Use:     "list",
		Short:   "All drivers, and when each last proved that it works",
		Long:    "List the drivers with their state, and when each last made an authenticated read that went well.",
		Example: "  hotspare driver list",
		Args:    usage(cobra.NoArgs, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := a.service().Drivers(c.Context())
			if err != nil {
				return err
			}
			return a.show(all, func(p *render.Page) { render.Drivers(p, all, a.Clock.Now()) })
		},
	})
}

func newDriverCheckCommand(a *app) *cobra.Command {
	return command(&cobra.Command{
		Use:   "check [CLUSTER]",
		Short: "Try a driver; changes nothing",
		Long: `Let the driver of a cluster, or of each, show that it works: log in, read, list. It changes
nothing. The exit code is 1 where something did not work.`,
		Example: `  hotspare driver check
  hotspare driver check dr1`,
		Args:              usage(cobra.MaximumNArgs(1), "at most one CLUSTER"),
		ValidArgsFunction: a.completeCluster,
		RunE:              a.checkDrivers,
	})
}

func (a *app) checkDrivers(c *cobra.Command, clusters []string) error {
	if len(clusters) == 0 {
		all, err := a.service().Drivers(c.Context())
		if err != nil {
			return err
		}
		for _, d := range all {
			clusters = append(clusters, d.Cluster)
		}
	}
	checks, ok := []*api.DriverCheck{}, true
	for _, cluster := range clusters {
		check, err := a.service().CheckDriver(c.Context(), cluster)
		if err != nil {
			return err
		}
		checks, ok = append(checks, check), ok && check.OK
	}
	err := a.show(checks, func(p *render.Page) {
		if len(checks) == 0 {
			render.Drivers(p, nil, a.Clock.Now())
		}
		for _, check := range checks {
			render.DriverCheck(p, check)
		}
	})
	if err == nil && !ok {
		return &exit{ExitFailed}
	}
	return err
}
