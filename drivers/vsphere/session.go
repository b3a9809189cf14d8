package vsphere

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"
)

// callLimit is how long one call to vCenter may take.
const callLimit = 60 * time.Second

// session is the driver's one session at vCenter. It logs in when first used, and again
// when the session has expired; the call that found out is then repeated. It may be used
// from many goroutines.
type session struct {
	settings settings
	soap     *soap.Client
	// observe is told of every call, where it is set; tests count with it.
	observe func(request soap.HasFault)
	client  *vim25.Client

	logging chan struct{} // full while somebody logs in
	epoch   atomic.Int64  // how often it has logged in
}

// RoundTrip makes one call within its limit, and makes it again after a new login where
// vCenter says that the session has expired.
func (s *session) RoundTrip(ctx context.Context, request, response soap.HasFault) error {
	epoch := s.loggedIn()
	err := s.call(ctx, request, response)
	if !expired(response, err) {
		return err
	}
	if err := s.login(ctx, epoch); err != nil {
		return err
	}
	reflect.ValueOf(response).Elem().SetZero() // or the old fault would be found in it
	return s.call(ctx, request, response)
}

func (s *session) call(ctx context.Context, request, response soap.HasFault) error {
	if s.observe != nil {
		s.observe(request)
	}
	bounded, cancel := limited(ctx, callLimit)
	defer cancel()
	err := s.soap.RoundTrip(bounded, request, response)
	return honest(ctx, bounded, err)
}

var errNoAnswer = errors.New("no answer")

// limited bounds ctx; the cause of its end is then that there was no answer.
func limited(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w within %s", errNoAnswer, limit))
}

// honest gives the caller's own end as such, and the end of our limit as no answer.
func honest(ctx, bounded context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case bounded.Err() != nil:
		return context.Cause(bounded)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		// The network's own limit, which the standard library calls by the same name.
		return errors.New(err.Error())
	default:
		return err
	}
}

// do makes one HTTP request for a file, and makes it again after a new login where the
// session has expired. make is called for each attempt.
func (s *session) do(ctx context.Context, make func(ctx context.Context) (*http.Request, error), use func(*http.Response) error) error {
	for attempt := 0; ; attempt++ {
		epoch := s.loggedIn()
		expired := false
		err := func() error {
			bounded, cancel := limited(ctx, callLimit)
			defer cancel()
			request, err := make(bounded)
			if err != nil {
				return err
			}
			response, err := s.soap.Client.Do(request)
			if err != nil {
				return honest(ctx, bounded, err)
			}
			defer response.Body.Close()
			if response.StatusCode == http.StatusUnauthorized && attempt == 0 {
				expired = true
				return nil
			}
			return honest(ctx, bounded, use(response))
		}()
		if !expired {
			return err
		}
		if err := s.login(ctx, epoch); err != nil {
			return err
		}
	}
}
