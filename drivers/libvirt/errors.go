package libvirt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"libvirt.org/go/libvirt"

	"github.com/hotspare/hotspare/drivers"
)

// errLost says that a connection ended under a call: what the call did is not known.
var errLost = errors.New("the connection to libvirtd was lost")

// errSilent says that a new connection was not made in its time: libvirtd is slow, or frozen.
var errSilent = errors.New("libvirtd does not accept a connection")

// goneError says that a host does not answer.
type goneError struct {
	host  string
	cause error
}

func (e *goneError) Error() string { return "host " + e.host + " does not answer: " + e.cause.Error() }
func (e *goneError) Unwrap() error { return e.cause }

// code gives libvirt's error code in err; ERR_OK where it holds none.
func code(err error) libvirt.ErrorNumber {
	var e libvirt.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return libvirt.ERR_OK
}

// isAbsent reports a domain, network, pool or volume that does not exist.
func isAbsent(err error) bool {
	switch code(err) {
	case libvirt.ERR_NO_DOMAIN, libvirt.ERR_NO_NETWORK, libvirt.ERR_NO_STORAGE_POOL, libvirt.ERR_NO_STORAGE_VOL:
		return true
	}
	return false
}

// classify gives the kind of one of libvirt's errors and, where a person has to do
// something, what. Many of its errors have one code, and are told by their text.
func classify(e libvirt.Error) (drivers.ErrorKind, string) {
	says := func(text string) bool { return strings.Contains(e.Message, text) }
	switch {
	case says("No space left"):
		return drivers.Refused, "free room in the pool"
	case says(`Failed to get "write" lock`), says(`Failed to get shared "write" lock`):
		return drivers.Refused, "another guest runs on the disk: power it off, or give this VM a clone"
	case says("No such file or directory") && e.Code != libvirt.ERR_RPC && e.Domain != libvirt.FROM_RPC:
		return drivers.NotFound, "check the storage of the host"
	case says("already exists"), says("already defined"):
		return drivers.Refused, "rename or remove what has the name already"
	}
	switch e.Code {
	case libvirt.ERR_NO_DOMAIN, libvirt.ERR_NO_NETWORK, libvirt.ERR_NO_STORAGE_POOL, libvirt.ERR_NO_STORAGE_VOL:
		return drivers.NotFound, "check that it was not removed at the site"
	case libvirt.ERR_OPERATION_TIMEOUT, libvirt.ERR_RESOURCE_BUSY:
		return drivers.Busy, ""
	case libvirt.ERR_AUTH_FAILED, libvirt.ERR_AUTH_CANCELLED, libvirt.ERR_OPERATION_DENIED, libvirt.ERR_ACCESS_DENIED, libvirt.ERR_AUTH_UNAVAILABLE:
		return drivers.Refused, "grant the account the right to manage domains on this host"
	case libvirt.ERR_CONFIG_UNSUPPORTED, libvirt.ERR_OPERATION_UNSUPPORTED, libvirt.ERR_NO_SUPPORT:
		return drivers.Refused, "the host's libvirt or QEMU cannot do it: compare their versions and the domain's XML"
	case libvirt.ERR_XML_ERROR, libvirt.ERR_XML_DETAIL, libvirt.ERR_XML_INVALID_SCHEMA, libvirt.ERR_INVALID_ARG:
		return drivers.Invalid, "report this as a defect of the driver, with the domain's XML"
	default:
		// Starts that failed, states that change by themselves, connections: the caller tries
		// again, and holds at last.
		return drivers.Unavailable, ""
	}
}

// fail makes the contract's error of err. The context's own errors, and the contract's,
// stay what they are.
func fail(op, object string, err error) error {
	var known *drivers.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		if known == err {
			return err
		}
		return &drivers.Error{Kind: known.Kind, Op: op, Object: object, Cause: err, Next: known.Next, Attribute: known.Attribute, Found: known.Found}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	e := &drivers.Error{Kind: drivers.Unavailable, Op: op, Object: object, Cause: err}
	var gone *goneError
	var at libvirt.Error
	switch {
	case errors.As(err, &gone):
		e.Next = "look at the host and its libvirtd"
	case errors.Is(err, errLost):
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Kind, e.Next = drivers.Refused, "free room in the pool"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EPERM):
		e.Kind, e.Next = drivers.Refused, "let the driver's account read and write there"
	case errors.Is(err, syscall.ENAMETOOLONG):
		e.Kind, e.Next = drivers.Invalid, "choose a shorter name"
	case errors.As(err, &at):
		e.Kind, e.Next = classify(at)
		e.Cause = fmt.Errorf("%s (libvirt code %d)", at.Message, at.Code)
	}
	return e
}
