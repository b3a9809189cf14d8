package libvirt

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"libvirt.org/go/libvirt"

	"github.com/hotspare/hotspare/drivers"
)

// on starts a VM, from its managed-save image where it has one.
func (p powerOf) on(ctx context.Context, m *machine, progress func(drivers.Progress)) error {
	if err := p.mayRun(ctx, m); err != nil {
		return err
	}
	if m.saved {
		if err := p.sameDisksSaved(ctx, m); err != nil {
			return err
		}
	}
	progress(drivers.Progress{Message: "powering on"})
	err := create(ctx, m)
	if code(err) == libvirt.ERR_OPERATION_INVALID && strings.Contains(err.Error(), "already running") {
		err = nil
	}
	if err != nil {
		return err
	}
	// What runs is looked at, not believed: a saved image brings its own disks.
	now, err := lookUp(context.WithoutCancel(ctx), m.host, m.uuid)
	if err != nil || now == nil || !now.running() {
		return err // observe tells
	}
	for _, disk := range disks(now.tree) {
		slot := disk.kid("target").attr("dev")
		if running := findDisk(now.live, slot); running == nil || endpointOf(running) != endpointOf(disk) {
			stop := onDomain(context.WithoutCancel(ctx), m, func(dom *libvirt.Domain) error { return dom.Destroy() })
			return errors.Join(drivers.Refusef("power on", m.name, "look at what changed the VM meanwhile",
				"it ran on another disk %s than it is defined with, and was stopped", slot), stop)
		}
	}
	return nil
}

// create starts a VM. A start hangs where storage does: one that nobody waits for any more is
// ended, so that it does not stand in the way of the next change.
func create(ctx context.Context, m *machine) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	all := context.WithoutCancel(ctx)
	created := make(chan error, 1)
	go func() { created <- onDomain(all, m, func(dom *libvirt.Domain) error { return dom.Create() }) }()
	select {
	case err := <-created:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-created:
		return err
	case <-time.After(startPatience):
	}
	ended := onDomain(all, m, func(dom *libvirt.Domain) error { return dom.Destroy() })
	if err := <-created; err != nil {
		return errors.Join(err, ended)
	}
	return ended
}

// resume has a VM go on that is paused because its storage failed; while that is not back it is
// paused again. QEMU connects to a storage server behind the first request, which fails: one
// attempt is not enough.
func resume(ctx context.Context, m *machine) error {
	for range resumeTries {
		err := onDomain(ctx, m, func(dom *libvirt.Domain) error { return dom.Resume() })
		if err != nil && code(err) != libvirt.ERR_OPERATION_INVALID {
			return err
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return ctx.Err()
		}
		now, err := lookUp(ctx, m.host, m.uuid)
		if err != nil || now == nil || !now.ioError {
			return err
		}
	}
	return drivers.Unavailablef("resume", m.name, "look at the storage of its disks", "the VM is on, and paused by an I/O error of its storage")
}

// mayRun refuses to run a VM on a disk that is not there, that another one writes to, or
// that another one's disk hangs on, or whose parent another one writes to: a disk would be
// destroyed. QEMU's locks refuse some of this, for local files only.
func (p powerOf) mayRun(ctx context.Context, m *machine) error {
	all, err := p.readUsages(ctx)
	if err != nil {
		return err
	}
	for _, d := range p.disksOf(ctx, m) {
		if own := d.files[0]; strings.HasPrefix(own, "/") && p.visible(own) {
			if _, err := os.Stat(own); errors.Is(err, os.ErrNotExist) {
				return drivers.NotFoundf("power on", m.name, "give the VM another disk", "there is no file %s", own)
			}
		}
		for i, file := range d.files {
			parent := i > 0
			user := users(all, file, func(u usage, other usedDisk, own bool) bool {
				switch {
				case u.uuid == m.uuid, parent && !own, !parent && own && other.shared && d.shared, d.readOnly && other.readOnly:
					return false
				case !own:
					return !d.readOnly // a disk of u hangs on what m would write to
				}
				return u.inUse()
			})
			if user != nil {
				return drivers.Refusef("power on", m.name, "power that VM off first, or give one of them another disk",
					"its disk %s is used by VM %s too, on host %s", file, user.name, user.host.name)
			}
		}
	}
	return nil
}

// sameDisksSaved refuses to go on from a managed-save image that has other disks than the
// definition: it silently overrides it.
func (p powerOf) sameDisksSaved(ctx context.Context, m *machine) error {
	text, err := read(ctx, m.host, func(conn *libvirt.Connect) (string, error) {
		dom, err := conn.LookupDomainByUUIDString(m.uuid)
		if err != nil {
			return "", err
		}
		defer dom.Free()
		return dom.ManagedSaveGetXMLDesc(0)
	})
	if code(err) == libvirt.ERR_OPERATION_FAILED {
		// Some starts would go past a damaged image, and boot the VM afresh.
		return drivers.Refusef("power on", m.name, "remove the saved image, if its memory may be lost", "its managed-save image is damaged: %w", err)
	}
	if err != nil {
		return err
	}
	saved, err := parseTree(text)
	if err != nil {
		return err
	}
	for _, disk := range disks(m.tree) {
		slot := disk.kid("target").attr("dev")
		if d := findDisk(saved, slot); d == nil || endpointOf(d) != endpointOf(disk) {
			return drivers.Refusef("power on", m.name, "remove the saved image, or put the disk back",
				"its managed-save image has another disk %s than its definition", slot)
		}
	}
	return nil
}
