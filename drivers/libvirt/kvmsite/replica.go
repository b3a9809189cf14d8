package kvmsite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// The protection group of the site, its VMs and their volumes. Each VM has the same address in
// production and in every copy.
const (
	// Group is the name of the protection group, and of its replica's folder.
	Group = "shop"
	// Manifest is the file in the replica's folder that lists its restore points.
	Manifest = "restore-points.json"
)

type workload struct {
	name, ip, peer string
	host           int
	volumes        []string
	bridge, net    string // where its standby NIC is: one VM has a bridge, the other a libvirt network
}

var workloads = []workload{
	{name: "shop-db", ip: "10.20.0.11", peer: "10.20.0.12", host: 1, volumes: []string{"shop-db-root", "shop-db-data"}, bridge: "br-standby"},
	{name: "shop-app", ip: "10.20.0.12", peer: "10.20.0.11", host: 2, volumes: []string{"shop-app-root"}, net: "standby"},
}

// settings are what a volume of the workload says of addresses: only its root does.
func (w workload) settings(volume string) string {
	if volume != w.volumes[0] {
		return ""
	}
	return "ip=" + w.ip + ",peer=" + w.peer
}

// restorePoint as it stands in the manifest.
type restorePoint struct {
	ID       string            `json:"id"`
	Time     time.Time         `json:"time"`
	Complete bool              `json:"complete"`
	Volumes  map[string]string `json:"volumes"`
}

// points are the restore points of the replica, oldest first. The newest is still being sent.
func points(now time.Time) []restorePoint {
	return []restorePoint{
		{ID: "rp-1", Time: now.Add(-19 * time.Minute), Complete: true},
		{ID: "rp-2", Time: now.Add(-4 * time.Minute), Complete: true},
		{ID: "rp-3", Time: now.Add(-20 * time.Second), Complete: false},
	}
}

// Replica is the folder of the group's replica.
func (s *Site) Replica() string { return s.path("replicas", Group) }

// BasePath is the file that replication writes a volume into: a disk of the standby VM.
func (s *Site) BasePath(volume string) string {
	return filepath.Join(s.Replica(), "base", volume+".qcow2")
}

// PointPath is the file of a volume at a restore point: rp-1, rp-2, or rp-3, which is not complete.
func (s *Site) PointPath(point, volume string) string {
	return filepath.Join(s.Replica(), pointPath(point, volume))
}

func pointPath(point, volume string) string { return filepath.Join(point, volume+".qcow2") }

// buildReplica makes the replica's disks and manifest.
func (s *Site) buildReplica(ctx context.Context) error {
	list := points(time.Now().UTC().Truncate(time.Second))
	for i := range list {
		list[i].Volumes = map[string]string{}
	}
	for _, w := range workloads {
		for _, volume := range w.volumes {
			if err := s.replicate(ctx, w, volume, list); err != nil {
				return fmt.Errorf("volume %s: %w", volume, err)
			}
		}
	}
	text, err := json.MarshalIndent(map[string]any{"restorePoints": list}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.Replica(), Manifest), append(text, '\n'), 0o644)
}

// replicate makes one volume's base and its chain of restore points.
func (s *Site) replicate(ctx context.Context, w workload, volume string, list []restorePoint) error {
	settings := w.settings(volume)
	if err := MakeDisk(ctx, s.BasePath(volume), "qcow2", volume+"@base", settings); err != nil {
		return err
	}
	for i, p := range list {
		file, marker := s.PointPath(p.ID, volume), volume+"@"+p.ID
		var err error
		if i == 0 {
			err = MakeDisk(ctx, file, "qcow2", marker, settings)
		} else {
			err = makeOverlay(ctx, file, filepath.Join("..", pointPath(list[i-1].ID, volume)), marker, "data-of-"+p.ID)
		}
		if err := errors.Join(err, os.Chmod(file, finalFileMode)); err != nil {
			return err
		}
		p.Volumes[volume] = pointPath(p.ID, volume)
	}
	return nil
}

// standbySpecs are the group's standby VMs on a host.
func (s *Site) standbySpecs(h Host) []VMSpec {
	var list []VMSpec
	for _, w := range workloads {
		if min(w.host, s.hosts) != h.number {
			continue
		}
		spec := VMSpec{Name: w.name, Bridge: w.bridge, Network: w.net}
		for _, volume := range w.volumes {
			spec.Disks = append(spec.Disks, Disk{Path: s.BasePath(volume), Format: "qcow2", Serial: volume})
		}
		list = append(list, spec)
	}
	return list
}
