package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hotspare/hotspare/scheduler/api"
)

// stage is where a story plays: the built programs, a folder, a recovery site, a server.
type stage struct {
	ctx    context.Context
	bin    string
	dir    string // all files of this demo
	site   string // folder of the site's files and of the server's state
	at     recoverySite
	out    io.Writer
	server *exec.Cmd
	kept   []string // names of the writes that production left
}

// recoverySite is what the server lends from.
type recoverySite interface {
	// serverArgs are the arguments of the server for this site.
	serverArgs() []string
	// dump reads the whole site past hotspare, one fact to a line.
	dump(ctx context.Context) (string, error)
	// dumpedBy says what reads it.
	dumpedBy() string
	// close ends it.
	close() error
}

func (s *stage) client() *api.Client { return api.NewClient(s.socket()) }

func (s *stage) say(format string, args ...any) {
	fmt.Fprintf(s.out, "\n\033[1m# "+format+"\033[0m\n", args...)
}

func (s *stage) socket() string { return filepath.Join(s.site, "hotspare.sock") }

// serve starts the server, and waits until it answers and its driver is ready.
func (s *stage) serve() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := append([]string{"server"}, s.at.serverArgs()...)
	fmt.Fprintf(s.out, "$ hotspare %s &\n", strings.Join(args, " "))
	s.server = exec.Command(filepath.Join(s.bin, "hotspare"), args...)
	s.server.Stdout, s.server.Stderr = log, log
	if err := s.server.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	server := s.server
	go func() { ended <- server.Wait() }()
	return s.wait("the server is ready", func() (bool, error) {
		select {
		case err := <-ended:
			return false, fmt.Errorf("the server ended: %w; see %s", err, log.Name())
		default:
		}
		drivers, err := s.client().Drivers(s.ctx)
		return err == nil && len(drivers) > 0 && drivers[0].State == "ready" && drivers[0].VMs > 0, nil
	})
}

// kill ends the server and its driver as a crash would.
func (s *stage) kill() error {
	drivers, err := s.client().Drivers(s.ctx)
	if err != nil {
		return err
	}
	server, driver := s.server.Process.Pid, drivers[0].PID
	fmt.Fprintf(s.out, "$ kill -9 %d %d      # the server and its driver\n", server, driver)
	return errors.Join(syscall.Kill(server, syscall.SIGKILL), syscall.Kill(driver, syscall.SIGKILL))
}

// stop ends the server and the site.
func (s *stage) stop() error {
	if s.server != nil && s.server.Process != nil {
		_ = s.server.Process.Signal(syscall.SIGTERM)
		_ = s.wait("the server ends", func() (bool, error) { return syscall.Kill(s.server.Process.Pid, 0) != nil, nil })
	}
	return s.at.close()
}

// wait looks again and again until something is so, for a minute at most.
func (s *stage) wait(what string, is func() (bool, error)) error {
	deadline := time.After(time.Minute)
	for {
		ok, err := is()
		if ok || err != nil {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			return fmt.Errorf("it did not come to this within a minute: %s", what)
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
}

// command prepares a hotspare command, shown as it would be typed.
func (s *stage) command(args ...string) *exec.Cmd {
	shown := make([]string, len(args))
	for i, arg := range args {
		shown[i] = arg
		if strings.ContainsAny(arg, " \"'") {
			shown[i] = "'" + arg + "'"
		}
	}
	fmt.Fprintf(s.out, "$ hotspare %s\n", strings.Join(shown, " "))
	cmd := exec.CommandContext(s.ctx, filepath.Join(s.bin, "hotspare"), args...)
	cmd.Env = append(os.Environ(), "HOTSPARE_SOCKET="+s.socket())
	cmd.Stdout, cmd.Stderr = s.out, s.out
	return cmd
}

// run runs a command that has to end with this exit code.
func (s *stage) run(code int, args ...string) error {
	cmd := s.command(args...)
	err := cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != code {
		return fmt.Errorf("hotspare %s: exit code %d, expected %d: %v", strings.Join(args, " "), got, code, err)
	}
	return nil
}

// alert posts a genuine Alertmanager body as Alertmanager does.
func (s *stage) alert(body []byte) (*api.AlertResult, error) {
	token, err := os.ReadFile(filepath.Join(s.site, "am.token"))
	if err != nil {
		return nil, err
	}
	address, err := s.triggerAddress()
	if err != nil {
		return nil, err
	}
	url := "http://" + address + "/v1/triggers/alertmanager"
	fmt.Fprintf(s.out, "$ curl -H \"Authorization: Bearer $(cat am.token)\" --data @alert.json %s\n", url)
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(s.out, "%s", answer)
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the alert is answered with %s", resp.Status)
	}
	var result api.AlertResult
	return &result, json.Unmarshal(answer, &result)
}

// triggerAddress reads where the site's file says that alerts are listened for.
func (s *stage) triggerAddress() (string, error) {
	file, err := os.ReadFile(filepath.Join(s.site, "site.hcl"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(file)) {
		if key, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(key) == "tcp" {
			return strings.Trim(strings.TrimSpace(value), `"`), nil
		}
	}
	return "", errors.New("site.hcl names no tcp address")
}
