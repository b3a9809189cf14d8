// Demo plays the whole story of hotspare on a simulated vCenter, and shows each command as
// it would be typed: workspaces are lent, an alert reclaims, operators fail two groups
// over, the server and its driver are killed in the middle, everything is reverted. In the
// end it compares the site with what it was, read by a plain dump of the vSphere API.
//
//	go run ./scripts/demo [--bin bin] [--keep]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	bin := flag.String("bin", "bin", "folder with hotspare and its drivers")
	keep := flag.Bool("keep", false, "keep the folder with logs and journal")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *bin, *keep)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin string, keep bool) (err error) {
	dir, err := os.MkdirTemp("", "hotspare-demo-")
	if err != nil {
		return err
	}
	bin, err = filepath.Abs(bin)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	site := filepath.Join(dir, "site")
	s := &stage{ctx: ctx, bin: bin, dir: dir, site: site, at: vcenter{site}, out: os.Stdout}
	defer func() {
		err = errors.Join(err, s.stop())
		if err != nil || keep {
			fmt.Printf("\nlogs and journal are in %s\n", dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	return (&story{stage: s}).play()
}
