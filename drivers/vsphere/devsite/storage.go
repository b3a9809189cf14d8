package devsite

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	// diskRoom is what a disk of a replica, a template or a VM takes; childRoom what a
	// child disk takes.
	diskRoom  = int64(16) << 30
	childRoom = int64(1) << 30
	roomEvery = time.Second
)

// account keeps the datastores' free room true: the simulator takes room for every disk
// that is attached, and gives little of it back.
func account(ctx context.Context, model *simulator.Model) {
	simulated := ownContext(model)
	ticker := time.NewTicker(roomEvery)
	defer ticker.Stop()
	for {
		for _, entity := range simulated.Map.All("Datastore") {
			store := entity.(*simulator.Datastore)
			free := storeCapacity - usedRoom(store.Summary.Url)
			simulated.WithLock(store, func() {
				store.Info.GetDatastoreInfo().FreeSpace = free
				if store.Summary.FreeSpace != free || store.Summary.Capacity != storeCapacity {
					simulated.Update(store, []types.PropertyChange{
						{Name: "summary.capacity", Val: storeCapacity},
						{Name: "summary.freeSpace", Val: free},
					})
				}
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func usedRoom(dir string) int64 {
	used := int64(0)
	// A file that goes away while it is counted takes no room.
	_ = filepath.WalkDir(dir, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(at, ".vmdk") || strings.HasSuffix(at, "-flat.vmdk") {
			return nil
		}
		if strings.HasPrefix(strings.TrimPrefix(at, dir), "/hotspare/") {
			used += childRoom
		} else {
			used += diskRoom
		}
		return nil
	})
	return used
}
