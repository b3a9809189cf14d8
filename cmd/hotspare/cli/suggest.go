package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hotspare/hotspare/scheduler/api"
	"github.com/hotspare/hotspare/scheduler/config"
)

// suggest adds to the error of a name that the site does not have the one that was probably
// meant. The names are those that the shell would offer.
func suggest(c *cobra.Command, err error) error {
	var e *api.Error
	if !errors.As(err, &e) || e.Code != api.CodeNotFound {
		return err
	}
	near := ""
	if args := c.Flags().Args(); c.ValidArgsFunction != nil && len(args) > 0 {
		near = nearest(c, c.ValidArgsFunction, args[0])
	}
	c.Flags().Visit(func(f *pflag.Flag) {
		if offers, ok := c.GetFlagCompletionFunc(f.Name); ok && near == "" {
			near = nearest(c, offers, f.Value.String())
		}
	})
	if near == "" {
		return err
	}
	return &api.Error{Code: e.Code, Message: e.Message + "; did you mean " + near + "?", Next: e.Next}
}

// nearest is the name on offer that is near to a name; empty where that one is on offer
// itself, or none is near.
func nearest(c *cobra.Command, offers cobra.CompletionFunc, name string) string {
	lines, _ := offers(c, nil, "")
	var names []string
	for _, line := range lines {
		known, _, _ := strings.Cut(line, "\t")
		if known == name {
			return ""
		}
		names = append(names, known)
	}
	return config.Nearest(name, names)
}
