package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/cmd/hotspare/render"
	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/scheduler/config"
)

func newConfigCommand(a *app) *cobra.Command {
	return noun(&cobra.Command{
		Use:     "config",
		Short:   "Check the site's files",
		Long:    "Check the site's files before the server reads them.",
		Example: "  hotspare config validate",
	}, newConfigValidateCommand(a))
}

func newConfigValidateCommand(a *app) *cobra.Command {
	return command(&cobra.Command{
		Use:   "validate [PATH]",
		Short: "Name every mistake in the site's files",
		Long: `Read the site's file, or all files of its folder, and name every mistake with its file and
line. It needs no server and reaches no hypervisor. PATH is by default $HOTSPARE_CONFIG, else
` + DefaultConfig + `.`,
		Example: `  hotspare config validate
  hotspare config validate ./site.hcl`,
		Args: usage(cobra.MaximumNArgs(1), "at most one PATH"),
		RunE: func(c *cobra.Command, args []string) error {
			path := cmp.Or(a.Getenv("HOTSPARE_CONFIG"), DefaultConfig)
			if len(args) > 0 {
				path = args[0]
			}
			found, err := a.validate(c.Context(), path)
			var mistakes config.Errors
			if errors.As(err, &mistakes) {
				return a.mistaken(path, mistakes)
			}
			if err != nil {
				return err
			}
			return a.show(found, func(p *render.Page) { p.Line(render.Plain, "%s", found) })
		},
	})
}

// validate reads the files, and each driver's block where the driver can be asked for
// its schema.
func (a *app) validate(ctx context.Context, path string) (*validated, error) {
	loaded, unchecked, err := config.Check(path, config.Drivers{Known: a.Drivers(), Schema: func(driver string) ([]drivers.Attribute, error) {
		return a.Schema(ctx, driver)
	}})
	if err != nil {
		return nil, err
	}
	site := loaded.Site
	found := &validated{Path: path, Site: site.Name, Clusters: len(site.Clusters), Groups: len(site.Groups), Templates: len(site.Template), Unchecked: unchecked}
	for i := range site.Groups {
		found.VMs += len(site.Groups[i].VMs)
	}
	return found, nil
}

// mistaken writes every mistake. People and editors read them where errors are read.
func (a *app) mistaken(path string, mistakes config.Errors) error {
	if a.output == outputJSON {
		if err := a.json(map[string]any{"path": path, "mistakes": mistakes}); err != nil {
			return err
		}
		return &exit{ExitFailed}
	}
	noun := "mistakes"
	if len(mistakes) == 1 {
		noun = "mistake"
	}
	if _, err := fmt.Fprintf(a.Stderr, "%s\n%d %s in %s\n", mistakes.Error(), len(mistakes), noun, path); err != nil {
		return err
	}
	return &exit{ExitFailed}
}

// validated is what was found in files without a mistake.
type validated struct {
	Path      string `json:"path"`
	Site      string `json:"site"`
	Clusters  int    `json:"clusters"`
	Groups    int    `json:"groups"`
	VMs       int    `json:"standbyVMs"`
	Templates int    `json:"templates"`
	// Unchecked are the clusters whose driver is not on this machine to be asked.
	Unchecked []string `json:"uncheckedClusters,omitempty"`
}

// String gives what was found in one sentence.
func (v *validated) String() string {
	text := fmt.Sprintf("%s is valid: site %s; clusters: %d, protection groups: %d with %d standby VMs, templates: %d.",
		v.Path, v.Site, v.Clusters, v.Groups, v.VMs, v.Templates)
	if len(v.Unchecked) > 0 {
		text += fmt.Sprintf(" The drivers of %s are not on this machine: their config blocks are checked where the server starts.", strings.Join(v.Unchecked, ", "))
	}
	return text
}
