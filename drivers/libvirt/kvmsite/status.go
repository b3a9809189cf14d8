package kvmsite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Status is what runs of a site.
type Status struct {
	Dir   string
	Accel string // how guests run: "kvm", or "qemu" for QEMU's own emulation
	Hosts []HostStatus
	// Parts are the networks and the storage servers: "runs", "frozen" or "stopped" by name.
	Parts []PartStatus
	// Processes is how many there are, guests included, and MemoryMiB what they hold together:
	// shared pages are counted once.
	Processes, MemoryMiB int
}

// HostStatus is one host, production's included.
type HostStatus struct {
	Name, URI string
	State     string   // up, off, "libvirtd stopped", "libvirtd frozen" or "libvirtd does not answer"
	VMs       []string // name and state, where libvirtd answers
}

// PartStatus is one network or storage server.
type PartStatus struct{ Name, State string }

// Status tells what runs. A libvirtd that does not answer within two seconds is named as such.
func (s *Site) Status(ctx context.Context) (Status, error) {
	list, err := processes(s.dir)
	if err != nil {
		return Status{}, err
	}
	st := Status{Dir: s.dir, Accel: s.kernel.accel}
	hosts := append(s.Hosts(), s.Production())
	st.Hosts = make([]HostStatus, len(hosts))
	var wait sync.WaitGroup
	for i, h := range hosts {
		wait.Go(func() { st.Hosts[i] = h.status(ctx, list) })
	}
	wait.Wait()
	for _, n := range networks {
		st.Parts = append(st.Parts, PartStatus{"network " + n.Name, partState(list, n.role())})
	}
	for _, v := range []Server{s.NBD().Server, s.ISCSI().Server} {
		st.Parts = append(st.Parts, PartStatus{v.role + " server", partState(list, v.role)})
	}
	st.Processes, st.MemoryMiB = cost(list)
	return st, nil
}

func partState(list []process, role string) string {
	switch p := leader(list, role); {
	case p == nil:
		return "stopped"
	case p.stopped:
		return "frozen"
	}
	return "runs"
}

func (h Host) status(ctx context.Context, list []process) HostStatus {
	st := HostStatus{Name: h.Name, URI: h.URI(), State: "off"}
	if p := leader(list, h.Name); p == nil || !p.isInit {
		return st
	}
	st.State = "libvirtd stopped"
	for _, p := range list {
		if p.role != h.Name || p.name != "libvirtd" {
			continue
		}
		if st.State = "libvirtd frozen"; !p.stopped {
			st.State, st.VMs = h.vms(ctx)
		}
	}
	return st
}

// vms lists the host's VMs with their states.
func (h Host) vms(ctx context.Context) (state string, vms []string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	out, err := h.Virsh(ctx, "list", "--all")
	if err != nil {
		return "libvirtd does not answer", nil
	}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 2 {
			vms = append(vms, f[1]+" "+strings.Join(f[2:], " "))
		}
	}
	return "up", vms
}

// cost counts a site's processes and their memory, those in its hosts' namespaces included.
func cost(list []process) (count, mib int) {
	member, space := map[string]bool{}, map[string]bool{}
	for _, p := range list {
		pid := strconv.Itoa(p.pid)
		member[pid] = true
		if link, err := os.Readlink(filepath.Join("/proc", pid, "ns/pid")); err == nil && p.isInit {
			space[link] = true
		}
	}
	entries, _ := os.ReadDir("/proc")
	kib := 0
	for _, e := range entries {
		link, err := os.Readlink(filepath.Join("/proc", e.Name(), "ns/pid"))
		if err != nil || !member[e.Name()] && !space[link] {
			continue
		}
		count++
		usage, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "smaps_rollup"))
		for line := range strings.Lines(string(usage)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
				n, _ := strconv.Atoi(f[1])
				kib += n
			}
		}
	}
	return count, kib >> 10
}

// String is the status as a table for people.
func (st Status) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "site in %s, guests by %s, %d processes, %d MiB\n", st.Dir, st.Accel, st.Processes, st.MemoryMiB)
	for _, h := range st.Hosts {
		fmt.Fprintf(&b, "  %-8s %-18s %s\n", h.Name, h.State, h.URI)
		for _, vm := range h.VMs {
			fmt.Fprintf(&b, "             %s\n", vm)
		}
	}
	for _, p := range st.Parts {
		fmt.Fprintf(&b, "  %-18s %s\n", p.Name, p.State)
	}
	return b.String()
}
