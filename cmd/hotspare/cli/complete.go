package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/scheduler"
)

// What the shell offers after Tab. A server that does not answer offers nothing.

func (a *app) completeGroup(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var found []string
	if groups, err := a.service().Groups(c.Context()); err == nil && len(args) == 0 {
		for i := range groups {
			found = append(found, groups[i].Name+"\t"+groups[i].State)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeWorkspace(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var found []string
	if all, err := a.service().Workspaces(c.Context(), false); err == nil && len(args) == 0 {
		for i := range all {
			found = append(found, all[i].ID+"\t"+all[i].Owner+", "+all[i].What)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeRun(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var found []string
	if all, err := a.service().Runs(c.Context(), true); err == nil && len(args) == 0 {
		for i := range all {
			found = append(found, all[i].ID+"\t"+string(all[i].Verb)+" "+all[i].Target+", "+all[i].State)
		}
	}
	slices.Reverse(found)
	return found, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeCluster(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var found []string
	if all, err := a.service().Drivers(c.Context()); err == nil && len(args) == 0 {
		for _, d := range all {
			found = append(found, d.Cluster+"\t"+d.Driver)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

func completeWrites(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{scheduler.WritesKept, scheduler.WritesHome}, cobra.ShellCompDirectiveNoFileComp
}
