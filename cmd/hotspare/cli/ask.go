package cli

import (
	"cmp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/api"
)

// ask is what a person says when asking for a reclaim, a failover or a revert.
type ask struct {
	verb           scheduler.Verb
	by             string
	reason         string
	declaredDeadBy string
	restorePoint   string
	fromKept       string
	writes         string
}

func (k *ask) flags(c *cobra.Command) {
	f := c.Flags()
	switch k.verb {
	case scheduler.Failover:
		f.StringVar(&k.declaredDeadBy, "declared-dead-by", "", "operator `NAME` whose word it is that production cannot write any more")
		f.StringVar(&k.restorePoint, "restore-point", "", "promote the restore point `ID` instead of the newest complete one")
		f.StringVar(&k.fromKept, "from-kept", "", "promote the kept writes `NAME` of an earlier failover")
	case scheduler.Revert:
		f.StringVar(&k.writes, "writes", "", "what becomes of production's writes here: `kept` (stay by name) or home (were brought home)")
		_ = c.RegisterFlagCompletionFunc("writes", completeWrites) // fails only for a flag that is not there
	}
	f.StringVar(&k.by, "by", "", "`NAME` of who asks (default: your login name)")
	f.StringVar(&k.reason, "reason", "", "why, in one sentence: `TEXT`")
}

// usage is what follows the group in a usage line. A plan needs nobody's word.
func (k *ask) usage(plans bool) string {
	switch {
	case k.verb == scheduler.Failover && plans:
		return " [--declared-dead-by NAME] [--restore-point ID | --from-kept NAME]"
	case k.verb == scheduler.Failover:
		return " --declared-dead-by NAME [--restore-point ID | --from-kept NAME]"
	case k.verb == scheduler.Revert:
		return " [--writes kept|home --by NAME]"
	default:
		return ""
	}
}

func (k *ask) examples() string {
	switch k.verb {
	case scheduler.Failover:
		return "  hotspare failover payments --declared-dead-by anna\n  hotspare failover payments --declared-dead-by anna --restore-point rp-41"
	case scheduler.Revert:
		return "  hotspare revert payments\n  hotspare revert payments --writes kept --by anna"
	default:
		return "  hotspare reclaim payments"
	}
}

// request is the API's form.
func (k *ask) request(c *cobra.Command, a *app, group string) (api.PlanRequest, error) {
	req := api.PlanRequest{Verb: k.verb, Group: group, By: cmp.Or(k.by, a.Login()), Reason: k.reason,
		DeclaredDeadBy: k.declaredDeadBy, RestorePoint: k.restorePoint, FromKept: k.fromKept}
	if k.restorePoint != "" && k.fromKept != "" {
		return req, usageError(c, "it starts from --restore-point or --from-kept, not from both")
	}
	if k.writes == "" {
		return req, nil
	}
	if !slices.Contains([]string{scheduler.WritesKept, scheduler.WritesHome}, k.writes) {
		return req, usageError(c, "--writes is kept or home, not %q", k.writes)
	}
	if k.by == "" {
		return req, usageError(c, "--writes needs --by NAME: it is the word of a person")
	}
	req.Writes = scheduler.WritesWord{What: k.writes, By: k.by}
	return req, nil
}

// command is the command line that runs what was planned.
func (k *ask) command(group string) string {
	words := []string{"hotspare", string(k.verb), group}
	for _, flag := range []struct{ name, value string }{
		{"--declared-dead-by", k.declaredDeadBy}, {"--restore-point", k.restorePoint}, {"--from-kept", k.fromKept},
		{"--writes", k.writes}, {"--by", k.by}, {"--reason", k.reason},
	} {
		if flag.value != "" {
			words = append(words, flag.name, shellQuoted(flag.value))
		}
	}
	return strings.Join(words, " ")
}

// shellQuoted makes a text one word of a shell.
func shellQuoted(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool {
		return !strings.ContainsRune("-_./:@%+,=", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
