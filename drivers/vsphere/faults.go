package vsphere

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

// vimFault gives the vSphere fault in an error, or nil.
func vimFault(err error) types.BaseMethodFault {
	if err == nil {
		return nil
	}
	var f types.BaseMethodFault
	if _, ok := fault.As(err, &f); !ok {
		return nil
	}
	return f
}

func isFault(err error) bool { return vimFault(err) != nil }

// isGone reports an object that vCenter does not have any more.
func isGone(err error) bool {
	_, gone := vimFault(err).(*types.ManagedObjectNotFound)
	return gone
}

func isFileMissing(err error) bool {
	_, missing := vimFault(err).(*types.FileNotFound)
	return missing
}

// classify gives the kind of a vSphere fault and, where a person has to do something,
// what.
func classify(f types.BaseMethodFault) (drivers.ErrorKind, string) {
	switch f := f.(type) {
	case *types.TaskInProgress, *types.ConcurrentAccess, *types.ResourceInUse, *types.FileLocked:
		return drivers.Busy, ""
	case *types.ManagedObjectNotFound, *types.FileNotFound, *types.NotFound, *types.InvalidDatastore:
		return drivers.NotFound, "check that it was not removed at the site"
	case *types.NoPermission:
		return drivers.Refused, "grant the account the privilege " + f.PrivilegeId
	case *types.RestrictedVersion, *types.LicenseRestricted, *types.NotEnoughLicenses:
		return drivers.Refused, "check the licences in vCenter"
	case *types.InsufficientFailoverResourcesFault:
		return drivers.Refused, "HA admission control refuses it: free room or relax admission control"
	case *types.QuestionPending:
		return drivers.Refused, "answer the VM's question in vCenter"
	case *types.NoDiskSpace:
		return drivers.Refused, "free room on the datastore"
	case *types.DuplicateName, *types.AlreadyExists, *types.FileAlreadyExists:
		return drivers.Refused, "rename or remove what has the name already"
	case types.BaseInsufficientResourcesFault:
		return drivers.Refused, "free room on the host"
	case types.BaseInvalidVmConfig, *types.InvalidArgument, *types.NotSupported, *types.MethodNotFound, *types.InvalidName:
		return drivers.Invalid, "report this as a defect of the driver, with the configuration of the VM"
	default:
		// States that change by themselves, hosts out of reach, tasks that were cancelled
		// and what this driver does not know: the caller tries again, and holds at last.
		return drivers.Unavailable, ""
	}
}

// thumbprintNext is what to do about a certificate that is another one than configured.
const thumbprintNext = "compare with the thumbprint that vCenter's administrator gives; if the certificate was renewed, configure the new thumbprint"

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
		// One among others: its kind, and all their texts.
		return &drivers.Error{Kind: known.Kind, Op: op, Object: object, Cause: err, Next: known.Next, Attribute: known.Attribute, Found: known.Found}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	e := &drivers.Error{Kind: drivers.Unavailable, Op: op, Object: object, Cause: err}
	if errors.Is(err, errThumbprint) {
		e.Next = thumbprintNext
		return e
	}
	var login *loginError
	if errors.As(err, &login) {
		e.Next = "check the account and its password, and that vCenter is up"
		return e
	}
	if f := vimFault(err); f != nil {
		e.Kind, e.Next = classify(f)
		e.Cause = fmt.Errorf("%s (%s)", faultText(err, f), faultName(f))
	}
	return e
}

// faultText gives the words for people in a fault, which vSphere puts in many places.
func faultText(err error, f types.BaseMethodFault) string {
	text := err.Error()
	switch f := f.(type) {
	case *types.FileNotFound:
		text += " " + f.File
	case *types.ManagedObjectNotFound:
		text += " " + f.Obj.Value
	case *types.DuplicateName:
		text += " " + f.Name
	}
	if cause := f.GetMethodFault().FaultCause; cause != nil && cause.LocalizedMessage != "" {
		text += ": " + cause.LocalizedMessage
	}
	return text
}

func faultName(f types.BaseMethodFault) string {
	t := reflect.TypeOf(f)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}
