package cli

import (
	"cmp"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
	"github.com/hotspare/hotspare/scheduler/api"
)

func newWorkspaceCommand(a *app) *cobra.Command {
	return noun(&cobra.Command{
		Use:   "workspace",
		Short: "Request, look at, extend and return workspaces",
		Long: `Request, look at, extend and return workspaces: a copy of a protection group on clones and an isolated
network, or new VMs from a template. A workspace ends with its lease; a protection group that
needs the room preempts it, and it comes back afterwards.`,
		Example: "  hotspare workspace request --copy payments --for 4h",
	}, newWorkspaceRequestCommand(a), newWorkspaceListCommand(a), newWorkspaceShowCommand(a), newWorkspaceExtendCommand(a), newWorkspaceReturnCommand(a))
}

func newWorkspaceRequestCommand(a *app) *cobra.Command {
	req, lease, wait := api.WorkspaceRequest{}, span(0), true
	c := command(&cobra.Command{
		Use:   "request (--copy GROUP | --template NAME [--count N]) --for DURATION",
		Short: "Ask for a workspace",
		Long: `Ask for a workspace: a copy of a protection group, or new VMs from a template. Where there is
no room now it waits in the queue, and the exit code is 3.`,
		Example: `  hotspare workspace request --copy payments --for 4h --name "load test"
  hotspare workspace request --copy payments --for 3d --owner team-pay --restore-point rp-41
  hotspare workspace request --template loadgen --count 3 --for 90m`,
		Args: usage(cobra.NoArgs, "flags only"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkRequest(c, &req, lease); err != nil {
				return err
			}
			req.For, req.Owner = time.Duration(lease), cmp.Or(req.Owner, a.Login())
			if req.Owner == "" {
				return usageError(c, "your login name is not known: say --owner NAME")
			}
			accepted, err := a.service().RequestWorkspace(c.Context(), req)
			if err != nil {
				return unsure(c.Context(), err)
			}
			return a.begun(c.Context(), accepted, wait)
		},
	})
	f := c.Flags()
	f.StringVar(&req.Copy, "copy", "", "a copy of protection group `GROUP`")
	f.StringVar(&req.Template, "template", "", "new VMs from template `NAME`")
	f.IntVar(&req.Count, "count", 0, "how many new VMs: `N` (default 1)")
	f.Var(&lease, "for", "how long, like 4h, 90m or 3d: `DURATION`")
	f.StringVar(&req.Owner, "owner", "", "whose it is: `NAME` (default: your login name)")
	f.StringVar(&req.Name, "name", "", "what for, in a few words: `TEXT`")
	f.StringVar(&req.RestorePoint, "restore-point", "", "clones of restore point `ID` instead of the newest complete one")
	waitFlag(c, &wait)
	_ = c.RegisterFlagCompletionFunc("copy", a.completeGroup) // fails only for a flag that is not there
	return c
}

func checkRequest(c *cobra.Command, req *api.WorkspaceRequest, lease span) error {
	switch {
	case req.Copy == "" && req.Template == "":
		return usageError(c, "say what: --copy GROUP, or --template NAME")
	case req.Copy != "" && req.Template != "":
		return usageError(c, "a workspace is either --copy or --template, not both")
	case req.Copy != "" && c.Flags().Changed("count"):
		return usageError(c, "--count goes with --template: a copy has the VMs of its group")
	case req.Template != "" && req.RestorePoint != "":
		return usageError(c, "--restore-point goes with --copy: a template has none")
	case c.Flags().Changed("count") && req.Count < 1:
		return usageError(c, "--count is 1 or more, not %d", req.Count)
	case lease == 0:
		return usageError(c, "say for how long: --for 4h")
	}
	return nil
}

func newWorkspaceListCommand(a *app) *cobra.Command {
	gone := false
	c := command(&cobra.Command{
		Use:   "list [--all]",
		Short: "All workspaces that are not gone",
		Long:  "List the workspaces with what is left of each lease. With --all also those that are gone.",
		Example: `  hotspare workspace list
  hotspare workspace list --all --output json`,
		Args: usage(cobra.NoArgs, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := a.service().Workspaces(c.Context(), gone)
			if err != nil {
				return err
			}
			return a.show(all, func(p *render.Page) { render.Workspaces(p, all, a.Clock.Now()) })
		},
	})
	c.Flags().BoolVar(&gone, "all", false, "also those that are gone")
	return c
}

func newWorkspaceShowCommand(a *app) *cobra.Command {
	return command(&cobra.Command{
		Use:               "show WORKSPACE",
		Short:             "One workspace: VMs, network, lease, volumes",
		Long:              "Show one workspace: its VMs, its isolated network, what is left of its lease, and its volumes.",
		Example:           "  hotspare workspace show ws-7",
		Args:              usage(cobra.ExactArgs(1), "one WORKSPACE"),
		ValidArgsFunction: a.completeWorkspace,
		RunE: func(c *cobra.Command, args []string) error {
			w, err := a.service().Workspace(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.show(w, func(p *render.Page) { render.Workspace(p, w, a.Clock.Now()) })
		},
	})
}

func newWorkspaceExtendCommand(a *app) *cobra.Command {
	req, more := api.ExtendRequest{}, span(0)
	c := command(&cobra.Command{
		Use:   "extend WORKSPACE --for DURATION",
		Short: "Move the end of a lease",
		Long: `Move the end of a workspace's lease by a time, also while it is parked and the clock of its lease
stands still. What is left of a lease is never more than the site's longest.`,
		Example:           "  hotspare workspace extend ws-7 --for 2h",
		Args:              usage(cobra.ExactArgs(1), "one WORKSPACE"),
		ValidArgsFunction: a.completeWorkspace,
		RunE: func(c *cobra.Command, args []string) error {
			if more == 0 {
				return usageError(c, "say by how much: --for 2h")
			}
			req.For, req.By = time.Duration(more), cmp.Or(req.By, a.Login())
			w, err := a.service().ExtendWorkspace(c.Context(), args[0], req)
			if err != nil {
				return unsure(c.Context(), err)
			}
			return a.show(w, func(p *render.Page) { render.Extended(p, w, a.Clock.Now()) })
		},
	})
	c.Flags().Var(&more, "for", "by how much, like 2h, 90m or 1d: `DURATION`")
	c.Flags().StringVar(&req.By, "by", "", "`NAME` of who extends it (default: your login name)")
	return c
}

func newWorkspaceReturnCommand(a *app) *cobra.Command {
	by, wait := "", true
	c := command(&cobra.Command{
		Use:   "return WORKSPACE",
		Short: "Give a workspace back; its clones are deleted",
		Long: `Give a workspace back: its VMs go off and its clones are DELETED with what was written to
them. To keep them for a while, let the lease end instead: they are then parked for their
retention. One that waits in the queue leaves it.`,
		Example:           "  hotspare workspace return ws-7",
		Args:              usage(cobra.ExactArgs(1), "one WORKSPACE"),
		ValidArgsFunction: a.completeWorkspace,
		RunE: func(c *cobra.Command, args []string) error {
			accepted, err := a.service().ReturnWorkspace(c.Context(), args[0], cmp.Or(by, a.Login()))
			if err != nil {
				return unsure(c.Context(), err)
			}
			return a.begun(c.Context(), accepted, wait)
		},
	})
	c.Flags().StringVar(&by, "by", "", "`NAME` of who returns it (default: your login name)")
	waitFlag(c, &wait)
	return c
}
