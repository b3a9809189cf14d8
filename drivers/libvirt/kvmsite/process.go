package kvmsite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Every process that the rig starts carries these two, and so does what it starts itself.
const (
	siteVariable = "HOTSPARE_KVM_SITE" // the site's folder
	roleVariable = "HOTSPARE_KVM_ROLE" // what it is: a host, net-NAME, nbd, iscsi
)

// process is one running process of a site.
type process struct {
	pid, parent int
	role, name  string
	isInit      bool // the first of a namespace of processes
	stopped     bool
}

// processes lists a site's processes. Those inside a host that clear their environment, as
// QEMU, are not among them: they end with their host.
func processes(dir string) ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var list []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		environment, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "environ"))
		if err != nil {
			continue // it ended just now
		}
		variables := bytes.Split(environment, []byte{0})
		if !slices.ContainsFunc(variables, func(v []byte) bool { return string(v) == siteVariable+"="+dir }) {
			continue
		}
		p := process{pid: pid}
		for _, v := range variables {
			if role, ok := strings.CutPrefix(string(v), roleVariable+"="); ok {
				p.role = role
			}
		}
		if p.readStatus() {
			list = append(list, p)
		}
	}
	return list, nil
}

// readStatus fills in what the kernel tells; false once the process has ended.
func (p *process) readStatus() bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		switch key {
		case "Name":
			p.name = fields[0]
		case "State":
			if fields[0] == "Z" || fields[0] == "X" {
				return false
			}
			p.stopped = fields[0] == "T"
		case "PPid":
			p.parent, _ = strconv.Atoi(fields[0])
		case "NSpid":
			p.isInit = len(fields) > 1 && fields[len(fields)-1] == "1"
		}
	}
	return true
}

// leader gives the process that a role began with; nil while there is none.
func leader(list []process, role string) *process {
	member := map[int]bool{}
	for _, p := range list {
		if p.role == role {
			member[p.pid] = true
		}
	}
	var first *process
	for _, p := range list {
		if p.role == role && p.isInit {
			return &p
		}
		if p.role == role && !member[p.parent] && first == nil {
			first = &p
		}
	}
	return first
}

// start begins a process that outlives this one. Its output goes to the file log.
func (s *Site) start(role string, flags uintptr, log string, argv ...string) (int, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", role, err)
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = s.environment(role)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: flags}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start %s: %w", role, err)
	}
	go func() { _ = cmd.Wait() }() // reaped here while this process lives, by init afterwards
	return cmd.Process.Pid, nil
}

func (s *Site) environment(role string) []string {
	return append(os.Environ(), siteVariable+"="+s.dir, roleVariable+"="+role)
}

// end kills processes and waits until they are gone, with all that lived in their namespaces.
func end(ctx context.Context, list []process) error {
	var errs []error
	for _, p := range list {
		if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("end process %d (%s, %s): %w", p.pid, p.role, p.name, err))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for _, p := range list {
		what := fmt.Sprintf("process %d (%s, %s) has ended", p.pid, p.role, p.name)
		errs = append(errs, poll(ctx, what, func() (bool, error) { return !p.readStatus(), nil }))
	}
	return errors.Join(errs...)
}
