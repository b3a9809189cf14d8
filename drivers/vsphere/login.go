package vsphere

import (
	"context"
	"errors"
	"log/slog"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// expired reports whether an answer says that the session is over: by a fault, or, where
// properties were asked for, by the reason why one is missing.
func expired(response soap.HasFault, err error) bool {
	if err != nil {
		_, is := vimFault(err).(*types.NotAuthenticated)
		return is
	}
	body, ok := response.(*methods.RetrievePropertiesExBody)
	if !ok || body.Res == nil || body.Res.Returnval == nil {
		return false
	}
	for _, content := range body.Res.Returnval.Objects {
		for _, missing := range content.MissingSet {
			if _, is := missing.Fault.Fault.(*types.NotAuthenticated); is {
				return true
			}
		}
	}
	return false
}

func (s *session) loggedIn() int64 { return s.epoch.Load() }

// login logs in unless somebody else has done so since that epoch.
func (s *session) login(ctx context.Context, epoch int64) error {
	select {
	case s.logging <- struct{}{}:
		defer func() { <-s.logging }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.loggedIn() != epoch {
		return nil
	}
	request := &methods.LoginBody{Req: &types.Login{
		This:     *s.client.ServiceContent.SessionManager,
		UserName: s.settings.username,
		Password: s.settings.password,
		Locale:   "en_US",
	}}
	if err := s.call(ctx, request, &methods.LoginBody{}); err != nil {
		return &loginError{cause: err}
	}
	if epoch > 0 {
		slog.Warn("the session at vCenter had expired; logged in again", "vcenter", s.settings.url.Host)
	}
	s.epoch.Add(1)
	return nil
}

// loginError says that logging in failed, so that it is not taken for the fault of the
// call that needed it.
type loginError struct{ cause error }

func (e *loginError) Error() string { return "log in: " + e.cause.Error() }

// verify makes sure that the session is alive. An expired session has been seen to
// answer with empty data instead of a fault, so nothing counts as absent without this.
func (s *session) verify(ctx context.Context) error {
	epoch := s.loggedIn()
	for range 2 {
		var manager mo.SessionManager
		err := retrieveOne(ctx, s.client, *s.client.ServiceContent.SessionManager, []string{"currentSession"}, &manager)
		if err != nil {
			return err
		}
		if manager.CurrentSession != nil {
			return nil
		}
		if err := s.login(ctx, epoch); err != nil {
			return err
		}
		epoch = s.loggedIn()
	}
	return errors.New("vCenter keeps no session for us, though logging in succeeded")
}
