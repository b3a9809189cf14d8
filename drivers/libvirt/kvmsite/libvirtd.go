package kvmsite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// libvirtd is the host's libvirtd; nil while none runs.
func (h Host) libvirtd() (*process, error) {
	list, err := processes(h.site.dir)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		if p.role == h.Name && p.name == "libvirtd" {
			return &p, nil
		}
	}
	return nil, nil
}

// Kill9 kills the host's libvirtd. Its guests go on.
func (h Host) Kill9(ctx context.Context) error {
	p, err := h.libvirtd()
	if err != nil || p == nil {
		return err
	}
	return end(ctx, []process{*p})
}

// Restart starts the host's libvirtd, where none runs, and waits until it answers.
func (h Host) Restart(ctx context.Context) error {
	p, err := h.init()
	if err != nil {
		return err
	}
	if p == nil {
		return fmt.Errorf("start libvirtd of %s: the host is off: PowerUp first", h.Name)
	}
	if running, err := h.libvirtd(); err != nil {
		return err
	} else if running == nil {
		if err := h.startLibvirtd(ctx, p.pid); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var last error
	err = poll(ctx, "libvirtd of "+h.Name+" answers", func() (bool, error) {
		_, last = h.Virsh(ctx, "uri")
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w: read %s", err, last, h.path("log", "libvirtd.log"))
	}
	return nil
}

func (h Host) startLibvirtd(ctx context.Context, pid int) error {
	// A child of a libvirtd that was killed may hold its lock for a moment longer.
	if err := poll(ctx, "the pidfile of libvirtd of "+h.Name+" is free", h.pidfileFree); err != nil {
		return err
	}
	argv := h.enter(pid, "libvirtd", "-d", "-f", "/etc/libvirt/libvirtd.conf", "-p", "/run/libvirt/libvirtd.pid")
	argv = append([]string{"env", siteVariable + "=" + h.site.dir, roleVariable + "=" + h.Name}, argv...)
	if _, err := run(ctx, argv[0], argv[1:]...); err != nil {
		return fmt.Errorf("start libvirtd of %s: %w", h.Name, err)
	}
	return nil
}

// pidfileFree reports whether a new libvirtd can take its pidfile: whether nobody has it
// locked.
func (h Host) pidfileFree() (bool, error) {
	f, err := os.Open(h.path("run", "libvirtd.pid"))
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	lock := syscall.Flock_t{Type: syscall.F_WRLCK}
	err = syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &lock)
	return lock.Type == syscall.F_UNLCK, err
}

// Freeze stops the host's libvirtd without ending it: it holds its connections and answers
// nobody. Guests go on.
func (h Host) Freeze() error { return h.signal(syscall.SIGSTOP) }

// Thaw lets a frozen libvirtd go on.
func (h Host) Thaw() error { return h.signal(syscall.SIGCONT) }

func (h Host) signal(sig syscall.Signal) error {
	p, err := h.libvirtd()
	if err != nil {
		return err
	}
	if p == nil {
		return fmt.Errorf("signal libvirtd of %s: none runs: Restart it first", h.Name)
	}
	if err := syscall.Kill(p.pid, sig); err != nil {
		return fmt.Errorf("signal libvirtd of %s: %w", h.Name, err)
	}
	return nil
}
