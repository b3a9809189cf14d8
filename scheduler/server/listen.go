package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
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
		servers, listeners = append(servers, newHTTP(s.TriggerHandler())), append(listeners, l)
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
