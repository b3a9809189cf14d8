package libvirt

import (
	"context"
	"errors"
	"os"
	"time"

	"libvirt.org/go/libvirt"

	"github.com/hotspare/hotspare/drivers"
)

// healthEvery is how often health is reported where the configuration does not say.
const healthEvery = 10 * time.Second

// Health reads from every host and from the volumes pool's folder, and tells how that went.
// It is OK while one host answers; a host that does not is told as the error all the same.
func (d *driver) Health(ctx context.Context, report func(drivers.Health) error) error {
	if _, err := d.ready("report health"); err != nil {
		return err
	}
	for {
		every := healthEvery
		// Each time anew: the driver may have been configured again.
		d.mu.Lock()
		cl := d.cluster
		if d.configured.HealthEvery > 0 {
			every = d.configured.HealthEvery
		}
		d.mu.Unlock()
		began := time.Now()
		h, err := abandon(ctx, func() (drivers.Health, error) { return cl.health(ctx), nil })
		if err != nil {
			return err
		}
		h.At, h.Took = began, time.Since(began)
		if err := report(h); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}

func (cl *cluster) health(ctx context.Context) drivers.Health {
	answers := onAll(ctx, cl.hosts, func(ctx context.Context, h *host) (int, error) {
		return read(ctx, h, func(conn *libvirt.Connect) (int, error) { return conn.NumOfDomains() })
	})
	var failed []error
	ok := false
	for _, a := range answers {
		if a.err != nil {
			failed = append(failed, a.err)
		}
		ok = ok || a.err == nil
	}
	if _, err := os.ReadDir(cl.folder); err != nil {
		failed, ok = append(failed, err), false
	}
	h := drivers.Health{OK: ok}
	if err := errors.Join(failed...); err != nil {
		h.Error = fail("read", "cluster "+cl.settings.cluster, err).Error()
	}
	return h
}
