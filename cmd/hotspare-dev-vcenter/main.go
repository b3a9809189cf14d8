// Command hotspare-dev-vcenter runs the development site: a simulated vCenter to develop
// and to try hotspare against. Its --help says how.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/hotspare/hotspare/drivers/vsphere/devsite"
	"github.com/hotspare/hotspare/drivers/vsphere/dump"
)

const usage = `hotspare-dev-vcenter runs a simulated vCenter with a recovery site in it, to try hotspare against.
It prints "ready URL" and stays in the foreground until it is stopped, by Ctrl-C or SIGTERM. Where
one runs in DIR already, it prints that one's URL and ends.

Usage:
  hotspare-dev-vcenter --dir DIR [--scale fast|normal] [--stubborn NAMES]
  hotspare-dev-vcenter dump --dir DIR

dump prints the state of the site that runs in DIR, as text, to be compared with another dump.

Examples:
  hotspare-dev-vcenter --dir /tmp/vc --scale fast --stubborn 'ws-*' &
  hotspare-dev-vcenter dump --dir /tmp/vc

Flags:
  --dir DIR          directory for the site's files: address, password, a configuration for hotspare
  --scale SCALE      how long things take: normal (the default), or fast
  --stubborn NAMES   VMs whose guests ignore the request to shut down: names with wildcards and commas
  -h, --help         this text
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "hotspare-dev-vcenter:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	what := serve
	if len(args) > 0 && args[0] == "dump" {
		what, args = printDump, args[1:]
	}
	err := what(ctx, args, out)
	if errors.Is(err, flag.ErrHelp) {
		_, err = io.WriteString(out, usage)
	}
	return err
}

// serve runs the site until ctx ends, unless one runs in its directory already.
func serve(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("hotspare-dev-vcenter", flag.ContinueOnError)
	scale := flags.String("scale", "normal", "")
	stubborn := flags.String("stubborn", "", "")
	dir, err := parse(flags, args)
	if err != nil {
		return err
	}
	if info, ok := devsite.Running(ctx, dir); ok {
		_, err := fmt.Fprintln(out, "ready", info.URL)
		return err
	}
	options := devsite.Options{Dir: dir, Scale: *scale}
	if *stubborn != "" {
		options.Stubborn = strings.Split(*stubborn, ",")
	}
	site, err := devsite.Start(ctx, options)
	if err != nil {
		return err
	}
	defer site.Close()
	if _, err := fmt.Fprintln(out, "ready", site.Info.URL); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// parse gives the directory that the arguments name, or an error that says what is wrong with
// them; [flag.ErrHelp] where help is asked for.
func parse(flags *flag.FlagSet, args []string) (dir string, err error) {
	flags.SetOutput(io.Discard)
	flags.StringVar(&dir, "dir", "", "")
	err = flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return "", err
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unknown argument %q", flags.Arg(0))
	case err == nil && dir == "":
		err = errors.New("--dir DIR is missing")
	}
	if err != nil {
		return "", fmt.Errorf("%w; see: hotspare-dev-vcenter --help", err)
	}
	return dir, nil
}

func printDump(ctx context.Context, args []string, out io.Writer) error {
	dir, err := parse(flag.NewFlagSet("hotspare-dev-vcenter dump", flag.ContinueOnError), args)
	if err != nil {
		return err
	}
	info, err := devsite.ReadInfo(dir)
	if err != nil {
		return err
	}
	password, err := devsite.ReadPassword(dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	text, err := dump.Dump(ctx, info.URL, info.Username, password, info.Thumbprint)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, text)
	return err
}
