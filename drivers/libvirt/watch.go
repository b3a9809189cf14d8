package libvirt

import (
	"context"
	"errors"
	"strings"
	"time"

	"libvirt.org/go/libvirt"
)

// note remembers that the host failed, and decides whether it counts as gone: it has refused
// connections for goneAfter, or it has said nothing for silentAfter and does not accept a
// fresh connection. That keepalive gave a connection up decides nothing: it may be slow.
func (h *host) note(err error) {
	h.mu.Lock()
	if h.failed.IsZero() {
		h.failed = time.Now()
	}
	h.cause = err
	before := h.gone
	switch {
	case errors.Is(err, errSilent):
		h.gone = h.gone || time.Since(h.heard) >= silentAfter
	case strings.Contains(err.Error(), "keepalive timeout"):
	default:
		h.gone = h.gone || time.Since(h.failed) >= goneAfter
	}
	turned := h.gone && !before
	h.mu.Unlock()
	if turned {
		h.changed.ring()
	}
}

// answered notes that the host is there.
func (h *host) answered() {
	h.mu.Lock()
	before := !h.failed.IsZero()
	h.heard, h.failed, h.gone, h.cause = time.Now(), time.Time{}, false, nil
	h.mu.Unlock()
	if before {
		h.changed.ring()
	}
}

// isGone gives an error where the host counts as gone.
func (h *host) isGone() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.gone {
		return nil
	}
	return &goneError{h.name, h.cause}
}

// watch keeps one connection to the host for as long as the driver is configured: it hears
// of what happens to its domains, asks every second whether libvirtd answers, and connects
// again when it does not.
func (h *host) watch(ctx context.Context) {
	defer close(h.stopped)
	for ctx.Err() == nil {
		conn, err := h.dial(ctx)
		if err == nil {
			h.answered()
			err = h.listen(ctx, conn)
			_, _ = conn.Close()
		}
		if ctx.Err() == nil && err != nil {
			h.note(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(dialAgain):
		}
	}
}

// listen rings at each lifecycle event, until the connection fails.
func (h *host) listen(ctx context.Context, conn *libvirt.Connect) error {
	id, err := conn.DomainEventLifecycleRegister(nil, func(*libvirt.Connect, *libvirt.Domain, *libvirt.DomainEventLifecycle) { h.changed.ring() })
	if err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return conn.DomainEventDeregister(id)
		case <-tick.C:
			if err := h.ask(ctx, conn); err != nil {
				_ = conn.DomainEventDeregister(id)
				return err
			}
			h.answered()
		}
	}
}

// ask asks whether libvirtd answers. While it does not, a fresh connection is tried: one that
// is not made either says that it is frozen.
func (h *host) ask(ctx context.Context, conn *libvirt.Connect) error {
	answer := make(chan error, 1)
	go func() {
		_, err := conn.GetLibVersion()
		answer <- err
	}()
	select {
	case err := <-answer:
		return err
	case <-time.After(slowAfter):
	}
	fresh, err := h.dial(ctx)
	if err == nil {
		h.answered()
		_, _ = fresh.Close()
	} else if ctx.Err() == nil {
		h.note(err)
	}
	return <-answer // keepalive ends it
}
