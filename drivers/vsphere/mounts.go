package vsphere

import (
	"encoding/json"
	"slices"

	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// datastoreRest is what is needed to mount a datastore again exactly.
type datastoreRest struct {
	V    int    `json:"v"`
	Type string `json:"type"` // "NFS", "NFS41"; "VMFS" and others are read, not mounted
	// Server, Path and Security name the export; Servers are all its addresses, where
	// there are more. NFS 4.1 adds to them by itself, so they are not compared.
	Server   string   `json:"server,omitempty"`
	Servers  []string `json:"servers,omitempty"`
	Path     string   `json:"path,omitempty"`
	Security string   `json:"security,omitempty"`
	// Mounts gives each host that has it the mount there.
	Mounts map[string]mount `json:"mounts"`
}

// mount is how one host has a datastore mounted.
type mount struct {
	Mode        string `json:"mode"`             // "readWrite", "readOnly"
	VMKNIC      string `json:"vmknic,omitempty"` // it is bound to, where it is
	Connections int32  `json:"connections,omitempty"`
}

// sameExport reports whether two rests mean one export, whoever has it mounted.
func (r datastoreRest) sameExport(o datastoreRest) bool {
	return r.Type == o.Type && r.Server == o.Server && r.Path == o.Path && r.Security == o.Security
}

// within reports whether what r has mounted is a part of what o has.
func (r datastoreRest) within(o datastoreRest) bool {
	for host, m := range r.Mounts {
		if other, has := o.Mounts[host]; !has || other != m {
			return false
		}
	}
	return r.sameExport(o)
}

func readDatastoreRest(v drivers.Value) (datastoreRest, bool) {
	var rest datastoreRest
	ok := v.Text == drivers.Present && json.Unmarshal(v.Rest, &rest) == nil && rest.V == 1
	return rest, ok
}

// sameDatastore compares the presence and, where both values carry one, the rest.
func sameDatastore(a, b drivers.Value) bool {
	x, one := readDatastoreRest(a)
	y, other := readDatastoreRest(b)
	if a.Text != b.Text || !one || !other {
		return a.Text == b.Text
	}
	return x.within(y) && y.within(x)
}

// boundTo gives the adapter that a mount is bound to; vCenter says "None" for none.
func boundTo(info types.HostMountInfo) string {
	if info.VmknicName == "None" {
		return ""
	}
	return info.VmknicName
}

// halfMounted reports whether what was found is a change between two values of this
// change, cut off: the same export, on some of the hosts.
func halfMounted(c drivers.Change, found drivers.Value) bool {
	now, ok := readDatastoreRest(found)
	if !ok {
		return false
	}
	for _, v := range append(slices.Clone(c.Expected), c.Goal) {
		if whole, ok := readDatastoreRest(v); ok && now.within(whole) {
			return true
		}
	}
	return false
}

// mountable refuses what RemoveDatastore and CreateNasDatastore would do something else
// with: on VMFS the first deletes the file system.
func mountable(object string, rest datastoreRest) error {
	nfs := types.HostFileSystemVolumeFileSystemTypeNFS
	if rest.Type != string(nfs) && rest.Type != string(types.HostFileSystemVolumeFileSystemTypeNFS41) {
		return drivers.Refusef("mount or unmount", object, "mount and unmount it in vCenter", "it is of type %s; this driver mounts NFS only", rest.Type)
	}
	return nil
}
