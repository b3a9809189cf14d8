package devsite

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// answerLimit is how long a site that runs may take to answer.
const answerLimit = 3 * time.Second

// Running reports whether a site runs in a directory and answers, and what it is.
func Running(ctx context.Context, dir string) (Info, bool) {
	info, err := ReadInfo(dir)
	if err != nil || info.PID == 0 || errors.Is(syscall.Kill(info.PID, 0), syscall.ESRCH) {
		return info, false
	}
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(info.URL, "/sdk")+"/about", nil)
	if err != nil {
		return info, false
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, // the chain; the certificate itself is checked here:
		VerifyConnection: func(state tls.ConnectionState) error {
			if sum := fmt.Sprintf("%X", sha256.Sum256(state.PeerCertificates[0].Raw)); sum != info.Thumbprint {
				return errors.New("another server has the port")
			}
			return nil
		},
	}}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return info, false
	}
	return info, response.Body.Close() == nil && response.StatusCode == http.StatusOK
}
