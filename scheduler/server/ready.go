package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"github.com/hotspare/hotspare/scheduler"
)

// probe follows no proxy: the check asks the service itself.
var probe = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// CheckReady asks a service once whether it is ready; nil is yes.
func CheckReady(ctx context.Context, check *scheduler.ReadyCheck) error {
	switch check.Kind {
	case scheduler.ReadyHTTP:
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, check.URL, nil)
		if err != nil {
			return err
		}
		resp, err := probe.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode >= 400 {
			body := make([]byte, 200)
			n, _ := resp.Body.Read(body)
			return fmt.Errorf("%s answers %s: %s", check.URL, resp.Status, strings.TrimSpace(string(body[:n])))
		}
		return nil
	case scheduler.ReadyTCP:
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", check.Address)
		if err != nil {
			return err
		}
		return conn.Close()
	case scheduler.ReadyCommand:
		return runReady(ctx, check.Command)
	}
	return fmt.Errorf("this hotspare does not know the readiness check %q", check.Kind)
}

// runReady runs a check's command; ready is exit code 0. What it started is not waited for
// once it was ended.
func runReady(ctx context.Context, command []string) error {
	if len(command) == 0 {
		return errors.New("the readiness check has no command")
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	said := fmt.Sprintf("%.200s", strings.TrimSpace(string(out)))
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s gave no answer in time", command[0])
	case said == "":
		return fmt.Errorf("%s: %w", command[0], err)
	}
	return fmt.Errorf("%s: %w: %s", command[0], err, said)
}
