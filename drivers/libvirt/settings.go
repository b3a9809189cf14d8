package libvirt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// schema lists the attributes of the driver's configuration block.
var schema = []drivers.Attribute{
	{Name: "hosts", Type: "map(string)", Required: true, Help: "each host's name and the URI of its libvirtd, as { kvm-1 = \"qemu+tls://kvm-1.example/system\" }"},
	{Name: "volumes_pool", Type: "string", Required: true, Help: "storage pool, a folder that every host and this machine have mounted at the same path, for the volumes and VMs that are made, and their records"},
	{Name: "bridges", Type: "list(string)", Help: "bridges that every host has, beside its libvirt networks; a NIC names one as bridge:NAME"},
	{Name: "connect_timeout", Type: "duration", Help: "how long a libvirtd may take to accept a connection; default 3s"},
}

// settings is the configuration block, checked.
type settings struct {
	site    string
	cluster string // its name in the site's configuration
	hosts   map[string]string
	pool    string
	bridges []string
	connect time.Duration
}

// parseSettings reads a configuration block. Its errors are of kind Invalid and name the
// attribute.
func parseSettings(c drivers.Configuration) (settings, error) {
	s := settings{site: c.Site, cluster: c.Cluster, connect: 3 * time.Second}
	if c.Site == "" {
		return s, drivers.InvalidAttribute("", "the site's id must be given")
	}
	raw := map[string]json.RawMessage{}
	if len(bytes.TrimSpace(c.Body)) > 0 {
		if err := json.Unmarshal(c.Body, &raw); err != nil {
			return s, drivers.InvalidAttribute("", "the configuration block is no JSON object")
		}
	}
	var connect string
	for name, into := range map[string]any{"hosts": &s.hosts, "volumes_pool": &s.pool, "bridges": &s.bridges, "connect_timeout": &connect} {
		text, given := raw[name]
		delete(raw, name)
		if given && json.Unmarshal(text, into) != nil {
			return s, drivers.InvalidAttribute(name, "is not of the type "+typeOf(name))
		}
	}
	if len(raw) > 0 {
		return s, drivers.InvalidAttribute(slices.Sorted(maps.Keys(raw))[0], "is not known to this driver")
	}
	if connect != "" {
		d, err := time.ParseDuration(connect)
		if err != nil || d <= 0 {
			return s, drivers.InvalidAttribute("connect_timeout", "is no duration above zero such as \"3s\"")
		}
		s.connect = d
	}
	if s.pool == "" {
		return s, drivers.InvalidAttribute("volumes_pool", "must be given")
	}
	return s, s.checkHosts()
}

// checkHosts refuses hosts that cannot be told apart, and URIs that are none of a QEMU's.
func (s settings) checkHosts() error {
	if len(s.hosts) == 0 {
		return drivers.InvalidAttribute("hosts", "must name at least one host")
	}
	names := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s.hosts)) {
		uri := s.hosts[name]
		if name == "" {
			return drivers.InvalidAttribute("hosts", "a host has no name")
		}
		if err := checkURI(uri); err != nil {
			return drivers.InvalidAttribute("hosts", fmt.Sprintf("host %s: %v", name, err))
		}
		if other := names[uri]; other != "" {
			return drivers.InvalidAttribute("hosts", fmt.Sprintf("%s and %s have the same URI", other, name))
		}
		names[uri] = name
	}
	return nil
}

func checkURI(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" {
		return errors.New("the URI is none such as qemu+tls://kvm-1.example/system")
	}
	if _, given := u.User.Password(); given {
		return errors.New("the URI must not hold a password")
	}
	if u.Scheme != "qemu" && !bytes.HasPrefix([]byte(u.Scheme), []byte("qemu+")) {
		return fmt.Errorf("the URI is of %s, and this driver is for qemu", u.Scheme)
	}
	return nil
}

func typeOf(name string) string {
	for _, a := range schema {
		if a.Name == name {
			return a.Type
		}
	}
	return ""
}
