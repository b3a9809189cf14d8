package devsite

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/vmware/govmomi/simulator"
)

// Options say how a development site runs.
type Options struct {
	// Dir is where the site's files lie: its configuration, its secrets, what it tells
	// others about itself, and the datastores.
	Dir string
	// Scale is "normal", with delays as a demonstration needs them, or "fast", a tenth of
	// them.
	Scale string
	// Stubborn are patterns of the names of VMs whose guests ignore the request to shut
	// down, beside those made from the template tpl-stubborn.
	Stubborn []string
}

// Site is a development site that runs.
type Site struct {
	// Info is what dev-vcenter.json says.
	Info   Info
	model  *simulator.Model
	server *simulator.Server
	logged *os.File
	end    context.CancelFunc
	health *healthServices
	// exports is the directory of what hosts can mount.
	exports string
}

// delays are how long things take, in milliseconds.
type delays struct{ on, off, suspend, clone, reconfigure, shutdown, boot int }

func scale(name string) (delays, error) {
	switch name {
	case "", "normal":
		return delays{400, 300, 600, 800, 50, 500, 700}, nil
	case "fast":
		return delays{40, 30, 60, 80, 5, 50, 70}, nil
	}
	return delays{}, fmt.Errorf("scale %q is neither normal nor fast", name)
}

// Start starts the site and writes its files. It changes settings of the simulator that
// are global, the log's output and TMPDIR, so a process can run one at a time.
func Start(ctx context.Context, o Options) (*Site, error) {
	d, err := scale(o.Scale)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{dir, filepath.Join(dir, "datastores")} {
		if err := os.MkdirAll(name, 0o700); err != nil {
			return nil, err
		}
	}
	info, err := prepare(dir)
	if err != nil {
		return nil, err
	}
	secret, err := keepSecret(filepath.Join(dir, passwordFile))
	if err != nil {
		return nil, err
	}
	if _, err := keepSecret(filepath.Join(dir, tokenFile)); err != nil {
		return nil, err
	}
	certificate, thumbprint, err := keepCertificate(dir)
	if err != nil {
		return nil, err
	}
	// The simulator writes to the log of the process, and says there what it stumbled on.
	logged, err := os.OpenFile(filepath.Join(dir, logFile), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	log.SetOutput(logged)
	if err := os.Setenv("TMPDIR", filepath.Join(dir, "datastores")); err != nil {
		return nil, err
	}
	model, err := build(ctx, time.Now())
	if err != nil {
		return nil, fmt.Errorf("fill the simulated vCenter: %w", err)
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	s := &Site{Info: info, model: model, logged: logged, end: end}
	s.Info.Thumbprint, s.Info.PID, s.Info.Username = thumbprint, os.Getpid(), username
	s.exports = filepath.Join(dir, "exports")
	s.behave(d, o.Stubborn)
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	model.Service.Listen = &url.URL{Host: fmt.Sprintf("127.0.0.1:%d", info.VCenterPort), User: url.UserPassword(username, secret)}
	s.server = model.Service.NewServer()
	s.Info.URL = fmt.Sprintf("https://127.0.0.1:%d/sdk", info.VCenterPort)
	s.health = &healthServices{model: model, boot: time.Duration(d.boot) * time.Millisecond, ports: s.Info.HealthPorts}
	s.health.run(life)
	go account(life, model)
	if err := s.write(dir); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// behave makes tasks and guests take their time.
func (s *Site) behave(d delays, stubborn []string) {
	simulator.TaskDelay = simulator.DelayConfig{MethodDelay: map[string]int{
		"PowerOn": d.on, "PowerOff": d.off, "Suspend": d.suspend, "CloneVm": d.clone, "RelocateVm": d.clone / 2,
		"ReconfigVm": d.reconfigure,
		// A task holds its VM's lock while it runs, not while it waits: else nobody could
		// read the VM meanwhile.
		"LockHandoff": 0,
	}}
	g := &guests{model: s.model, delay: time.Duration(d.shutdown) * time.Millisecond, stubborn: stubborn}
	g.install(&exports{dir: s.exports})
}

// closeLimit is how long calls under way may hold up the end of the site.
const closeLimit = 500 * time.Millisecond

// Close stops the site and removes its datastores. Its files stay, so that a site started
// again in the same directory has the same addresses, names and secrets.
func (s *Site) Close() {
	s.end()
	s.health.done.Wait()
	// The server waits for calls under way, and a call that waits for updates outlives its
	// caller by as long as it was told to wait.
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.server.CloseClientConnections()
		s.server.Close()
	}()
	select {
	case <-closed:
	case <-time.After(closeLimit):
	}
	s.model.Remove()
	_ = os.RemoveAll(s.exports)
	log.SetOutput(os.Stderr)
	_ = s.logged.Close()
}
