package drivers

import (
	"errors"
	"fmt"
	"strings"
)

// ErrorKind says what went wrong, in the one respect that matters to a caller: what to
// do next.
type ErrorKind string

// The kinds of errors, and beside each what the caller does.
const (
	// Unavailable: the hypervisor, the network or the session failed. Retry with backoff.
	Unavailable ErrorKind = "unavailable"
	// Busy: something else is at work on the target. Wait and apply again; this is no
	// failed attempt.
	Busy ErrorKind = "busy"
	// GraceOver: the guest did not go down within the grace. Escalate: apply again with
	// Force where that is allowed.
	GraceOver ErrorKind = "grace-over"
	// Drift: the value at the site is none that the change expects; Found holds it. Hold
	// for a person.
	Drift ErrorKind = "drift"
	// Refused: the hypervisor needs a person (a question is pending, admission control, a
	// snapshot in the way). Hold.
	Refused ErrorKind = "refused"
	// NotFound: the target, or what the goal names, does not exist. Hold.
	NotFound ErrorKind = "not-found"
	// Invalid: the call itself is wrong, or the driver cannot do it. Never retry.
	Invalid ErrorKind = "invalid"
)

// Reaction is what a caller does about an error.
type Reaction string

// The reactions.
const (
	Retry    Reaction = "retry"
	Wait     Reaction = "wait"
	Escalate Reaction = "escalate"
	Hold     Reaction = "hold"
	Never    Reaction = "never"
)

// Reaction gives what a caller does about an error of this kind. A kind that is not
// known is held for a person.
func (k ErrorKind) Reaction() Reaction {
	switch k {
	case Unavailable:
		return Retry
	case Busy:
		return Wait
	case GraceOver:
		return Escalate
	case Invalid:
		return Never
	default:
		return Hold
	}
}

// Error is what went wrong in a driver: the operation, the object, the cause and the
// next step. It survives the way through gRPC whole, but for the wrapped cause, of which
// only the text does.
type Error struct {
	Kind   ErrorKind
	Op     string // "power off", "log in"
	Object string // "pay-db-01", "disk scsi0:0 of pay-db-01"
	Cause  error  // never nil
	Next   string // what a person can do about it; empty where the caller does it
	// Attribute of the configuration block that is wrong, for Invalid from Configure.
	Attribute string
	// Found is the value at the site, for Drift.
	Found *Value
}

// Error gives "operation object: cause; next step". A next step that the cause says already
// is not said again.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Object != "" {
		b.WriteString(" " + e.Object)
	}
	if e.Cause != nil {
		b.WriteString(": " + e.Cause.Error())
	}
	if e.Next != "" && !strings.HasSuffix(b.String(), "; "+e.Next) {
		b.WriteString("; " + e.Next)
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Refusef makes an error of kind Refused: the operation, the object, the next step, and
// the cause as [fmt.Errorf] has it.
func Refusef(op, object, next, cause string, args ...any) error {
	return &Error{Kind: Refused, Op: op, Object: object, Cause: fmt.Errorf(cause, args...), Next: next}
}

// NotFoundf is Refusef for kind NotFound.
func NotFoundf(op, object, next, cause string, args ...any) error {
	return &Error{Kind: NotFound, Op: op, Object: object, Cause: fmt.Errorf(cause, args...), Next: next}
}

// Unavailablef is Refusef for kind Unavailable.
func Unavailablef(op, object, next, cause string, args ...any) error {
	return &Error{Kind: Unavailable, Op: op, Object: object, Cause: fmt.Errorf(cause, args...), Next: next}
}

// Invalidf is Refusef for kind Invalid, which is the caller's mistake: there is no next
// step.
func Invalidf(op, object, cause string, args ...any) error {
	return &Error{Kind: Invalid, Op: op, Object: object, Cause: fmt.Errorf(cause, args...)}
}

// InvalidAttribute is the error of Configure about one attribute of the block, or about
// the block where name is "".
func InvalidAttribute(name, problem string) error {
	return &Error{
		Kind: Invalid, Op: "configure", Object: name, Attribute: name,
		Cause: errors.New(problem), Next: "correct the cluster's config block",
	}
}

// KindOf gives the kind of a driver's error, Unavailable for an error that is none, and
// "" for nil.
func KindOf(err error) ErrorKind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Unavailable
}
