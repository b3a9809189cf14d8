package cli

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// fresh makes the commands without a server behind them.
func fresh() *cobra.Command { return newRootCommand(with(nil, io.Discard)) }

func every(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		every(sub, visit)
	}
}

// Every command says in full what it does, and every example is one that would be taken.
func TestHelp(t *testing.T) {
	every(fresh(), func(c *cobra.Command) {
		if parent := c.Parent(); parent != nil && parent.Name() == "completion" {
			return // cobra's own
		}
		if c.Long == "" || c.Short == "" || c.Example == "" {
			t.Errorf("%s lacks Short, Long or Example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			if err := resolve(line); err != nil {
				t.Errorf("%s: example %q: %v", c.CommandPath(), strings.TrimSpace(line), err)
			}
		}
	})
}

// resolve takes an example as a shell and cobra would, up to running it.
func resolve(line string) error {
	words := shellWords(strings.TrimSpace(line))
	root := fresh()
	c, rest, err := root.Find(words[1:])
	if err != nil {
		return err
	}
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	if c.HasSubCommands() {
		return verbs(c, append(c.Flags().Args(), "no verb"))
	}
	return c.ValidateArgs(c.Flags().Args())
}

// shellWords splits at blanks outside double quotes.
func shellWords(line string) []string {
	quoted := false
	return strings.FieldsFunc(strings.ReplaceAll(line, `""`, ""), func(r rune) bool {
		if r == '"' {
			quoted = !quoted
			return true
		}
		return r == ' ' && !quoted
	})
}

func TestExamplesAreReallyResolved(t *testing.T) {
	for _, line := range []string{"  hotspare statsu", "  hotspare status --foo", "  hotspare failover", "  hotspare workspace"} {
		if resolve(line) == nil {
			t.Errorf("%q is taken", line)
		}
	}
}

func TestSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{"4h": 4 * time.Hour, "3d": 72 * time.Hour, "1d12h": 36 * time.Hour, "1h30m": 90 * time.Minute} {
		if got, err := parseSpan(text); err != nil || got != want {
			t.Errorf("parseSpan(%q) = %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "3", "3x", "-3d", "-4h", "0h", "0d", "3d4", "1d1d", "99999999d", "1d-2h", "1d-25h"} {
		if got, err := parseSpan(text); err == nil {
			t.Errorf("parseSpan(%q) = %s, want an error", text, got)
		}
	}
}

func TestShellQuoted(t *testing.T) {
	for text, want := range map[string]string{"anna": "anna", "rp-41": "rp-41", "anna b": "'anna b'", "o'neil": `'o'\''neil'`, "$x": "'$x'"} {
		if got := shellQuoted(text); got != want {
			t.Errorf("shellQuoted(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestOutputOfWrongCommandLine(t *testing.T) {
	for args, want := range map[string]outputFormat{"status --foo": outputTable, "--foo -o json": outputJSON, "--output=json --foo": outputJSON,
		"-ojson x": outputJSON, "-o": outputTable, "-- -o json": outputTable} {
		if got := with(nil, io.Discard).outputOf(strings.Fields(args)); got != want {
			t.Errorf("outputOf(%q) = %s, want %s", args, got, want)
		}
	}
}
