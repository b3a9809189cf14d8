package vsphere

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"sort"
	"strings"
	"time"

	"github.com/hotspare/hotspare/drivers"
)

// schema lists the attributes of the driver's configuration block.
var schema = []drivers.Attribute{
	{Name: "url", Type: "string", Required: true, Help: "vCenter's address, as https://vcenter.example/sdk"},
	{Name: "username", Type: "string", Required: true, Help: "the account to log in with"},
	{Name: "password_file", Type: "file", Required: true, Secret: true, Help: "file that holds the account's password"},
	{Name: "volumes_datastore", Type: "string", Required: true, Help: "datastore for the volumes and VMs that are made, and their records"},
	{Name: "datacenter", Type: "string", Help: "datacenter; needed where vCenter has more than one"},
	{Name: "compute", Type: "string", Help: "cluster of hosts; needed where the datacenter has more than one"},
	{Name: "folder", Type: "string", Help: "VM folder for what is made, made itself where it does not exist; default \"hotspare\""},
	{Name: "customization", Type: "string", Help: "vCenter's customization specification for the VMs that are made without user data"},
	{Name: "thumbprint", Type: "string", Help: "SHA-256 of the server's certificate, in hex, where no CA vouches for it"},
	{Name: "ca_file", Type: "file", Help: "file that holds the certificates, as PEM, of the CAs that vouch for the server"},
}

// settings is the configuration block, checked.
type settings struct {
	site       string
	cluster    string // its name in the site's configuration
	url        *url.URL
	username   string
	password   string
	volumes    string // name of the datastore
	datacenter string // empty: the only one
	compute    string // empty: the only one
	folder     string
	// customization names a specification at vCenter; empty: VMs are as their template.
	customization string
	thumbprint    []byte        // SHA-256; nil: by CA
	ca            []byte        // PEM; nil: the system's
	silence       time.Duration // health's patience with vCenter
}

// parseSettings reads a configuration block. Its errors are of kind Invalid and name the
// attribute.
func parseSettings(c drivers.Configuration) (settings, error) {
	values, err := readAttributes(c.Body)
	if err != nil {
		return settings{}, err
	}
	s := settings{
		site:       c.Site,
		cluster:    c.Cluster,
		username:   values["username"],
		password:   strings.TrimRight(values["password_file"], "\r\n"),
		volumes:    values["volumes_datastore"],
		datacenter: values["datacenter"],
		compute:    values["compute"],
		folder:     strings.Trim(values["folder"], "/"),
		silence:    healthLimit,

		customization: values["customization"],
	}
	if c.Site == "" {
		return settings{}, drivers.InvalidAttribute("", "the site's id must be given")
	}
	if s.folder == "" {
		s.folder = "hotspare"
	}
	if s.url, err = parseAddress(values["url"]); err != nil {
		return settings{}, err
	}
	if s.thumbprint, err = parseThumbprint(values["thumbprint"]); err != nil {
		return settings{}, err
	}
	if ca := values["ca_file"]; ca != "" {
		if s.thumbprint != nil {
			return settings{}, drivers.InvalidAttribute("ca_file", "give thumbprint or ca_file, not both")
		}
		s.ca = []byte(ca)
	}
	return s, nil
}

// readAttributes reads the body against the schema: every attribute known, a string, and
// given where it is required.
func readAttributes(body json.RawMessage) (map[string]string, error) {
	raw := map[string]json.RawMessage{}
	if len(bytes.TrimSpace(body)) > 0 {
		if err := json.Unmarshal(body, &raw); err != nil {
			return nil, drivers.InvalidAttribute("", "the configuration block is no JSON object")
		}
	}
	values := map[string]string{}
	for _, a := range schema {
		text, given := raw[a.Name]
		delete(raw, a.Name)
		if given && string(text) != "null" {
			var value string
			if err := json.Unmarshal(text, &value); err != nil {
				return nil, drivers.InvalidAttribute(a.Name, "must be a string")
			}
			values[a.Name] = value
		}
		if a.Required && values[a.Name] == "" {
			return nil, drivers.InvalidAttribute(a.Name, "must be given")
		}
	}
	unknown := make([]string, 0, len(raw))
	for name := range raw {
		unknown = append(unknown, name)
	}
	if len(unknown) > 0 {
		sort.Strings(unknown)
		return nil, drivers.InvalidAttribute(unknown[0], "is not known to this driver")
	}
	return values, nil
}

func parseAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return nil, drivers.InvalidAttribute("url", "is no URL such as https://vcenter.example/sdk")
	case u.Scheme != "https":
		return nil, drivers.InvalidAttribute("url", "must begin with https://")
	case u.User != nil:
		return nil, drivers.InvalidAttribute("url", "must not hold an account; use username and password_file")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/sdk"
	}
	return u, nil
}

func parseThumbprint(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	sum, err := hex.DecodeString(strings.NewReplacer(":", "", " ", "").Replace(text))
	if err != nil || len(sum) != sha256.Size {
		return nil, drivers.InvalidAttribute("thumbprint", "is no SHA-256 in hex")
	}
	return sum, nil
}
