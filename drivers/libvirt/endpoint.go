package libvirt

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// The endpoint of a disk, as text:
//
//	/path/of/a/file              a file; below /dev/ a block device
//	POOL/VOLUME                  a volume of a storage pool, for the host to find
//	nbd://HOST:PORT/EXPORT       an NBD export
//	iscsi://HOST:PORT/IQN/LUN    an iSCSI LUN
//	rbd:POOL/IMAGE               a Ceph image; its monitors and account stay those of the disk in the slot

// endpointOf gives the endpoint of a <disk>; empty where it has none.
func endpointOf(disk *node) string {
	source := disk.kid("source")
	switch disk.attr("type") {
	case "file":
		return source.attr("file")
	case "block":
		return source.attr("dev")
	case "volume":
		if source == nil {
			return ""
		}
		return source.attr("pool") + "/" + source.attr("volume")
	case "network":
		if source.attr("protocol") == "rbd" {
			return "rbd:" + source.attr("name")
		}
		at := source.kid("host").attr("name")
		if port := source.kid("host").attr("port"); port != "" {
			at += ":" + port
		}
		u := url.URL{Scheme: source.attr("protocol"), Host: at, Path: "/" + source.attr("name")}
		if socket := source.kid("host").attr("socket"); socket != "" {
			u.Scheme += "+unix"
			u.RawQuery = url.Values{"socket": {socket}}.Encode()
		}
		return u.String()
	}
	return ""
}

// sourceOf gives the type of a disk with this endpoint, and its <source>. old is the disk
// in the slot.
func sourceOf(endpoint string, old *node) (kind, source string, err error) {
	switch {
	case strings.HasPrefix(endpoint, "/dev/"):
		return "block", element("source", map[string]string{"dev": endpoint}), nil
	case strings.HasPrefix(endpoint, "/"):
		if filepath.Clean(endpoint) != endpoint {
			return "", "", fmt.Errorf("%q is no plain path", endpoint)
		}
		return "file", element("source", map[string]string{"file": endpoint}), nil
	case strings.HasPrefix(endpoint, "rbd:"):
		return rbdSource(strings.TrimPrefix(endpoint, "rbd:"), old)
	case strings.Contains(endpoint, "://"):
		return serverSource(endpoint)
	}
	pool, volume, found := strings.Cut(endpoint, "/")
	if !found || pool == "" || volume == "" || strings.Contains(volume, "/") {
		return "", "", fmt.Errorf("%q is no endpoint such as a path, POOL/VOLUME, nbd://HOST/EXPORT or rbd:POOL/IMAGE", endpoint)
	}
	return "volume", element("source", map[string]string{"pool": pool, "volume": volume}), nil
}

func serverSource(endpoint string) (kind, source string, err error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", "", fmt.Errorf("%q is no URL: %w", endpoint, err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	if u.Scheme != "nbd" && u.Scheme != "iscsi" || u.Hostname() == "" || name == "" || u.User != nil {
		return "", "", fmt.Errorf("%q is none of nbd://HOST:PORT/EXPORT and iscsi://HOST:PORT/IQN/LUN", endpoint)
	}
	at := element("host", map[string]string{"name": u.Hostname(), "port": u.Port()})
	return "network", "<source" + attributes(map[string]string{"protocol": u.Scheme, "name": name}) + ">" + at + "</source>", nil
}

// rbdSource keeps the monitors and the account of an old rbd disk.
func rbdSource(name string, old *node) (kind, source string, err error) {
	if pool, image, found := strings.Cut(name, "/"); !found || pool == "" || image == "" {
		return "", "", errors.New("an rbd endpoint is rbd:POOL/IMAGE")
	}
	inner := ""
	if s := old.kid("source"); s.attr("protocol") == "rbd" {
		for _, h := range s.all("host") {
			inner += element("host", h.attrs)
		}
		if auth := s.kid("auth"); auth != nil {
			secret := auth.kid("secret")
			inner += "<auth" + attributes(auth.attrs) + ">"
			if secret != nil {
				inner += element("secret", secret.attrs)
			}
			inner += "</auth>"
		}
	}
	return "network", "<source" + attributes(map[string]string{"protocol": "rbd", "name": name}) + ">" + inner + "</source>", nil
}

// formatFor gives the image format of a new endpoint, from its name alone: what is inside
// an image is its guest's to write, and is never asked. otherwise is for a name that says
// nothing.
func formatFor(endpoint, otherwise string) string {
	switch {
	case !strings.HasPrefix(endpoint, "/") && strings.Contains(endpoint, ":"), strings.HasPrefix(endpoint, "/dev/"):
		return "raw"
	case strings.HasSuffix(endpoint, ".qcow2"):
		return "qcow2"
	case strings.HasSuffix(endpoint, ".raw"), strings.HasSuffix(endpoint, ".img"):
		return "raw"
	}
	return otherwise
}
