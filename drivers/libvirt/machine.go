package libvirt

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"libvirt.org/go/libvirt"

	"github.com/hotspare/hotspare/drivers"
)

// machine is one domain as one host has it, at one moment.
type machine struct {
	host      *host
	uuid      string
	name      string
	state     libvirt.DomainState
	ioError   bool // it is paused, for its storage failed
	saved     bool // it has a managed-save image
	autostart bool
	snapshots int // and checkpoints
	xml       string
	tree      *node // of xml: the definition that its next start uses
	live      *node // what runs; nil while it is off
	mark      mark
}

// running reports whether it has a QEMU: one that is paused, by an I/O error or somebody's
// hand, has.
func (m *machine) running() bool { return m.live != nil }

// power gives the power property's text.
func (m *machine) power() string {
	switch {
	case m.running():
		return drivers.On
	case m.saved:
		return drivers.Suspended
	}
	return drivers.Off
}

// current is what it runs with, or will.
func (m *machine) current() *node {
	if m.live != nil {
		return m.live
	}
	return m.tree
}

// readMachine reads one domain.
func readMachine(h *host, dom *libvirt.Domain) (*machine, error) {
	m := &machine{host: h}
	var err error
	if m.uuid, err = dom.GetUUIDString(); err != nil {
		return nil, err
	}
	m.uuid = strings.ToLower(m.uuid)
	if m.name, err = dom.GetName(); err != nil {
		return nil, err
	}
	reason := 0
	if m.state, reason, err = dom.GetState(); err != nil {
		return nil, err
	}
	m.ioError = m.state == libvirt.DOMAIN_PAUSED && libvirt.DomainPausedReason(reason) == libvirt.DOMAIN_PAUSED_IOERROR
	// With its secrets: without them, defining it again would take them away.
	if m.xml, err = dom.GetXMLDesc(libvirt.DOMAIN_XML_INACTIVE | libvirt.DOMAIN_XML_SECURE); err != nil {
		return nil, err
	}
	if m.tree, err = parseTree(m.xml); err != nil {
		return nil, err
	}
	m.mark = readMark(m.tree)
	if m.state != libvirt.DOMAIN_SHUTOFF {
		text, err := dom.GetXMLDesc(0)
		if err != nil {
			return nil, err
		}
		live, err := parseTree(text)
		if err != nil {
			return nil, err
		}
		if live.attr("id") != "" { // it may have gone down since its state was read
			m.live = live
		}
	}
	if m.saved, err = dom.HasManagedSaveImage(0); err != nil {
		return nil, err
	}
	if m.autostart, err = dom.GetAutostart(); err != nil {
		return nil, err
	}
	snapshots, err := dom.SnapshotNum(0)
	if err != nil {
		return nil, err
	}
	checkpoints, err := dom.ListAllCheckpoints(0)
	for i := range checkpoints {
		_ = checkpoints[i].Free()
	}
	if err != nil && code(err) != libvirt.ERR_NO_SUPPORT && code(err) != libvirt.ERR_OPERATION_UNSUPPORTED {
		return nil, err
	}
	m.snapshots = snapshots + len(checkpoints)
	return m, nil
}

// lookUp gives a domain of one host; nil where the host has none of this UUID.
func lookUp(ctx context.Context, h *host, uuid string) (*machine, error) {
	m, err := read(ctx, h, func(conn *libvirt.Connect) (*machine, error) {
		dom, err := conn.LookupDomainByUUIDString(uuid)
		if err != nil {
			return nil, err
		}
		defer dom.Free()
		return readMachine(h, dom)
	})
	if isAbsent(err) || code(err) == libvirt.ERR_INVALID_ARG { // the second: no UUID at all
		return nil, nil
	}
	return m, err
}

// onDomain does something with a domain of a host, once.
func onDomain(ctx context.Context, m *machine, do func(*libvirt.Domain) error) error {
	_, err := call(ctx, m.host, func(conn *libvirt.Connect) (struct{}, error) {
		dom, err := conn.LookupDomainByUUIDString(m.uuid)
		if err != nil {
			return struct{}{}, err
		}
		defer dom.Free()
		return struct{}{}, do(dom)
	})
	return err
}

// define makes a text a domain's definition on a host.
func define(ctx context.Context, h *host, text string) error {
	_, err := call(ctx, h, func(conn *libvirt.Connect) (struct{}, error) {
		dom, err := conn.DomainDefineXML(text)
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, dom.Free()
	})
	return err
}

// findAll looks for a domain on all hosts. silent are the hosts that do not answer.
func (cl *cluster) findAll(ctx context.Context, uuid string) (found []*machine, silent []error, err error) {
	answers := onAll(ctx, cl.hosts, func(ctx context.Context, h *host) (*machine, error) { return lookUp(ctx, h, uuid) })
	for _, a := range answers {
		var gone *goneError
		switch {
		case errors.As(a.err, &gone):
			silent = append(silent, a.err)
		case a.err != nil:
			return nil, nil, a.err
		case a.value != nil:
			found = append(found, a.value)
		}
	}
	return found, silent, nil
}

// seek gives a domain, wherever it is; nil where it is nowhere for sure. While a host does
// not answer, nothing is sure.
func (cl *cluster) seek(ctx context.Context, uuid string) (*machine, error) {
	found, silent, err := cl.findAll(ctx, uuid)
	if err != nil {
		return nil, err
	}
	return cl.pick(uuid, found, silent)
}

// pick chooses among the hosts that define a domain. A move defines it on its new host,
// marked, before it undefines it on the old one: the marked one does not count beside
// another.
func (cl *cluster) pick(uuid string, found []*machine, silent []error) (*machine, error) {
	var real []*machine
	for _, m := range found {
		if m.mark.Moving == "" {
			real = append(real, m)
		}
	}
	switch {
	case len(real) == 1:
		return real[0], nil
	case len(real) > 1:
		return nil, drivers.Refusef("find", "VM "+real[0].name, "undefine the one that is not wanted",
			"it is defined on host %s and on host %s", real[0].host.name, real[1].host.name)
	case len(silent) > 0:
		return nil, cl.unsure(uuid, silent)
	case len(found) > 0:
		return found[0], nil
	}
	return nil, nil
}

// unsure says that a domain may be on a host that does not answer, and on which it was.
func (cl *cluster) unsure(uuid string, silent []error) error {
	where := ""
	for _, h := range cl.hosts {
		h.mu.Lock()
		if m := h.seen.find(uuid); h.gone && m != nil {
			where = fmt.Sprintf("; %s was on host %s", m.name, h.name)
		}
		h.mu.Unlock()
	}
	return drivers.Unavailablef("find", "VM "+uuid, "look at that host and its libvirtd",
		"no host that answers has it%s, and %w", where, errors.Join(silent...))
}

// machine gives a domain that must exist.
func (cl *cluster) machine(ctx context.Context, uuid string) (*machine, error) {
	m, err := cl.seek(ctx, uuid)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, drivers.NotFoundf("find", "VM "+uuid, "check that it was not removed at the site", "no host has a domain with this UUID")
	}
	return m, nil
}
