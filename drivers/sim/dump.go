package sim

import (
	"fmt"
	"slices"
	"strings"
)

// Dump gives everything at the site as text, always the same for the same site, one
// thing to a line, sorted: to be compared before and after. It leaves out what passes by
// itself: times, sessions, latencies, faults. Lines that begin with "volume" or "kept"
// are what may be left over lawfully: parked clones and kept writes.
func (s *Site) Dump() string {
	var lines []string
	s.look("dump", func(st *state) { lines = st.dump() })
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

func (s *state) dump() []string {
	var out []string
	line := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, h := range s.Hosts {
		line("host %s cpus=%d memory=%d maintenance=%t connected=%t networks=%s", h.Name, h.CPUs, h.MemoryMiB,
			h.Maintenance, !h.Disconnected, strings.Join(slices.Sorted(slices.Values(h.Networks)), ","))
	}
	for name := range s.Networks {
		line("network %s", name)
	}
	for _, vm := range s.VMs {
		out = append(out, s.dumpVM(vm)...)
	}
	for _, ds := range s.Datastores {
		line("datastore %s lun=%q capacity=%d hosts=%s%s", ds.Name, ds.LUN, ds.CapacityMiB,
			strings.Join(slices.Sorted(slices.Values(ds.Hosts)), ","), ds.Half.dump())
	}
	for _, v := range s.Volumes {
		line("volume %s name=%q format=%s parent=%q origin=%s/%s/%s owner=%s/%s replica=%q%s", v.Endpoint, v.Name, v.Format,
			v.Parent, v.Origin.Replica, v.Origin.RestorePoint, v.Origin.Volume, v.Owner.Site, v.Owner.Holder, v.Replica, v.Half.dump())
	}
	for _, r := range s.Replicas {
		line("replica %s role=%s promoted=%s%s", r.Path, r.Role, r.Promoted.dump(), r.Half.dump())
		for _, name := range sorted(r.Volumes) {
			line("replica %s volume %s=%s", r.Path, name, r.Volumes[name])
		}
		for _, p := range r.RestorePoints {
			line("replica %s restore point %s complete=%t volumes=%v", r.Path, p.ID, p.Complete, p.Volumes)
		}
		for _, p := range r.Kept {
			line("kept %s %s", r.Path, p.dump())
		}
	}
	for _, c := range s.Callouts {
		line("callout %s done=%t printed=%q%s", c.Name, c.Done, c.Printed, c.Half.dump())
	}
	return out
}

func (s *state) dumpVM(vm *VM) []string {
	var out []string
	line := func(format string, args ...any) { out = append(out, "vm "+vm.ID+" "+fmt.Sprintf(format, args...)) }
	line("name=%s cpus=%d memory=%d template=%t snapshots=%d owner=%s/%s made=%s/%s%s", vm.Name, vm.CPUs, vm.MemoryMiB, vm.Template,
		vm.Snapshots, vm.Owner.Site, vm.Owner.Holder, vm.MadeFrom, vm.MadeSpec, vm.Half.dump())
	line("power %s autostart=%t haRestart=%q", vm.Power, vm.Autostart, vm.HARestart)
	line("host %s pool=%s%s", vm.Host, vm.Pool, vm.HalfHost.dump())
	for slot, d := range vm.Disks {
		line("disk %s %s format=%s bus=%s serial=%q cache=%q bootOrder=%d%s", slot, d.Endpoint, d.Format, d.Bus, d.Serial, d.Cache, d.BootOrder, d.Half.dump())
	}
	for slot, n := range vm.NICs {
		line("nic %s %s mac=%s model=%s disconnected=%t", slot, n.Network, n.MAC, n.Model, n.Disconnected)
	}
	if t := s.Tasks[vm.ID]; t != nil {
		line("task power %s", t.Power)
	}
	return out
}

func (h *Half) dump() string {
	if h == nil {
		return ""
	}
	return fmt.Sprintf(" HALF-MADE by %s: %s to %s", h.Change, h.From.Text, h.To.Text)
}

func (p *Promotion) dump() string {
	if p == nil {
		return "none"
	}
	return fmt.Sprintf("as=%s restorePoint=%s kept=%s volumes=%v", p.As, p.RestorePoint, p.Kept, p.Volumes)
}
