package vsphere

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/hotspare/hotspare/drivers"
)

const (
	// dialLimit is how long making a connection may take.
	dialLimit = 15 * time.Second
	// connections are kept for as many calls at once as the limits of Describe allow.
	connections = 64
)

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
			return nil, drivers.InvalidAttribute("ca_file", "holds no certificate as PEM")
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
