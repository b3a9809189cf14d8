package proto

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hotspare/hotspare/drivers"
)

// codeOf gives the gRPC code under which an error of a kind travels. Only people with
// gRPC tools see it: the kind itself is in the detail.
func codeOf(kind drivers.ErrorKind) codes.Code {
	switch kind {
	case drivers.Unavailable:
		return codes.Unavailable
	case drivers.Busy:
		return codes.Aborted
	case drivers.GraceOver:
		return codes.DeadlineExceeded
	case drivers.NotFound:
		return codes.NotFound
	case drivers.Invalid:
		return codes.InvalidArgument
	default:
		return codes.FailedPrecondition
	}
}

// FromError gives the status for what a driver returned; nil for nil. An error that is
// neither a [drivers.Error] nor the context's goes as Unavailable, as
// [drivers.KindOf] has it.
func FromError(err error) error {
	var e *drivers.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, err.Error())
	default:
		e = &drivers.Error{Kind: drivers.Unavailable, Op: "drive", Cause: err}
	}
	m := &Error{Kind: string(e.Kind), Op: e.Op, Object: e.Object, Next: e.Next, Attribute: e.Attribute}
	if e.Cause != nil {
		m.Cause = e.Cause.Error()
	}
	if e.Found != nil {
		m.Found = FromValue(*e.Found)
	}
	// Protobuf and HTTP/2 carry UTF-8 only, and a hypervisor's message may be anything.
	for _, text := range []*string{&m.Kind, &m.Op, &m.Object, &m.Cause, &m.Next, &m.Attribute} {
		*text = strings.ToValidUTF8(*text, "\uFFFD")
	}
	plain := status.New(codeOf(e.Kind), strings.ToValidUTF8(e.Error(), "\uFFFD"))
	if detailed, detailErr := plain.WithDetails(m); detailErr == nil {
		return detailed.Err()
	}
	return plain.Err()
}

// ToError gives what a driver returned at the other end of a call: a [*drivers.Error],
// or the context's error where the call's context ended; nil for nil. op and object are
// for an error that did not come from the driver.
func ToError(ctx context.Context, err error, op, object string) error {
	if err == nil {
		return nil
	}
	s, ok := status.FromError(err)
	if ok {
		for _, detail := range s.Details() {
			if m, isError := detail.(*Error); isError {
				return toDriverError(m)
			}
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, bounded := ctx.Deadline(); bounded && s.Code() == codes.DeadlineExceeded {
		return context.DeadlineExceeded // the other end's clock was a little faster
	}
	e := &drivers.Error{Kind: drivers.Unavailable, Op: op, Object: object, Cause: errors.New(s.Message())}
	switch s.Code() {
	case codes.Unavailable:
		e.Cause = errors.New("the driver's process is gone: " + s.Message())
	case codes.Unimplemented:
		e.Kind, e.Next = drivers.Invalid, "install a driver of this hotspare's version"
	}
	return e
}

func toDriverError(m *Error) *drivers.Error {
	e := &drivers.Error{
		Kind: drivers.ErrorKind(m.Kind), Op: m.Op, Object: m.Object, Cause: errors.New(m.Cause), Next: m.Next, Attribute: m.Attribute,
	}
	if m.Found != nil {
		found := ToValue(m.Found)
		e.Found = &found
	}
	return e
}
