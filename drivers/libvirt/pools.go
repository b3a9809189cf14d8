package libvirt

import (
	"context"

	"libvirt.org/go/libvirt"

	"github.com/hotspare/hotspare/drivers"
)

// pool is one active storage pool of a host.
type pool struct {
	drivers.DatastoreItem
	folder string // empty: it is no folder
}

// pools lists a host's active storage pools.
func pools(ctx context.Context, h *host) ([]pool, error) {
	return read(ctx, h, func(conn *libvirt.Connect) ([]pool, error) {
		list, err := conn.ListAllStoragePools(libvirt.CONNECT_LIST_STORAGE_POOLS_ACTIVE)
		if err != nil {
			return nil, err
		}
		var found []pool
		for i := range list {
			p, err := readPool(&list[i])
			_ = list[i].Free()
			if isAbsent(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			found = append(found, p)
		}
		return found, nil
	})
}

func readPool(p *libvirt.StoragePool) (pool, error) {
	name, err := p.GetName()
	if err != nil {
		return pool{}, err
	}
	info, err := p.GetInfo()
	if err != nil {
		return pool{}, err
	}
	text, err := p.GetXMLDesc(0)
	if err != nil {
		return pool{}, err
	}
	folder, err := folderOf(text)
	const mib = 1 << 20
	return pool{drivers.DatastoreItem{Name: name, CapacityMiB: int64(info.Capacity / mib), FreeMiB: int64(info.Available / mib)}, folder}, err
}

// poolFolders gives the folders of a host's active pools, by the pools' names.
func poolFolders(ctx context.Context, h *host) (map[string]string, error) {
	list, err := pools(ctx, h)
	folders := map[string]string{}
	for _, p := range list {
		if p.folder != "" {
			folders[p.Name] = p.folder
		}
	}
	return folders, err
}
