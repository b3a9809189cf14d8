// Package serve wires a server together: the site's files, a supervised process for each
// driver, the journal, the sockets.
package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/plugin"
	"github.com/hotspare/hotspare/scheduler"
	"github.com/hotspare/hotspare/scheduler/config"
	"github.com/hotspare/hotspare/scheduler/server"
)

// Options say what to serve.
type Options struct {
	Config  string // path of the site's files
	Dev     bool   // a simulated vCenter and its site instead, in Dir
	Dir     string
	Socket  string // to listen on; empty: as configured
	Version string
	Getenv  func(string) string
	Out     io.Writer // what a person reads: where it listens
	Log     io.Writer
}

// Run serves until ctx ends.
func Run(ctx context.Context, opts Options) error {
	if opts.Dev {
		path, err := startDev(ctx, opts)
		if err != nil {
			return err
		}
		opts.Config = path
	}
	loaded, err := config.Load(opts.Config)
	if err != nil {
		return err
	}
	site := loaded.Site
	if opts.Socket != "" {
		if site.Listen.Unix, err = filepath.Abs(opts.Socket); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(site.StateDir, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	log := slog.New(slog.NewTextHandler(opts.Log, nil))
	given, closeAll, err := launch(ctx, loaded, log, opts.Getenv)
	defer closeAll()
	if err != nil {
		return err
	}
	s, err := server.New(server.Options{Version: opts.Version, Site: site, Drivers: given, Log: log})
	if err != nil {
		return err
	}
	err = s.Serve(ctx, func(unix, tcp string) {
		fmt.Fprintf(opts.Out, "hotspare %s serves site %s\n  commands:  export HOTSPARE_SOCKET=%s\n", opts.Version, site.Name, unix)
		if tcp != "" {
			fmt.Fprintf(opts.Out, "  triggers:  http://%s/v1/triggers/alertmanager\n", tcp)
		}
	})
	return errors.Join(err, s.Close())
}

// launch starts a supervised process for each cluster's driver. One that does not start is
// tried again by the server; only where none starts there is nothing to serve with. A
// mistake in a cluster's block is told at once.
func launch(ctx context.Context, loaded *config.Loaded, log *slog.Logger, getenv func(string) string) (map[string]server.Driver, func(), error) {
	given := map[string]server.Driver{}
	var all []*late
	closeAll := func() {
		for _, l := range all {
			l.Close()
		}
	}
	var failed error
	started := 0
	for _, cluster := range loaded.Site.Clusters {
		l := lateDriver(loaded, cluster, log, getenv)
		all = append(all, l)
		given[cluster.Name] = server.Driver{
			Driver:        l,
			Configuration: drivers.Configuration{Site: loaded.Site.Name, Cluster: cluster.Name, HealthEvery: 10 * time.Second},
			Explain:       func(err error) error { return loaded.Placed(cluster.Name, err) },
			Status:        l.Status, Retry: l.Retry,
		}
		about, err := l.Describe(ctx)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("cluster %s: start its driver: %w", cluster.Name, err))
			log.Error("driver", "cluster", cluster.Name, "error", err)
			continue
		}
		started++
		if _, err := l.body(about.Schema); err != nil {
			return nil, closeAll, err
		}
	}
	if started == 0 {
		return nil, closeAll, failed
	}
	return given, closeAll, nil
}

func lateDriver(loaded *config.Loaded, cluster scheduler.Cluster, log *slog.Logger, getenv func(string) string) *late {
	return &late{
		launch: func(ctx context.Context) (*plugin.Supervisor, error) {
			binary, err := findBinary(driverPrefix+cluster.Driver, getenv)
			if err != nil {
				return nil, err
			}
			return plugin.Supervise(ctx, plugin.Config{Binary: binary, Logger: log.With("cluster", cluster.Name)})
		},
		body: func(schema []drivers.Attribute) (json.RawMessage, error) {
			return loaded.DriverBody(cluster.Name, schema)
		},
	}
}

// Schema asks a driver's binary for the schema of its configuration block.
func Schema(ctx context.Context, driver string, getenv func(string) string) ([]drivers.Attribute, error) {
	binary, err := findBinary(driverPrefix+driver, getenv)
	if err != nil {
		return nil, err
	}
	process, err := plugin.Launch(ctx, plugin.Config{Binary: binary, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	defer process.Kill(errors.New("it was asked all that it had to answer"))
	about, err := process.Describe(ctx)
	return about.Schema, err
}

// driverPrefix begins the name of a driver's binary.
const driverPrefix = "hotspare-driver-"

// DriverNames names hotspare's own drivers, and those whose binaries are on this machine.
func DriverNames(getenv func(string) string) []string {
	names := []string{"libvirt", "sim", "vsphere"}
	for _, folder := range binaryFolders(getenv) {
		entries, _ := os.ReadDir(folder) // one that cannot be read has none
		for _, e := range entries {
			if name, ok := strings.CutPrefix(e.Name(), driverPrefix); ok && filepath.Ext(name) == "" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// binaryFolders are $HOTSPARE_DRIVERS, and then the folder of this program.
func binaryFolders(getenv func(string) string) []string {
	var folders []string
	if dir := getenv("HOTSPARE_DRIVERS"); dir != "" {
		folders = append(folders, dir)
	}
	if self, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(self); err == nil {
			self = real
		}
		folders = append(folders, filepath.Dir(self))
	}
	return folders
}

// findBinary looks for a program of hotspare's.
func findBinary(name string, getenv func(string) string) (string, error) {
	var tried []string
	for _, folder := range binaryFolders(getenv) {
		path := filepath.Join(folder, name)
		tried = append(tried, path)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, nil
		}
	}
	return "", fmt.Errorf("find %s: %w (looked for %v); put it beside hotspare, or name its folder in HOTSPARE_DRIVERS", name, fs.ErrNotExist, tried)
}
