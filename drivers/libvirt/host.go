package libvirt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"libvirt.org/go/libvirt"
)

const (
	// callsPerHost is how many calls are in flight at one host, beside those for addresses,
	// each on a connection of its own: the client of libvirt 9.0 crashes the process when
	// keepalive closes a connection with two.
	callsPerHost = 4
	// dialsPerHost bounds the connections that hang in a frozen libvirtd.
	dialsPerHost = 4
	// Keepalive: so many seconds between two questions, and so many without an answer until
	// the connection is closed. A frozen libvirtd is noticed in four seconds.
	keepAliveEvery, keepAliveCount = 1, 3
	// goneAfter is how long a host may refuse connections before it counts as gone: a libvirtd
	// that restarts needs less.
	goneAfter = 3 * time.Second
	// silentAfter is how long a host may say nothing at all before it counts as gone, if it
	// does not accept a fresh connection either. A machine that is busy answers late.
	silentAfter = 5 * time.Second
	// slowAfter is how long a question may stay without an answer until a fresh connection is
	// tried beside it, so that a frozen libvirtd is told from a slow one while keepalive still waits.
	slowAfter = 2 * time.Second
	// dialAgain is how long to wait before a host is tried again.
	dialAgain = 100 * time.Millisecond
)

// host is one libvirtd, and the connections to it.
type host struct {
	name, uri string
	limit     time.Duration // of a connection's making
	calls     chan struct{} // a token for each call in flight
	dials     chan struct{} // a token for each connection being made
	// timing, where it is set, is told that a call begins, and gives what it ends with;
	// benchmarks measure with it.
	timing    func() (end func())
	addresses *addressBook
	changed   bell // rings at each lifecycle event, and when the host goes or comes
	stop      context.CancelFunc
	stopped   chan struct{}

	mu     sync.Mutex
	idle   []*libvirt.Connect
	heard  time.Time // when it last answered anything
	failed time.Time // since when it does not answer; zero while it does
	gone   bool
	cause  error
	seen   *listing  // as it was listed last; nil: never
	last   *hostRead // as an inventory read it last; nil: never
}

func newHost(name, uri string, limit time.Duration) *host {
	ctx, stop := context.WithCancel(context.Background())
	h := &host{
		name: name, uri: uri, limit: limit, stop: stop, stopped: make(chan struct{}), heard: time.Now(),
		calls: make(chan struct{}, callsPerHost), dials: make(chan struct{}, dialsPerHost),
		addresses: newAddressBook(),
	}
	go h.watch(ctx)
	return h
}

// close ends the host's connections; calls in flight end by themselves.
func (h *host) close() {
	h.stop()
	<-h.stopped
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, conn := range h.idle {
		_, _ = conn.Close()
	}
	h.idle = nil
}

// call makes one call, which may change something: it is not repeated when its connection
// is lost. It ends by itself when libvirtd stops answering, not with the context.
func call[T any](ctx context.Context, h *host, f func(*libvirt.Connect) (T, error)) (T, error) {
	return callOn(ctx, h, h.calls, f)
}

// callOn makes a call when one of the given tokens is free.
func callOn[T any](ctx context.Context, h *host, tokens chan struct{}, f func(*libvirt.Connect) (T, error)) (T, error) {
	var none T
	select {
	case tokens <- struct{}{}:
		defer func() { <-tokens }()
	case <-ctx.Done():
		return none, ctx.Err()
	}
	conn, err := h.take(ctx)
	if err != nil {
		return none, err
	}
	if err := ctx.Err(); err != nil {
		h.give(conn)
		return none, err
	}
	end := func() {}
	if h.timing != nil {
		end = h.timing()
	}
	value, err := f(conn)
	end()
	if err == nil {
		h.answered()
		h.give(conn)
		return value, nil
	}
	if alive, _ := conn.IsAlive(); alive {
		h.give(conn)
		return none, err
	}
	_, _ = conn.Close()
	h.note(err)
	return none, fmt.Errorf("host %s: %w: %w", h.name, errLost, err)
}

// read makes a call that changes nothing, again where its connection was lost, until the
// host counts as gone.
func read[T any](ctx context.Context, h *host, f func(*libvirt.Connect) (T, error)) (T, error) {
	for {
		value, err := call(ctx, h, f)
		if !errors.Is(err, errLost) || ctx.Err() != nil {
			return value, err
		}
	}
}

// take gives a live connection that nobody else uses. It tries for as long as the host does
// not count as gone.
func (h *host) take(ctx context.Context) (*libvirt.Connect, error) {
	for {
		h.mu.Lock()
		var conn *libvirt.Connect
		if n := len(h.idle); n > 0 {
			conn, h.idle = h.idle[n-1], h.idle[:n-1]
		}
		h.mu.Unlock()
		if conn != nil {
			if alive, err := conn.IsAlive(); alive && err == nil {
				return conn, nil
			}
			_, _ = conn.Close()
			continue
		}
		if err := h.isGone(); err != nil {
			return nil, err
		}
		conn, err := h.dial(ctx)
		if err == nil || ctx.Err() != nil {
			return conn, err
		}
		h.note(err)
		select {
		case <-time.After(dialAgain):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (h *host) give(conn *libvirt.Connect) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.idle = append(h.idle, conn)
}

// dial makes a connection. NewConnect has no limit of its own and hangs in a frozen
// libvirtd: one that comes too late is closed.
func (h *host) dial(ctx context.Context) (*libvirt.Connect, error) {
	limit := time.NewTimer(h.limit)
	defer limit.Stop()
	late := fmt.Errorf("%w within %s", errSilent, h.limit)
	select {
	case h.dials <- struct{}{}:
	case <-limit.C:
		return nil, late
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	type result struct {
		conn *libvirt.Connect
		err  error
	}
	made := make(chan result, 1)
	go func() {
		defer func() { <-h.dials }()
		conn, err := libvirt.NewConnect(h.uri)
		if err == nil {
			if err = conn.SetKeepAlive(keepAliveEvery, keepAliveCount); err != nil {
				_, _ = conn.Close()
			}
		}
		made <- result{conn, err}
	}()
	var err error
	select {
	case r := <-made:
		return r.conn, r.err
	case <-limit.C:
		err = late
	case <-ctx.Done():
		err = ctx.Err()
	}
	go func() {
		if r := <-made; r.err == nil {
			h.answered() // slow, and not gone
			_, _ = r.conn.Close()
		}
	}()
	return nil, err
}
