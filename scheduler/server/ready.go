package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"

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
		if len(check.Command) == 0 {
			return errors.New("the readiness check has no command")
		}
		out, err := exec.CommandContext(ctx, check.Command[0], check.Command[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %.200s", check.Command[0], err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	return fmt.Errorf("this hotspare does not know the readiness check %q", check.Kind)
}
