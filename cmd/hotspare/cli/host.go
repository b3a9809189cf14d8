package cli

import (
	"cmp"

	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
	"github.com/hotspare/hotspare/scheduler/api"
)

func newHostCommand(a *app) *cobra.Command {
	return noun(&cobra.Command{
		Use:   "host",
		Short: "Hosts: room, who uses it, and taking one out of use",
		Long: `Look at the hypervisor hosts of the site: their room and who uses it. A host that is drained lends
nothing and counts for nothing, until it is resumed.`,
		Example: "  hotspare host list",
	}, newHostListCommand(a), newHostDrainCommand(a), newHostResumeCommand(a))
}

func newHostListCommand(a *app) *cobra.Command {
	return command(&cobra.Command{
		Use:   "list",
		Short: "All hosts: capacity, use, what may still be lent",
		Long: `List the hosts with what may be used of them, what workspaces, production and others use, and what
may still be lent. A host in maintenance, or drained, lends nothing.`,
		Example: "  hotspare host list",
		Args:    usage(cobra.NoArgs, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := a.service().Hosts(c.Context())
			if err != nil {
				return err
			}
			return a.show(all, func(p *render.Page) { render.Hosts(p, all, a.Clock.Now()) })
		},
	})
}

func newHostDrainCommand(a *app) *cobra.Command {
	req := api.HostRequest{}
	c := command(&cobra.Command{
		Use:        "drain HOST --reason TEXT [--cluster NAME]",
		SuggestFor: []string{"maintenance"},
		Short:      "Take a host out of use: nothing more is lent there",
		Long: `Take a host out of use: nothing more is lent there, and its room counts for nothing. Workspaces on
it stay until they are returned. No room is kept for the standby VMs on it: register them on
another host first, or a failover may not find any.`,
		Example:           "  hotspare host drain esx-3 --reason \"memory errors\"",
		Args:              usage(cobra.ExactArgs(1), "one HOST"),
		ValidArgsFunction: a.completeHost,
		RunE: func(c *cobra.Command, args []string) error {
			if req.Reason == "" {
				return usageError(c, "say why: --reason TEXT")
			}
			req.By = cmp.Or(req.By, a.Login())
			h, err := a.service().DrainHost(c.Context(), args[0], req)
			if err != nil {
				return unsure(c.Context(), err)
			}
			return a.show(h, func(p *render.Page) { render.Drained(p, h) })
		},
	})
	c.Flags().StringVar(&req.Reason, "reason", "", "why, in one sentence: `TEXT`")
	hostFlags(c, &req)
	return c
}

func newHostResumeCommand(a *app) *cobra.Command {
	req := api.HostRequest{}
	c := command(&cobra.Command{
		Use:               "resume HOST [--cluster NAME]",
		Short:             "Put a drained host back into use",
		Long:              "Put a drained host back into use: it lends again, and the queue goes on.",
		Example:           "  hotspare host resume esx-3",
		Args:              usage(cobra.ExactArgs(1), "one HOST"),
		ValidArgsFunction: a.completeHost,
		RunE: func(c *cobra.Command, args []string) error {
			req.By = cmp.Or(req.By, a.Login())
			h, err := a.service().ResumeHost(c.Context(), args[0], req)
			if err != nil {
				return unsure(c.Context(), err)
			}
			return a.show(h, func(p *render.Page) { render.Resumed(p, h) })
		},
	})
	hostFlags(c, &req)
	return c
}

func hostFlags(c *cobra.Command, req *api.HostRequest) {
	c.Flags().StringVar(&req.Cluster, "cluster", "", "`NAME` of its cluster, where two have such a host")
	c.Flags().StringVar(&req.By, "by", "", "`NAME` of who asks (default: your login name)")
}

func (a *app) completeHost(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var found []string
	if all, err := a.service().Hosts(c.Context()); err == nil && len(args) == 0 {
		for i := range all {
			found = append(found, all[i].Name+"\t"+all[i].Cluster+", "+all[i].State)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
