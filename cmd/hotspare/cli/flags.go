package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagError is the error of a flag. After a mistyped command its flags are unknown too:
// then it is the command that is wrong.
func flagError(c *cobra.Command, err error) error {
	if args := c.Flags().Args(); c.HasSubCommands() && len(args) > 0 {
		return unknown(c, args[0])
	}
	var bad *pflag.InvalidValueError
	if errors.As(err, &bad) {
		flag := bad.GetFlag()
		return usageError(c, "--%s takes %s, not %q", flag.Name, takes(flag), bad.GetValue())
	}
	return usageError(c, "%s: %s", commandName(c), err)
}

// takes says what a flag takes, by the type of its value.
func takes(flag *pflag.Flag) string {
	switch value := flag.Value.(type) {
	case interface{ Takes() string }:
		return value.Takes()
	default:
		return map[string]string{"int": "a whole number", "bool": "true or false"}[strings.ToLower(value.Type())]
	}
}
