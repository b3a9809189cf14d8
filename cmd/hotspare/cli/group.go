package cli

import (
	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
)

func newGroupCommand(a *app) *cobra.Command {
	return noun(&cobra.Command{
		Use:     "group",
		Short:   "Protection groups: objectives, state, restore points",
		Long:    "Look at protection groups: standby VMs that fail over together.",
		Example: "  hotspare group list",
	}, newGroupListCommand(a), newGroupShowCommand(a))
}

func newGroupListCommand(a *app) *cobra.Command {
	return command(&cobra.Command{
		Use:     "list",
		Short:   "All protection groups",
		Long:    "List the protection groups with their state, and the age of the newest complete restore point against the RPO.",
		Example: "  hotspare group list",
		Args:    usage(cobra.NoArgs, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := a.service().Groups(c.Context())
			if err != nil {
				return err
			}
			return a.show(all, func(p *render.Page) { render.Groups(p, all) })
		},
	})
}

func newGroupShowCommand(a *app) *cobra.Command {
	return command(&cobra.Command{
		Use:               "show GROUP",
		Short:             "One protection group: standby VMs, restore points, kept volumes",
		Long:              "Show one protection group: its standby VMs, its restore points with their ids, and what production wrote here and is kept.",
		Example:           "  hotspare group show payments",
		Args:              usage(cobra.ExactArgs(1), "one GROUP"),
		ValidArgsFunction: a.completeGroup,
		RunE: func(c *cobra.Command, args []string) error {
			g, err := a.service().Group(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.show(g, func(p *render.Page) { render.Group(p, g, a.Clock.Now()) })
		},
	})
}
