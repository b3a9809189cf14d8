package cli

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotspare/hotspare/scheduler/api"
)

// remote is a server that is not reached by a unix socket.
type remote struct {
	address, tokenFile, rootsFile string
	service                       api.Service
}

// remoteFlags adds the flags that say where the server is.
func (a *app) remoteFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&a.remote.address, "server", a.Getenv("HOTSPARE_SERVER"), "`URL` of a server on the network, instead of --socket ($HOTSPARE_SERVER)")
	flags.StringVar(&a.remote.tokenFile, "token-file", a.Getenv("HOTSPARE_TOKEN_FILE"), "file with its bearer token: `PATH` ($HOTSPARE_TOKEN_FILE)")
	flags.StringVar(&a.remote.rootsFile, "ca-file", a.Getenv("HOTSPARE_CA_FILE"), "file with the certificates that its own must come from: `PATH` (default: the system's; $HOTSPARE_CA_FILE)")
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		if a.remote.address == "" {
			return nil
		}
		if c.Flags().Changed("socket") {
			return usageError(c, "say where the server is with --socket or with --server, not with both")
		}
		return a.dial()
	}
}

// dial reads the token and the certificates, and makes the client.
func (a *app) dial() error {
	token, err := readToken(a.remote.tokenFile)
	if err != nil {
		return err
	}
	var roots *x509.CertPool
	if a.remote.rootsFile != "" {
		pem, err := os.ReadFile(a.remote.rootsFile)
		if err != nil {
			return fmt.Errorf("read --ca-file: %w", err)
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return fmt.Errorf("read --ca-file: %s holds no certificate in PEM", a.remote.rootsFile)
		}
	}
	a.remote.service, err = a.Dial(a.remote.address, token, roots)
	return err
}

func readToken(path string) (string, error) {
	if path == "" {
		return "", errors.New("a server on the network asks for a token; name the file that holds it: --token-file PATH")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read --token-file: %w", err)
	}
	if token := strings.TrimSpace(string(data)); token != "" {
		return token, nil
	}
	return "", fmt.Errorf("read --token-file: %s is empty", path)
}
