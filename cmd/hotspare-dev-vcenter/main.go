// Command hotspare-dev-vcenter runs the development site: a simulated vCenter to develop
// and to try hotspare against.
//
//	hotspare-dev-vcenter --dir DIR [--scale fast|normal] [--stubborn NAME] [--foreground]
//	hotspare-dev-vcenter dump --dir DIR
//
// Where one runs in DIR already, it prints that one's URL and ends.
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
	if len(args) > 0 && args[0] == "dump" {
		return runDump(ctx, args[1:], out)
	}
	flags := flag.NewFlagSet("hotspare-dev-vcenter", flag.ContinueOnError)
	dir := flags.String("dir", "", "directory for the site's files")
	scale := flags.String("scale", "normal", "how long things take: normal, or fast")
	stubborn := flags.String("stubborn", "", "names of VMs, with wildcards and commas, whose guests ignore the request to shut down")
	foreground := flags.Bool("foreground", false, "fail where one runs in the directory already")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" || flags.NArg() > 0 {
		return errors.New("give --dir DIR, and no arguments")
	}
	if info, ok := devsite.Running(ctx, *dir); ok {
		if *foreground {
			return fmt.Errorf("one runs already at %s, process %d", info.URL, info.PID)
		}
		_, err := fmt.Fprintln(out, "ready", info.URL)
		return err
	}
	options := devsite.Options{Dir: *dir, Scale: *scale}
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

func runDump(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("hotspare-dev-vcenter dump", flag.ContinueOnError)
	dir := flags.String("dir", "", "directory of the site's files")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" || flags.NArg() > 0 {
		return errors.New("give --dir DIR, and no arguments")
	}
	info, err := devsite.ReadInfo(*dir)
	if err != nil {
		return err
	}
	password, err := devsite.ReadPassword(*dir)
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
