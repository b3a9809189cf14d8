package vsphere

import (
	"fmt"
	"path"
	"strings"
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

// escape makes one name of a path of any text, so that different texts give different
// names and none leads out of its folder.
func escape(text string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' && i > 0
		if plain {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String()
}

// volumeName is the target of a volume: its holder, and its name there.
type volumeName struct{ holder, volume string }

func (v volumeName) String() string { return v.holder + "/" + v.volume }

func parseVolume(target string) (volumeName, error) {
	holder, volume, found := strings.Cut(target, "/")
	if !found || holder == "" || volume == "" {
		return volumeName{}, invalid("read", "volume "+target, "a volume's target is HOLDER/VOLUME")
	}
	return volumeName{holder, volume}, nil
}

// volumesFolder is where volumes and their records lie.
func (cl *client) volumesFolder() datastorePath {
	return datastorePath{cl.settings.volumes, "hotspare/" + escape(cl.settings.site)}
}

// diskPath is where a volume's disk is made.
func (cl *client) diskPath(v volumeName) datastorePath {
	return cl.volumesFolder().join(escape(v.holder), escape(v.volume)+".vmdk")
}

// recordPath is where a volume's record lies.
func (cl *client) recordPath(v volumeName) datastorePath {
	return cl.volumesFolder().join(escape(v.holder), escape(v.volume)+".json")
}
