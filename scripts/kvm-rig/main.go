// Kvm-rig brings up a small recovery site of real parts on this machine: libvirt hosts,
// networks, guests, storage. See the package kvmsite for what it holds.
//
//	go run ./scripts/kvm-rig up|down|status|install [--dir DIR] [--hosts N]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hotspare/hotspare/drivers/libvirt/kvmsite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kvm-rig:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("kvm-rig", flag.ContinueOnError)
	dir := flags.String("dir", filepath.Join(os.TempDir(), "hotspare-kvm"), "the site's folder")
	hosts := flags.Int("hosts", 3, "how many libvirt hosts")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), "usage: kvm-rig up|down|status|install [--dir DIR] [--hosts N]\n\n  kvm-rig up --dir /tmp/rig\n  kvm-rig down --dir /tmp/rig\n\n")
		flags.PrintDefaults()
	}
	verb := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		verb, args = args[0], args[1:]
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	switch verb {
	case "up":
		return up(ctx, *dir, *hosts)
	case "install":
		return install(ctx)
	case "down":
		return kvmsite.Down(ctx, *dir, os.Stdout)
	case "status":
		return status(ctx, *dir)
	}
	return fmt.Errorf("%q is nothing it can do: say up, down, status or install", verb)
}

// up installs what is missing, brings the site up, and writes a configuration for a server.
func up(ctx context.Context, dir string, hosts int) error {
	if err := install(ctx); err != nil {
		return err
	}
	site, err := kvmsite.Up(ctx, kvmsite.Options{Dir: dir, Hosts: hosts, Log: os.Stdout})
	if err != nil {
		return err
	}
	server := filepath.Join(site.Dir(), "hotspare")
	file := filepath.Join(server, kvmsite.ConfigurationFile)
	if _, err := os.Stat(file); err != nil {
		if err := site.WriteConfiguration(server); err != nil {
			return err
		}
	}
	fmt.Printf("to lend it: bin/hotspare server --config %s\n", file)
	return nil
}

func install(ctx context.Context) error {
	missing := kvmsite.Missing(ctx)
	if len(missing) == 0 {
		return nil
	}
	fmt.Printf("installing %s; this takes some minutes\n", strings.Join(missing, " "))
	return kvmsite.Install(ctx)
}

func status(ctx context.Context, dir string) error {
	site, err := kvmsite.Open(dir)
	if err != nil {
		return err
	}
	st, err := site.Status(ctx)
	if err != nil {
		return err
	}
	fmt.Print(st)
	return nil
}
