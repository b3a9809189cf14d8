// Demo plays the whole story of hotspare, and shows each command as it would be typed:
// workspaces are lent, an alert reclaims, operators fail over, the server and its driver are
// killed in the middle, everything is reverted. In the end it compares the site with what it
// was, read past hotspare. The recovery site is a simulated vCenter, or with --kvm the KVM rig.
//
//	go run ./scripts/demo [--kvm] [--bin bin] [--keep]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	bin := flag.String("bin", "bin", "folder with hotspare, its drivers and tools")
	keep := flag.Bool("keep", false, "keep the folder with logs and journal")
	kvm := flag.Bool("kvm", false, "play on real virtual machines; needs root and libvirt")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *bin, *kvm, *keep, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

// run plays the story in a folder of its own, which stays where it fails.
func run(ctx context.Context, bin string, kvm, keep bool, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "hotspare-demo-")
	if err != nil {
		return err
	}
	bin, err = filepath.Abs(bin)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	s := &stage{ctx: ctx, bin: bin, dir: dir, site: filepath.Join(dir, "site"), out: out}
	play := (&story{stage: s}).play
	s.at = vcenter{s.site}
	if kvm {
		place, err := raise(ctx, dir, out)
		if err != nil {
			return err
		}
		s.at, play = place, (&kvmStory{stage: s, site: place, boots: map[string]int{}}).play
	}
	defer func() {
		err = errors.Join(err, s.stop())
		if err != nil || keep {
			fmt.Fprintf(out, "\nlogs and journal are in %s\n", dir)
			return
		}
		err = os.RemoveAll(dir)
	}()
	return play()
}
