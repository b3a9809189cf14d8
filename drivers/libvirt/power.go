package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"libvirt.org/go/libvirt"

	"github.com/hotspare/hotspare/drivers"
)

const (
	// askAgain is how long a guest is left before it is asked again to shut down: a request
	// during its boot is lost.
	askAgain = 2 * time.Second
	// lookAgain is how long an event is waited for before the state is read anyway.
	lookAgain = 250 * time.Millisecond
)

// powerOf is the power of one VM.
type powerOf struct {
	*cluster
	uuid string
}

func (p powerOf) observe(ctx context.Context) (drivers.Value, error) {
	m, err := p.machine(ctx, p.uuid)
	if err != nil {
		return drivers.Value{}, err
	}
	return drivers.Value{Text: m.power()}, nil
}

func (p powerOf) apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	m, err := p.machine(ctx, p.uuid)
	if err != nil {
		return drivers.Value{}, err
	}
	op := "power " + c.Goal.Text
	found := drivers.Value{Text: m.power()}
	if sameText(found, c.Goal) {
		return found, nil
	}
	if err := expected(c, op, m.name, found, sameText); err != nil {
		return drivers.Value{}, err
	}
	switch c.Goal.Text {
	case drivers.On:
		err = p.on(ctx, m, progress)
	case drivers.Off:
		err = p.off(ctx, m, c, progress)
	case drivers.Suspended:
		err = p.suspend(ctx, m, progress)
	default:
		err = invalid("set power of", m.name, "%q is none of off, on and suspended", c.Goal.Text)
	}
	if err != nil {
		return drivers.Value{}, fail(op, m.name, err)
	}
	value, err := p.observe(ctx)
	if err == nil && !sameText(value, c.Goal) {
		err = unavailable(op, m.name, "", "libvirt reported success, but the VM is %s", value.Text)
	}
	return value, err
}

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
	err := onDomain(ctx, m, func(dom *libvirt.Domain) error { return dom.Create() })
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
			return errors.Join(refuse("power on", m.name, "look at what changed the VM meanwhile",
				"it ran on another disk %s than it is defined with, and was stopped", slot), stop)
		}
	}
	return nil
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
				return notFound("power on", m.name, "give the VM another disk", "there is no file %s", own)
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
				return refuse("power on", m.name, "power that VM off first, or give one of them another disk",
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
			return refuse("power on", m.name, "remove the saved image, or put the disk back",
				"its managed-save image has another disk %s than its definition", slot)
		}
	}
	return nil
}

// suspend keeps the memory of a VM that we made. A standby VM is never suspended: its
// memory would go with the disks that are swapped under it.
func (p powerOf) suspend(ctx context.Context, m *machine, progress func(drivers.Progress)) error {
	if m.mark.Owner.Site != p.settings.site {
		return refuse("suspend", m.name, "choose on or off", "only a VM that was made for a workspace is suspended")
	}
	if !m.running() {
		return refuse("suspend", m.name, "power it on first", "the VM is %s", m.power())
	}
	progress(drivers.Progress{Message: "saving its memory"})
	return onDomain(ctx, m, func(dom *libvirt.Domain) error { return dom.ManagedSave(0) })
}

// off asks the guest within the grace, then cuts it off where force allows that.
func (p powerOf) off(ctx context.Context, m *machine, c drivers.Change, progress func(drivers.Progress)) error {
	var why error
	if m.running() {
		if why = p.ask(ctx, m, c.Grace, progress); why == nil {
			return nil
		}
		if drivers.KindOf(why) != drivers.GraceOver {
			return why
		}
	} else {
		why = graceOver(m.name, errors.New("a suspended VM has no guest to ask, and loses its memory"))
	}
	if !c.Force {
		return why
	}
	progress(drivers.Progress{Message: "cutting it off"})
	err := onDomain(ctx, m, func(dom *libvirt.Domain) error {
		if m.running() {
			return dom.Destroy()
		}
		return dom.ManagedSaveRemove(0)
	})
	if code(err) == libvirt.ERR_OPERATION_INVALID {
		return nil // the guest went down by itself meanwhile; observe confirms it
	}
	return err
}

// ask has the guest shut down, and waits until the VM is off. GraceOver says that it is
// not off when the grace has passed.
func (p powerOf) ask(ctx context.Context, m *machine, grace time.Duration, progress func(drivers.Progress)) error {
	if grace <= 0 {
		return graceOver(m.name, errors.New("the guest was not asked to shut down, for there is no grace"))
	}
	over := time.Now().Add(grace)
	for time.Now().Before(over) {
		err := onDomain(ctx, m, func(dom *libvirt.Domain) error {
			if agentConnected(m.live) && dom.ShutdownFlags(libvirt.DOMAIN_SHUTDOWN_GUEST_AGENT) == nil {
				return nil
			}
			return dom.ShutdownFlags(libvirt.DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
		})
		if err != nil && code(err) != libvirt.ERR_OPERATION_INVALID { // it goes down already; the wait tells
			return err
		}
		progress(drivers.Progress{Message: "waiting for the guest to shut down"})
		off, err := p.waitOff(ctx, m, min(askAgain, time.Until(over)))
		if off || err != nil {
			return err
		}
	}
	return graceOver(m.name, fmt.Errorf("the guest did not shut down within %s", grace))
}

// waitOff waits so long for the VM to be off, by events and by looking, and reports
// whether it is.
func (p powerOf) waitOff(ctx context.Context, m *machine, limit time.Duration) (bool, error) {
	over := time.NewTimer(limit)
	defer over.Stop()
	for {
		event := m.host.changed.wait()
		active, err := read(ctx, m.host, func(conn *libvirt.Connect) (bool, error) {
			dom, err := conn.LookupDomainByUUIDString(m.uuid)
			if err != nil {
				return false, err
			}
			defer dom.Free()
			return dom.IsActive()
		})
		if err != nil || !active {
			return err == nil, err
		}
		select {
		case <-event:
		case <-time.After(lookAgain):
		case <-over.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// agentConnected reports whether the guest's agent listens.
func agentConnected(live *node) bool {
	for _, channel := range live.all("devices", "channel") {
		if t := channel.kid("target"); t.attr("name") == "org.qemu.guest_agent.0" && t.attr("state") == "connected" {
			return true
		}
	}
	return false
}

func graceOver(name string, cause error) error {
	return &drivers.Error{Kind: drivers.GraceOver, Op: "shut down the guest of", Object: name, Cause: cause}
}
