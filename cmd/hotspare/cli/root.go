package cli

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"
)

// Defaults of flags, where the environment does not say otherwise.
const (
	DefaultSocket = "/run/hotspare/hotspare.sock"
	DefaultConfig = "/etc/hotspare/site.hcl"
)

func newRootCommand(a *app) *cobra.Command {
	a.output = outputTable
	root := command(&cobra.Command{
		Use:   "hotspare",
		Short: "Lends the idle machines of a recovery site, and takes them back for a failover",
		Long: `Hotspare lends the idle machines of a disaster-recovery site to developers, takes them
back the moment production fails, starts production on them, and afterwards undoes every
change it made.

Every plan can be read before it runs: hotspare plan failover GROUP changes nothing.

Exit codes: 0 done; 1 failed or refused, also for a name that the site does not have; 2 wrong
use: a command line that can never be right; 3 held, or waiting for a person or for room; 130
interrupted while waiting (the run goes on at the server).`,
		Example: `  hotspare status
  hotspare workspace request --copy payments --for 4h
  hotspare plan failover payments
  hotspare failover payments --declared-dead-by anna
  hotspare revert payments --writes kept --by anna`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          verbs,
		Args:          cobra.ArbitraryArgs,
	})
	root.SetFlagErrorFunc(flagError)
	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.StringVar(&a.socket, "socket", cmp.Or(a.Getenv("HOTSPARE_SOCKET"), DefaultSocket), "unix `PATH` of the server ($HOTSPARE_SOCKET)")
	a.remoteFlags(root)
	flags.VarP(&a.output, "output", "o", "how to write: table or json")
	root.AddGroup(&cobra.Group{ID: "look", Title: "Look (changes nothing):"}, &cobra.Group{ID: "lend", Title: "Lend:"},
		&cobra.Group{ID: "disaster", Title: "Disaster:"}, &cobra.Group{ID: "server", Title: "Server:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("look", newStatusCommand(a), newPlanCommand(a), newGroupCommand(a), newHostCommand(a), newDriftCommand(a))
	add("lend", newWorkspaceCommand(a))
	add("disaster", newReclaimCommand(a), newFailoverCommand(a), newRevertCommand(a), newRunCommand(a))
	add("server", newServerCommand(a), newConfigCommand(a), newDriverCommand(a), newVersionCommand(a))
	root.SetHelpFunc(a.help(root.HelpFunc()))
	root.SetHelpCommand(newHelpCommand())
	root.SetHelpCommandGroupID("server")
	root.SetCompletionCommandGroupID("server")
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.RunE, completion.Args = verbs, cobra.ArbitraryArgs
		completion.Example = "  hotspare completion bash"
	}
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	return root
}

// newHelpCommand replaces cobra's, which takes a command that there is not for the root.
func newHelpCommand() *cobra.Command {
	return command(&cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "What a command does",
		Long:    "Tell what a command does. The same as: hotspare COMMAND --help",
		Example: "  hotspare help workspace request",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknown(about, rest[0])
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	})
}

// noun makes a command that only holds verbs.
func noun(c *cobra.Command, all ...*cobra.Command) *cobra.Command {
	c.RunE, c.Args = verbs, cobra.ArbitraryArgs
	c.AddCommand(all...)
	return command(c)
}

// verbs is what a command does that holds others: it says which there are.
func verbs(c *cobra.Command, args []string) error {
	switch {
	case len(args) > 0:
		return unknown(c, args[0])
	case !c.HasParent():
		return c.Help()
	}
	return usageError(c, "say which verb: %s %s", c.CommandPath(), strings.Join(names(c), "|"))
}

func names(c *cobra.Command) []string {
	var all []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			all = append(all, sub.Name())
		}
	}
	return all
}

// help tells what a command does. With --help after a mistyped command cobra comes here with
// the command above it: then it is an error, which [Main] gives.
func (a *app) help(tell func(*cobra.Command, []string)) func(*cobra.Command, []string) {
	return func(c *cobra.Command, args []string) {
		if rest := c.Flags().Args(); c.HasSubCommands() && len(rest) > 0 {
			a.misled = unknown(c, rest[0])
			return
		}
		tell(c, args)
	}
}

func unknown(c *cobra.Command, name string) error {
	c.SuggestionsMinimumDistance = 2
	hint := ""
	if near := c.SuggestionsFor(name); len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError(c, "unknown command %q for %q%s", name, c.CommandPath(), hint)
}
