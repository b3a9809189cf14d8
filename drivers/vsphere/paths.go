package vsphere

import (
	"fmt"
	"path"
	"strings"

	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// datastorePath is a place on a datastore, "[DATASTORE] PATH".
type datastorePath struct {
	datastore string
	path      string
}

func (p datastorePath) String() string { return "[" + p.datastore + "] " + p.path }

// join gives a place below p.
func (p datastorePath) join(names ...string) datastorePath {
	return datastorePath{p.datastore, path.Join(append([]string{p.path}, names...)...)}
}

func (p datastorePath) dir() datastorePath {
	return datastorePath{p.datastore, path.Dir(p.path)}
}

// parsePath reads "[DATASTORE] PATH". A path that leaves its datastore is an error.
func parsePath(text string) (datastorePath, error) {
	rest, ok := strings.CutPrefix(text, "[")
	datastore, at, found := strings.Cut(rest, "]")
	at = strings.TrimPrefix(at, " ")
	if !ok || !found || datastore == "" || at == "" {
		return datastorePath{}, fmt.Errorf("%q is no datastore path such as \"[datastore] folder/disk.vmdk\"", text)
	}
	for _, part := range strings.Split(at, "/") {
		if part == ".." || part == "." || part == "" {
			return datastorePath{}, fmt.Errorf("%q is no plain path on its datastore", text)
		}
	}
	return datastorePath{datastore, at}, nil
}

// volumesFolder is where volumes and their records lie.
func (cl *client) volumesFolder() datastorePath {
	return datastorePath{cl.settings.volumes, "hotspare/" + restorepoint.Escape(cl.settings.site)}
}

// diskPath is where a volume's disk is made.
func (cl *client) diskPath(v restorepoint.VolumeName) datastorePath {
	return cl.volumesFolder().join(restorepoint.Escape(v.Holder), restorepoint.Escape(v.Volume)+".vmdk")
}

// recordPath is where a volume's record lies.
func (cl *client) recordPath(v restorepoint.VolumeName) datastorePath {
	return cl.volumesFolder().join(restorepoint.Escape(v.Holder), restorepoint.Escape(v.Volume)+".json")
}
