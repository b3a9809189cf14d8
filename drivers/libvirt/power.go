package libvirt

import (
	"context"
	"errors"
	"fmt"
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
	// startPatience is how long a start may go on when its caller has given up.
	startPatience = 3 * time.Second
	// resumeTries is how often a VM is resumed whose storage failed, lookAgain apart.
	resumeTries = 8
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
	return powerValue(m), nil
}

func (p powerOf) apply(ctx context.Context, c drivers.Change, progress func(drivers.Progress)) (drivers.Value, error) {
	m, err := p.machine(ctx, p.uuid)
	if err != nil {
		return drivers.Value{}, err
	}
	op := "power " + c.Goal.Text
	found := powerValue(m)
	if drivers.SameText(found, c.Goal) {
		if len(c.Goal.Rest) > 0 && wantsAutostart(c.Goal) != m.autostart {
			if err := setAutostart(ctx, m, c.Goal); err != nil {
				return drivers.Value{}, fail(op, m.name, err)
			}
			return p.observe(ctx)
		}
		if m.ioError && c.Goal.Text == drivers.On {
			if err := resume(ctx, m); err != nil {
				return drivers.Value{}, fail("resume", m.name, err)
			}
		}
		return found, nil
	}
	if err := c.CheckExpected(op, m.name, found, drivers.SameText); err != nil {
		return drivers.Value{}, err
	}
	if m.autostart != wantsAutostart(c.Goal) && (c.Goal.Text == drivers.Off || len(c.Goal.Rest) > 0) {
		if err := setAutostart(ctx, m, c.Goal); err != nil {
			return drivers.Value{}, fail(op, m.name, err)
		}
	}
	switch c.Goal.Text {
	case drivers.On:
		err = p.on(ctx, m, progress)
	case drivers.Off:
		err = p.off(ctx, m, c, progress)
	case drivers.Suspended:
		err = p.suspend(ctx, m, progress)
	default:
		err = drivers.Invalidf("set power of", m.name, "%q is none of off, on and suspended", c.Goal.Text)
	}
	if err != nil {
		return drivers.Value{}, fail(op, m.name, err)
	}
	value, err := p.observe(ctx)
	if err == nil && !drivers.SameText(value, c.Goal) {
		err = drivers.Unavailablef(op, m.name, "", "libvirt reported success, but the VM is %s", value.Text)
	}
	return value, err
}

// suspend keeps the memory of a VM that we made. A standby VM is never suspended: its
// memory would go with the disks that are swapped under it.
func (p powerOf) suspend(ctx context.Context, m *machine, progress func(drivers.Progress)) error {
	if m.mark.Owner.Site != p.settings.site {
		return drivers.Refusef("suspend", m.name, "choose on or off", "only a VM that was made for a workspace is suspended")
	}
	if !m.running() {
		return drivers.Refusef("suspend", m.name, "power it on first", "the VM is %s", m.power())
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

// ask has the guest shut down, and waits until the VM is off: first by the power button, and
// where that does not help by its agent too, for libvirt waits for an agent that hangs, and
// the call with it. GraceOver says that the VM is not off when the grace has passed.
func (p powerOf) ask(ctx context.Context, m *machine, grace time.Duration, progress func(drivers.Progress)) error {
	if grace <= 0 {
		return graceOver(m.name, errors.New("the guest was not asked to shut down, for there is no grace"))
	}
	over := time.Now().Add(grace)
	for pressed := false; time.Now().Before(over); pressed = true {
		err := onDomain(ctx, m, func(dom *libvirt.Domain) error {
			if pressed && agentConnected(m.live) && !m.host.addresses.agentHangs(m) && dom.ShutdownFlags(libvirt.DOMAIN_SHUTDOWN_GUEST_AGENT) == nil {
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
