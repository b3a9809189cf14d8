package serve

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// startDev starts the simulated vCenter, or finds the one that runs in the directory, and
// gives the site's file that goes with it. It is a process of its own, in a session of
// its own: killing this server does not kill the site.
func startDev(ctx context.Context, opts Options) (string, error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the directory of the simulated site: %w", err)
	}
	binary, err := findBinary("hotspare-dev-vcenter", opts.Getenv)
	if err != nil {
		return "", err
	}
	log, err := os.OpenFile(filepath.Join(dir, "dev-vcenter.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer log.Close()
	out, in, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer out.Close()
	process := exec.Command(binary, "--dir", dir) // not bound to ctx: it outlives this server
	process.Stdout, process.Stderr = in, log
	process.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = process.Start()
	in.Close()
	if err != nil {
		return "", fmt.Errorf("start the simulated vCenter: %w", err)
	}
	go func() { _ = process.Wait() }() // so that it does not linger where it ends before us
	if err := waitReady(ctx, out); err != nil {
		return "", fmt.Errorf("start the simulated vCenter: %w; see %s", err, log.Name())
	}
	fmt.Fprintf(opts.Out, "the simulated vCenter runs in %s, as a process of its own; it goes on when this server ends (dev-vcenter.json tells its pid)\n", dir)
	return filepath.Join(dir, "site.hcl"), nil
}

// waitReady reads the line that tells that the simulated vCenter is up.
func waitReady(ctx context.Context, out *os.File) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = out.SetReadDeadline(time.Now()) })
	defer stop()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("it did not say that it is ready: %w", err)
	}
	if !strings.HasPrefix(line, "ready ") {
		return fmt.Errorf("it says %q", strings.TrimSpace(line))
	}
	return nil
}
