package vsphere

import (
	"encoding/json"
	"fmt"

	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
	"github.com/hotspare/hotspare/drivers/restorepoint"
)

// diskRest is what a disk has beside its endpoint, and what is compared with it.
type diskRest struct {
	V      int    `json:"v"`
	Format string `json:"format"` // "flat", "sesparse" or "rdm"
	Mode   string `json:"mode"`   // "persistent", "independent_persistent", ...
	// Sharing is "sharingMultiWriter" or empty.
	Sharing      string `json:"sharing,omitempty"`
	WriteThrough bool   `json:"writeThrough,omitempty"`
	// Parents are the endpoint's parent disks, nearest first. Attaching a child without
	// naming them loses them.
	Parents []string `json:"parents,omitempty"`
	// IO limits: shares level, its custom number, and IOPS; zero where they are the default.
	SharesLevel   string `json:"sharesLevel,omitempty"`
	Shares        int32  `json:"shares,omitempty"`
	Limit         int64  `json:"limit,omitempty"`
	Compatibility string `json:"compatibility,omitempty"` // of an RDM
	Device        string `json:"device,omitempty"`        // of an RDM
}

// fileBacking is a disk's backing, whichever of its types it has.
type fileBacking struct {
	file         string
	format       string
	mode         string
	sharing      string
	writeThrough *bool
	parent       *fileBacking
	compat       string
	device       string
}

// readBacking reads a disk's backing. A type that this driver does not know is nil.
func readBacking(b types.BaseVirtualDeviceBackingInfo) *fileBacking {
	switch b := b.(type) {
	case *types.VirtualDiskFlatVer2BackingInfo:
		f := &fileBacking{file: b.FileName, format: "flat", mode: b.DiskMode, sharing: b.Sharing, writeThrough: b.WriteThrough}
		if b.Parent != nil {
			f.parent = readBacking(b.Parent)
		}
		return f
	case *types.VirtualDiskSeSparseBackingInfo:
		f := &fileBacking{file: b.FileName, format: "sesparse", mode: b.DiskMode, writeThrough: b.WriteThrough}
		if b.Parent != nil {
			f.parent = readBacking(b.Parent)
		}
		return f
	case *types.VirtualDiskRawDiskMappingVer1BackingInfo:
		return &fileBacking{
			file: b.FileName, format: "rdm", mode: b.DiskMode, sharing: b.Sharing,
			compat: b.CompatibilityMode, device: b.DeviceName,
		}
	}
	return nil
}

// chain gives the disk's files, its own first and then its parents.
func (f *fileBacking) chain() []string {
	var files []string
	for ; f != nil; f = f.parent {
		files = append(files, f.file)
	}
	return files
}

// multiWriter reports whether several VMs may write to the disk at once.
func (f *fileBacking) multiWriter() bool {
	return f.sharing == string(types.VirtualDiskSharingSharingMultiWriter)
}

// restOf gives what a disk has beside its endpoint.
func restOf(disk *types.VirtualDisk, f *fileBacking) diskRest {
	rest := diskRest{V: 1, Format: f.format, Mode: f.mode, Parents: f.chain()[1:], Compatibility: f.compat, Device: f.device}
	if f.sharing != string(types.VirtualDiskSharingSharingNone) {
		rest.Sharing = f.sharing
	}
	rest.WriteThrough = f.writeThrough != nil && *f.writeThrough
	if io := disk.StorageIOAllocation; io != nil {
		if io.Limit != nil && *io.Limit > 0 {
			rest.Limit = *io.Limit
		}
		if io.Shares != nil && io.Shares.Level != types.SharesLevelNormal {
			rest.SharesLevel, rest.Shares = string(io.Shares.Level), io.Shares.Shares
		}
	}
	return rest
}

// backing makes the backing that attaches an existing endpoint with this rest.
func (r diskRest) backing(endpoint string) (types.BaseVirtualDeviceBackingInfo, error) {
	file := types.VirtualDeviceFileBackingInfo{FileName: endpoint}
	switch r.Format {
	case "flat":
		return flatBacking(endpoint, r), nil
	case "sesparse":
		b := &types.VirtualDiskSeSparseBackingInfo{VirtualDeviceFileBackingInfo: file, DiskMode: r.Mode}
		for i, at := 0, b; i < len(r.Parents); i, at = i+1, at.Parent {
			at.Parent = &types.VirtualDiskSeSparseBackingInfo{
				VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: r.Parents[i]}, DiskMode: r.Mode,
			}
		}
		return b, nil
	case "rdm":
		return &types.VirtualDiskRawDiskMappingVer1BackingInfo{
			VirtualDeviceFileBackingInfo: file, DiskMode: r.Mode, Sharing: r.Sharing,
			CompatibilityMode: r.Compatibility, DeviceName: r.Device,
		}, nil
	}
	return nil, fmt.Errorf("the disk's format %q is not known to this driver", r.Format)
}

func flatBacking(endpoint string, r diskRest) *types.VirtualDiskFlatVer2BackingInfo {
	b := &types.VirtualDiskFlatVer2BackingInfo{
		VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: endpoint},
		DiskMode:                     r.Mode,
		Sharing:                      r.Sharing,
	}
	if r.WriteThrough {
		b.WriteThrough = types.NewBool(true)
	}
	at := b
	for _, parent := range r.Parents {
		at.Parent = &types.VirtualDiskFlatVer2BackingInfo{
			VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: parent}, DiskMode: r.Mode,
		}
		at = at.Parent
	}
	return b
}

// allocation makes the IO limits of a disk; nil where they are the default.
func (r diskRest) allocation() *types.StorageIOAllocationInfo {
	if r.SharesLevel == "" && r.Limit == 0 {
		return nil
	}
	limit := int64(-1)
	if r.Limit > 0 {
		limit = r.Limit
	}
	a := &types.StorageIOAllocationInfo{Limit: &limit}
	if r.SharesLevel != "" {
		a.Shares = &types.SharesInfo{Level: types.SharesLevel(r.SharesLevel), Shares: r.Shares}
	}
	return a
}

// sameDisk compares the endpoint and, where both values carry one, the rest.
func sameDisk(a, b drivers.Value) bool {
	if a.Text != b.Text || len(a.Rest) == 0 || len(b.Rest) == 0 {
		return a.Text == b.Text
	}
	var x, y diskRest
	if json.Unmarshal(a.Rest, &x) != nil || json.Unmarshal(b.Rest, &y) != nil {
		return false
	}
	return string(restorepoint.Encode(x)) == string(restorepoint.Encode(y))
}
