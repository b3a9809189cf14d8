package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/scheduler/api"
)

// usageError says that the command line is wrong, in one line, and where to look.
func usageError(c *cobra.Command, format string, args ...any) error {
	return &api.Error{Code: api.CodeUsage, Message: fmt.Sprintf(format, args...), Next: "see: " + c.CommandPath() + " --help"}
}

// usage makes the error of an argument check one of wrong use.
func usage(check cobra.PositionalArgs, want string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError(c, "%s takes %s, not %s", commandName(c), want, given(args))
		}
		return nil
	}
}

// commandName is the command without the program's name, which stands before every error.
func commandName(c *cobra.Command) string {
	return strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
}

func given(args []string) string {
	if len(args) == 0 {
		return "nothing"
	}
	return strings.Join(args, " ")
}

// report tells the person, or the program, why the command failed, and gives the exit
// code.
func (a *app) report(ctx context.Context, err error) int {
	e := asAPIError(err)
	code := exitCode(e)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		e, code = &api.Error{Code: api.CodeFailed, Message: "interrupted before the server answered"}, ExitInterrupted
	}
	var stopped *interrupted
	if errors.As(err, &stopped) {
		code = ExitInterrupted
	}
	if a.output == outputJSON {
		encoder := json.NewEncoder(a.Stderr)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(map[string]*api.Error{"error": e}) // stderr is the last resort
		return code
	}
	text := "hotspare: " + e.Message + "\n"
	if e.Next != "" {
		text += "  " + e.Next + "\n"
	}
	_, _ = fmt.Fprint(a.Stderr, text)
	return code
}

// asAPIError gives the API's form of any error.
func asAPIError(err error) *api.Error {
	var e *api.Error
	if errors.As(err, &e) {
		return e
	}
	return &api.Error{Code: api.CodeFailed, Message: err.Error()}
}

func exitCode(e *api.Error) int {
	switch e.Code {
	case api.CodeUsage:
		return ExitUsage
	case api.CodeWaits:
		return ExitHeld
	default:
		return ExitFailed
	}
}
