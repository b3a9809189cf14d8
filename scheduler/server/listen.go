package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hotspare/hotspare/scheduler/api"
)

// Serve listens where the site's configuration says, until ctx ends, and then lets
// requests under way come to their end for a moment. ready is called when it listens.
func (s *Server) Serve(ctx context.Context, ready func(unix, tcp string)) error {
	unix, err := listenUnix(s.site.Listen.Unix)
	if err != nil {
		return err
	}
	servers := []*http.Server{newHTTP(api.Handler(s))}
	listeners := []net.Listener{unix}
	tcp := ""
	if address := s.site.Listen.TCP; address != "" {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return errors.Join(fmt.Errorf("listen on %s: %w; change listen.tcp in the site block, or end what has it", address, err), unix.Close())
		}
		tcp = l.Addr().String()
		if l, err = s.encrypt(l); err != nil {
			return errors.Join(err, unix.Close())
		}
		servers, listeners = append(servers, newHTTP(s.NetworkHandler())), append(listeners, l)
	}
	failed := make(chan error, len(servers))
	for i, server := range servers {
		go func() { failed <- server.Serve(listeners[i]) }()
	}
	ready(s.site.Listen.Unix, tcp)
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	s.stop() // those who watch are let go
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	for _, server := range servers {
		if server.Shutdown(grace) != nil {
			_ = server.Close()
		}
	}
	return err
}

// NetworkHandler serves what is served on TCP: triggers, each with its own token, and the
// API with the site's token, where it has one.
func (s *Server) NetworkHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/triggers/", s.TriggerHandler())
	handler := api.Handler(s)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.site.Listen.Token == "":
			api.Fail(w, &api.Error{Code: api.CodeDenied, Message: "the API is not served on the network", Next: "use the unix socket, or write token_file in the listen block"})
		case !bears(r.Header.Get("Authorization"), s.site.Listen.Token):
			api.Fail(w, &api.Error{Code: api.CodeDenied, Message: "the bearer token is not the site's", Next: "name the file that holds it: --token-file"})
		default:
			handler.ServeHTTP(w, r)
		}
	})
	return mux
}

// bears reports whether the header carries this token, in a time that does not tell how
// much of it is right.
func bears(authorization, token string) bool {
	sent, ok := strings.CutPrefix(authorization, "Bearer ")
	got, want := sha256.Sum256([]byte(sent)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && ok && token != ""
}

// encrypt wraps the listener in TLS where the site has a certificate.
func (s *Server) encrypt(l net.Listener) (net.Listener, error) {
	listen := s.site.Listen
	if listen.CertFile == "" {
		return l, nil
	}
	certificate, err := tls.LoadX509KeyPair(listen.CertFile, listen.KeyFile)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: read certificate_file and key_file: %w", listen.TCP, err), l.Close())
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}), nil
}

func newHTTP(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
}

// listenUnix takes the socket's place. The journal's lock has shown already that no other
// server runs on this state; a socket that nobody answers on is left over.
func listenUnix(path string) (net.Listener, error) {
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("listen on %s: another server answers there; stop it, or give this one a socket of its own (listen.unix in the site block)", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("listen on %s: remove what is left over: %w", path, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o660); err != nil { // the group may use it, nobody else
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), l.Close())
	}
	return l, nil
}
