package vsphere

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	// callLimit is how long one call to vCenter may take.
	callLimit = 60 * time.Second
	// dialLimit is how long making a connection may take.
	dialLimit = 15 * time.Second
	// connections are kept for as many calls at once as the limits of Describe allow.
	connections = 64
)

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

// newSession connects and logs in.
func newSession(ctx context.Context, s settings, observe func(soap.HasFault)) (*session, error) {
	tlsConfig, err := s.tlsConfig()
	if err != nil {
		return nil, err
	}
	client := soap.NewClient(s.url, false)
	client.UserAgent = "hotspare"
	transport := client.DefaultTransport()
	transport.Proxy = nil
	transport.MaxIdleConns = connections
	transport.MaxIdleConnsPerHost = connections
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: dialLimit}, Config: tlsConfig}
	transport.DialTLSContext = dialer.DialContext

	se := &session{settings: s, soap: client, observe: observe, logging: make(chan struct{}, 1)}
	bounded, cancel := limited(ctx, callLimit)
	defer cancel()
	if se.client, err = vim25.NewClient(bounded, client); err != nil {
		return nil, honest(ctx, bounded, err)
	}
	se.client.RoundTripper = se
	return se, se.login(ctx, 0)
}

// close logs out and drops the connections.
func (s *session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = s.call(ctx, &methods.LogoutBody{Req: &types.Logout{This: *s.client.ServiceContent.SessionManager}}, &methods.LogoutBody{})
	s.soap.CloseIdleConnections()
}

// tlsConfig trusts one certificate, one set of CAs, or those of the system.
func (s settings) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.url.Hostname()}
	if s.ca != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(s.ca) {
			return nil, invalidAttribute("ca_file", "holds no certificate as PEM")
		}
	}
	if s.thumbprint != nil {
		config.InsecureSkipVerify = true // the chain; the certificate itself is checked here:
		config.VerifyConnection = func(state tls.ConnectionState) error {
			sum := sha256.Sum256(state.PeerCertificates[0].Raw)
			if !bytes.Equal(sum[:], s.thumbprint) {
				return fmt.Errorf("%w: it is %X, configured is %X", errThumbprint, sum, s.thumbprint)
			}
			return nil
		}
	}
	return config, nil
}

var errThumbprint = errors.New("the server's certificate does not have the configured thumbprint")

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
