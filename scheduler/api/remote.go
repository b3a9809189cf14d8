package api

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// NewRemote makes a client for the server that listens at this URL, with the site's bearer
// token. roots are the certificates that the server's must come from; nil: the system's.
// The token is sent in clear only to this machine: any other needs https.
func NewRemote(address, token string, roots *x509.CertPool) (*Client, error) {
	u, err := url.Parse(strings.TrimSuffix(address, "/"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("server %q: %w", address, err)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.Path != "", u.User != nil, u.RawQuery != "":
		return nil, fmt.Errorf("server %q: write it as https://host:port", address)
	case u.Scheme == "http" && !onThisMachine(u.Hostname()):
		return nil, fmt.Errorf("server %q: the token would cross the network in clear; write https://", address)
	case token == "":
		return nil, fmt.Errorf("server %q: a server on the network asks for a token; name the file that holds it: --token-file", address)
	}
	return &Client{at: address, base: u.String(), token: token, http: &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
