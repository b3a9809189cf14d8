// Kvm-rig brings up a small recovery site of real parts on this machine: libvirt hosts,
// networks, guests, storage. See the package kvmsite for what it holds.
//
//	go run ./scripts/kvm-rig up|down|status [--dir DIR]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
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
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch verb {
	case "up":
		_, err := kvmsite.Up(ctx, kvmsite.Options{Dir: *dir, Hosts: *hosts, Log: os.Stdout})
		return err
	case "down":
		return kvmsite.Down(ctx, *dir, os.Stdout)
	case "status":
		return status(ctx, *dir)
	}
	return fmt.Errorf("%q is nothing it can do: say up, down or status", verb)
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
