package kvmsite

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// commandTime bounds every command that the rig runs, so that a frozen libvirtd hangs nobody.
const commandTime = 30 * time.Second

// run gives what a command prints. Its error holds the command and what it complained of.
func run(ctx context.Context, name string, args ...string) (string, error) {
	return feed(ctx, "", name, args...)
}

// feed runs a command with a text on its standard input.
func feed(ctx context.Context, stdin, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	cmd.Stdin = strings.NewReader(stdin)
	var out, complaint strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}

// poll asks every few milliseconds until it is told yes, an error, or the context ends.
func poll(ctx context.Context, what string, ask func() (bool, error)) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if yes, err := ask(); err != nil || yes {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
