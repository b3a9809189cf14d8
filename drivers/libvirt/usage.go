package libvirt

import (
	"context"
	"errors"
	"slices"
)

// usage is a VM with the disks that it has.
type usage struct {
	*machine
	disks []usedDisk
}

// usedDisk is one disk: its own file first, then all that it hangs on.
type usedDisk struct {
	files    []string
	shared   bool // for several writers at once
	readOnly bool
}

// inUse reports a VM that runs, or will go on with its memory.
func (u usage) inUse() bool { return u.running() || u.saved }

// readUsages lists the disks of all VMs on all hosts; of a host that is gone, as they were
// last seen: one that was never seen has none here, and is told by unseen.
func (cl *cluster) readUsages(ctx context.Context) ([]usage, error) {
	return cl.usages.read(ctx, func(ctx context.Context) ([]usage, error) {
		answers := onAll(ctx, cl.hosts, func(ctx context.Context, h *host) ([]usage, error) {
			l, err := h.list(ctx)
			var gone *goneError
			if errors.As(err, &gone) {
				l, err = h.lastSeen(), nil
			}
			if err != nil || l == nil {
				return nil, err
			}
			var list []usage
			for _, m := range l.machines {
				list = append(list, usage{m, cl.disksOf(ctx, m)})
			}
			return list, nil
		})
		var all []usage
		for _, a := range answers {
			if a.err != nil {
				return nil, a.err
			}
			all = append(all, a.value...)
		}
		return all, nil
	})
}

// unseen gives an error where a host does not answer that was never listed: nobody knows
// what its VMs use.
func (cl *cluster) unseen() error {
	for _, h := range cl.hosts {
		if err := h.isGone(); err != nil && h.lastSeen() == nil {
			return err
		}
	}
	return nil
}

// disksOf gives the disks of a VM with their chains: those it runs with and those of its
// definition, where these differ.
func (cl *cluster) disksOf(ctx context.Context, m *machine) []usedDisk {
	var list []usedDisk
	add := func(domain *node) {
		for _, disk := range disks(domain) {
			d := usedDisk{shared: disk.kid("shareable") != nil, readOnly: disk.kid("readonly") != nil}
			endpoint := endpointOf(disk)
			if endpoint == "" {
				continue
			}
			d.files = chainOf(cl.fileOf(ctx, m.host, disk), disk.kid("driver").attr("type"))
			if !slices.ContainsFunc(list, func(other usedDisk) bool { return other.files[0] == d.files[0] }) {
				list = append(list, d)
			}
		}
	}
	add(m.current())
	if m.live != nil {
		add(m.tree)
	}
	return list
}

// fileOf gives the path of a disk's file, also where the disk names it by its pool.
func (cl *cluster) fileOf(ctx context.Context, h *host, disk *node) string {
	if disk.attr("type") == "volume" {
		source := disk.kid("source")
		if folder, err := poolFolder(ctx, h, source.attr("pool")); err == nil && folder != "" {
			return folder + "/" + source.attr("volume")
		}
	}
	return endpointOf(disk)
}

// users picks the VMs that have a file, or a disk that hangs on it. own says which.
func users(all []usage, file string, pick func(u usage, d usedDisk, own bool) bool) *usage {
	file = plainPath(file)
	for i, u := range all {
		for _, d := range u.disks {
			if slices.Contains(d.files, file) && pick(u, d, d.files[0] == file) {
				return &all[i]
			}
		}
	}
	return nil
}
