package kvmsite

import (
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed site.hcl
var siteHCL string

// The files that WriteConfiguration writes.
const (
	ConfigurationFile = "site.hcl"
	tokenFile         = "am.token"
)

// diskSlots are the targets of a VM's disks, in their order.
var diskSlots = []string{"vda", "vdb", "vdc"}

// WriteConfiguration writes a complete configuration of hotspare for this site into a folder:
// site.hcl, and am.token with a new token for alerts. A server with it keeps its state in that
// folder too, and listens on a port of 127.0.0.1 that was free just now.
func (s *Site) WriteConfiguration(dir string) error {
	text, err := s.configuration()
	if err != nil {
		return fmt.Errorf("write the configuration for the site in %s: %w", s.dir, err)
	}
	return errors.Join(
		os.MkdirAll(dir, 0o700),
		os.WriteFile(filepath.Join(dir, ConfigurationFile), []byte(text), 0o600),
		os.WriteFile(filepath.Join(dir, tokenFile), []byte(rand.Text()+"\n"), 0o600))
}

func (s *Site) configuration() (string, error) {
	prod, err := s.Network("prod")
	if err != nil {
		return "", err
	}
	holder, err := prod.pid()
	if err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	type disk struct{ Slot, Volume string }
	type vm struct {
		Name, MAC, IP string
		Start         int
		Disks         []disk
	}
	var vms []vm
	for i, w := range workloads {
		v := vm{Name: w.name, MAC: VMMAC(w.name), IP: w.ip, Start: i + 1}
		for n, volume := range w.volumes {
			v.Disks = append(v.Disks, disk{diskSlots[n], volume})
		}
		vms = append(vms, v)
	}
	var text strings.Builder
	err = template.Must(template.New(ConfigurationFile).Parse(siteHCL)).Execute(&text, map[string]any{
		"Port": port, "Hosts": s.Hosts(), "Replica": s.Replica(), "VMs": vms, "Production": holder,
		"Templates": []string{Template, StubbornTemplate},
	})
	return text.String(), err
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}
